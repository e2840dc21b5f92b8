"""`release propose encoder|filter`: each serves all or nobody, so a person decides by what training measured."""

from __future__ import annotations

from collections.abc import Mapping

from common.releases.proposing import Proposal, candidate_of
from common.versions.registry import CHAMPION, Registry
from photostock.settings import PhotoSettings


def review_by_figures(settings: PhotoSettings, component: str, version: str | None) -> Proposal:
    """The figures of both manifests; without `version` of the newest. `Failed` where there is nothing to compare."""
    registry = Registry(settings.registry_dir)
    candidate = candidate_of(registry, component, version)
    champion = registry.resolve(component, CHAMPION)
    before, after = (registry.manifest(component, number).metrics for number in (champion, candidate))
    report = {
        "kind": "figures",
        "outcome": "inconclusive",
        "sentence": f"{component} {candidate} instead of {champion}: no query was asked of both, a person decides.",
        "reasons": [f"{name}: {_told(after, name)} instead of {_told(before, name)}" for name in {**before, **after}],
        "champion": champion,
        "candidate": candidate,
    }
    return Proposal(component, candidate, report, ())


def _told(metrics: Mapping[str, float], name: str) -> str:
    return f"{metrics[name]:.4g}" if name in metrics else "not measured"
