"""What of the shared code has a version of its own; `python -m common registry verify` asks.

None of it computes a forecast or a score, and all of it decides which of them a caller meets.
"""

from __future__ import annotations

from collections.abc import Mapping

from common.versions.components import Component

CHAIN_VERSION = "1"
CALLS_VERSION = "1"
SERVICE_VERSION = "1"
STATE_VERSION = "1"
LIFECYCLE_VERSION = "1"
OVERRIDES_VERSION = "1"
ERASING_VERSION = "1"
LABELLING_VERSION = "1"
REGISTRY_VERSION = "1"
RELEASES_VERSION = "1"

COMPONENTS = (
    # Which tier answers, and what is refused.
    Component(
        name="chain",
        version=CHAIN_VERSION,
        entries=("common.chain.*", "common.deadline", "common.outcome"),
        follow=False,
    ),
    # How long a model is waited for, and whose answer counts.
    Component(
        name="calls",
        version=CALLS_VERSION,
        entries=("common.calls.*", "common.queueing", "common.workers"),
        follow=False,
        libraries=("aiohttp",),
    ),
    # What is taken in, what is turned away, and how an answer leaves.
    Component(
        name="service",
        version=SERVICE_VERSION,
        entries=(
            "common.service.*",
            "common.panel.*",
            "common.context",
            "common.contract",
            "common.errors",
            "common.json_limits",
            "common.settings",
        ),
        follow=False,
        libraries=("fastapi", "pydantic"),
    ),
    Component(name="state", version=STATE_VERSION, entries=("common.state.*",), follow=False),
    Component(name="erasing", version=ERASING_VERSION, entries=("common.erasing.*",), follow=False),
    Component(name="overrides", version=OVERRIDES_VERSION, entries=("common.overrides.*",), follow=False),
    # What people decided, as labels to learn from.
    Component(
        name="labelling",
        version=LABELLING_VERSION,
        entries=("common.labelling.*",),
        follow=False,
        libraries=("numpy",),
    ),
    Component(name="lifecycle", version=LIFECYCLE_VERSION, entries=("common.lifecycle.*",), follow=False),
    # Which version of a model serves.
    Component(
        name="registry",
        version=REGISTRY_VERSION,
        entries=(
            "common.versions.aliases",
            "common.versions.collecting",
            "common.versions.known_versions",
            "common.versions.manifest",
            "common.versions.probes",
            "common.versions.registry",
            "common.versions.slots",
        ),
        follow=False,
    ),
    # By which rules a version gets traffic, becomes champion, or is taken back.
    Component(
        name="releases", version=RELEASES_VERSION, entries=("common.releases.*",), follow=False, libraries=("numpy",)
    ),
)

HARMLESS: Mapping[str, str] = {
    "common": "only names other modules",
    "common.__main__": "the command line",
    "common.command_line": "the command line",
    "common.components": "what is declared is checked by what it declares",
    "common.incidents.*": "tells people what goes wrong; no answer depends on it",
    "common.daily.*": "counts what was answered",
    "common.demo": "what the load generator asks about",
    "common.logs.*": "log lines are in no answer",
    "common.metrics": "figures for operators",
    "common.openapi.*": "compares documents, serves nothing",
    "common.progress": "a bar at a terminal",
    "common.replay.*": "makes answers again: one that comes out otherwise says so",
    "common.write_behind": "writes down what was answered",
    "common.durable": "puts whole files in their place",
    "common.report.*": "how reports for people look",
    "common.tracing": "spans are in no answer",
    "common.tracing_sdk": "spans are in no answer",
    "common.versions.commands": "the command line",
    "common.versions.components": "what looks for changes",
    "common.versions.fingerprint": "what looks for changes",
    "common.versions.lock": "what looks for changes",
}
