"""Which part of a service a stack stands in: by the innermost frame that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

SERVER = "HTTP server and event loop"
UNSEEN = "threads of libraries"

# A folder, a file or a function of a file (`FILE:FUNCTION`) → its part; the longest that fits counts. Libraries are not
# here, but for those that stand for a part: what json does belongs to who called it.
PARTS: Mapping[str, str] = {
    "/common/service/": "gateway",
    "/common/context.py": "gateway",
    "/common/deadline.py": "gateway",
    "/common/service/connections.py": SERVER,
    "/common/service/arrival.py": SERVER,
    "/common/service/refusing.py": SERVER,
    "/common/service/server.py": SERVER,
    "/common/service/serve.py": SERVER,
    "/common/service/vitals.py": SERVER,
    "/common/service/loop_watch.py": SERVER,
    "/common/service/routes.py": "validation",
    "/common/service/query.py": "validation",
    "/common/contract.py": "validation",
    "/common/json_limits.py": "validation",
    "/supermegaretail/contract.py": "validation",
    "/photostock/contract.py": "validation",
    "/common/service/app.py:json_response": "answer and its JSON",
    "/common/chain/": "chain",
    "/supermegaretail/forecast.py": "chain",
    "/photostock/search.py": "chain",
    "/common/workers.py": "chain",
    "/common/calls/": "client call",
    "/supermegaretail/models.py": "client call",
    "/supermegaretail/model_answers.py": "client call",
    "/supermegaretail/model_contract.py": "client call",
    "/photostock/ranking.py": "client call",
    "/photostock/reordering.py": "client call",
    "/photostock/reranker_contract.py": "client call",
    "/common/logs/": "log",
    "/structlog/": "log",
    "/common/write_behind.py": "records of what was told",
    "/common/replay/": "records of what was told",
    "/supermegaretail/monitoring/": "records of what was told",
    "/supermegaretail/replaying.py": "records of what was told",
    "/supermegaretail/answer_story.py": "records of what was told",
    "/supermegaretail/override_effects.py": "records of what was told",
    "/photostock/replay_notes.py": "records of what was told",
    "/photostock/answer_story.py": "records of what was told",
    "/photostock/feedback/": "records of what was told",
    "/common/metrics.py": "metrics",
    "/prometheus_client/": "metrics",
    "/supermegaretail/": "features",
    "/supermegaretail/api.py": "answer and its JSON",
    "/supermegaretail/rollout.py": "rollout and versions",
    "/common/releases/": "rollout and versions",
    "/common/versions/": "rollout and versions",
    "/common/overrides/": "overrides",
    "/common/state/": "overrides",
    "/supermegaretail/overriding.py": "overrides",
    "/photostock/overriding.py": "overrides",
    "/photostock/precedence.py": "overrides",
    "/photostock/": "shaping of the answer",
    "/photostock/api.py": "answer and its JSON",
    "/photostock/answering.py": "answer and its JSON",
    "/photostock/kept.py": "kept answers",
    "/photostock/index/": "index",
    "/photostock/index/encoder.py": "encoding",
    "/photostock/text_model.py": "encoding",
    "/onnxruntime/": "encoding",
    "/photostock/hints/": "words and hints",
    "/photostock/words.py": "words and hints",
    "/photostock/wanting.py": "words and hints",
    "/photostock/lexical.py": "words and hints",
    "/photostock/filter/": "filter",
}


def part_of(stack: Sequence[tuple[str, str]]) -> str:
    """The part of a stack of (file, function), the innermost first; what no rule knows is the event loop's."""
    return next((part for file, function in stack if (part := _part(file, function)) is not None), SERVER)


@lru_cache(maxsize=10_000)
def _part(file: str, function: str) -> str | None:
    place = f"{file}:{function}"
    found = [rule for rule in PARTS if rule in place]
    return PARTS[max(found, key=len)] if found else None
