"""What every integration of an ML service needs; it knows nothing of retail or photos.

These names are the face of the package. `common.service`, `common.state` and `common.registry` are imported by name, so
that a program which only makes calls loads neither a web framework nor a database.
"""

from common.answers import AnswerLimits
from common.attempts import AttemptPolicy
from common.blocking import Portal
from common.breaker import BreakerPolicy
from common.bulk import Bulk
from common.client import SafeClient, high_timeout, low_timeout
from common.context import request_context
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.errors import NobodyAnswered, TierFailed
from common.fallback import FallbackChain, Served
from common.outcome import Outcome, Reason
from common.shadow import Shadow, ShadowPolicy
from common.tiers import NotNeeded, OptionalStage, Refused, Substitute
from common.upstream import Upstream
from common.workers import WorkerPool

__all__ = [
    "AnswerLimits",
    "AnswerModel",
    "AttemptPolicy",
    "BreakerPolicy",
    "Bulk",
    "Deadline",
    "FallbackChain",
    "NobodyAnswered",
    "NotNeeded",
    "OptionalStage",
    "Outcome",
    "Portal",
    "Reason",
    "Refused",
    "RequestModel",
    "SafeClient",
    "Served",
    "Shadow",
    "ShadowPolicy",
    "Substitute",
    "TierFailed",
    "Upstream",
    "WorkerPool",
    "high_timeout",
    "low_timeout",
    "request_context",
]
