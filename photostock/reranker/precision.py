"""The number format in which this machine trains quickest.

Processors that compute in bfloat16 train quicker in it. On others it is worked out number by number, and nothing says
so: on one of those a step took 39 s of CPU time in place of 2.2, and two minutes of training were two steps.

Imports torch: only `train` may import this module.
"""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

import torch
from torch.nn.functional import linear

Precision: TypeAlias = Literal["bfloat16", "float32"]
ROWS, INPUTS, OUTPUTS = 256, 384, 384  # about what one layer multiplies for a pass of pairs: milliseconds
REPEATS = 5  # the first one prepares, and on a shared machine any one may be interrupted
CLEARLY = 0.8  # less than that is noise, and the same machine is to choose the same format again


def quickest_precision() -> Precision:
    """bfloat16 if this machine multiplies clearly quicker in it than in float32, by processor time."""
    quicker = _product_s(torch.bfloat16) < CLEARLY * _product_s(torch.float32)
    return "bfloat16" if quicker else "float32"


def _product_s(precision: torch.dtype) -> float:
    values, weights = torch.ones(ROWS, INPUTS, dtype=precision), torch.ones(OUTPUTS, INPUTS, dtype=precision)
    return min(_cpu_s_of_one(values, weights) for _ in range(REPEATS))


def _cpu_s_of_one(values: torch.Tensor, weights: torch.Tensor) -> float:
    began_s = time.thread_time()
    linear(values, weights)
    return time.thread_time() - began_s
