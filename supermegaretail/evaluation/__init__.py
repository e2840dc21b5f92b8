"""What each tier is worth: rolling origins on days that the models have not seen, with peers in the same run."""

from supermegaretail.evaluation.run import PEER_SERIES, errors_at, evaluate

__all__ = ["PEER_SERIES", "errors_at", "evaluate"]
