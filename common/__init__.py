"""What every integration of an ML service needs; it knows nothing of retail or photos.

These names are the face of the package. `common.service`, `common.state` and `common.registry` are imported by name, so
that a program which only makes calls loads neither a web framework nor a database.
"""

from common.breaker import BreakerPolicy
from common.client import SafeClient, Upstream, high_timeout, low_timeout
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.errors import NobodyAnswered, TierFailed
from common.fallback import FallbackChain, NotNeeded, OptionalStage, Refused, Served, Substitute
from common.outcome import Outcome, Reason
from common.workers import WorkerPool

__all__ = [
    "AnswerModel",
    "BreakerPolicy",
    "Deadline",
    "FallbackChain",
    "NobodyAnswered",
    "NotNeeded",
    "OptionalStage",
    "Outcome",
    "Reason",
    "Refused",
    "RequestModel",
    "SafeClient",
    "Served",
    "Substitute",
    "TierFailed",
    "Upstream",
    "WorkerPool",
    "high_timeout",
    "low_timeout",
]
