"""What every integration of an ML service needs; it knows nothing of retail or photos.

These names are the face of the package, and `README.md` tells what they are for. `common.service`, `common.state` and
`common.versions` are imported by name, so that a program which only makes calls loads no web framework or database.
"""

from common.calls.answers import AnswerLimits
from common.calls.attempts import AttemptPolicy
from common.calls.blocking import Portal
from common.calls.breaker import BreakerPolicy
from common.calls.bulk import Bulk
from common.calls.client import SafeClient, high_timeout, low_timeout
from common.calls.shadow import Shadow, ShadowPolicy
from common.calls.upstream import Upstream
from common.chain.fallback import FallbackChain, Served
from common.chain.tiers import NotNeeded, OptionalStage, Refused, Substitute
from common.context import request_context
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.errors import NobodyAnswered, TierFailed
from common.outcome import Outcome, Reason
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
