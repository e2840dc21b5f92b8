"""Where an interrupted training goes on. Imports torch: only `train` may import this module."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import torch

from photostock.reranker.precision import Precision

log = structlog.get_logger(__name__)
FILE = "reranker.pt"


@dataclass(slots=True)
class Position:
    """How far a training came."""

    steps: int = 0
    cpu_s: float = 0.0
    losses: list[float] = field(default_factory=list)  # of every step
    precision: Precision | None = None  # that it began in, and goes on in


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file with network, optimizer and position, good for one `purpose` only: the same data, model and budget."""

    folder: Path
    purpose: str

    def save(self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, position: Position) -> None:
        """Whole or not at all: a training that is killed meanwhile finds the one before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{FILE}"
        state = {"purpose": self.purpose, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(
            state
            | {
                "steps": position.steps,
                "cpu_s": position.cpu_s,
                "losses": position.losses,
                "precision": position.precision,
            },
            draft,
        )
        draft.replace(self.folder / FILE)

    def load(self, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Position:
        """Where to go on; the beginning if there is no file, or one of another training, or a damaged one."""
        if (state := self._read()) is None or state.get("purpose") != self.purpose:
            return Position()
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        log.info("training.resumed", component="reranker", steps=state["steps"], cpu_s=round(state["cpu_s"]))
        return Position(state["steps"], state["cpu_s"], state["losses"], state.get("precision"))

    def remove(self) -> None:
        (self.folder / FILE).unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = torch.load(self.folder / FILE, weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            log.warning("training.checkpoint_damaged", component="reranker", error=str(error))
            return None
        return state
