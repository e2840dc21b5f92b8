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
from common.chain.acceptance import accepts, confident, familiar, within
from common.chain.demotion import DemotionPolicy
from common.chain.fallback import FallbackChain
from common.chain.standing import Standing
from common.chain.story import Served
from common.chain.switches import Switchboard
from common.chain.tiers import NotNeeded, OptionalStage, Refused, Substitute, explicit_error
from common.context import request_context
from common.contract import AnswerModel, RequestModel
from common.deadline import Deadline
from common.errors import NobodyAnswered, TierFailed
from common.logs.configure import configure_logs
from common.outcome import Outcome, Reason
from common.workers import WorkerPool

__all__ = [
    "AnswerLimits",
    "AnswerModel",
    "AttemptPolicy",
    "BreakerPolicy",
    "Bulk",
    "Deadline",
    "DemotionPolicy",
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
    "Standing",
    "Substitute",
    "Switchboard",
    "TierFailed",
    "Upstream",
    "WorkerPool",
    "accepts",
    "confident",
    "configure_logs",
    "explicit_error",
    "familiar",
    "high_timeout",
    "low_timeout",
    "request_context",
    "within",
]
