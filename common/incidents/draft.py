"""The draft of a post-mortem: what the time line knows, and questions that only people can answer."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import datetime

from common.incidents.store import Incident
from common.incidents.time_line import Moment

QUESTIONS = (
    ("Impact", "Who felt it, how, and how many requests?"),
    ("Cause", "What broke, and why was that possible? No names: which rule, check or tool was missing?"),
    ("Detection", "Did the alert come first, or a person? Could it have come earlier?"),
    ("Recovery", "What helped, what did not, what was slow?"),
    ("Luck", "What could have made it worse?"),
    ("Actions", "What will be changed, by whom, by when?"),
)


def post_mortem(incident: Incident, moments: Sequence[Moment]) -> str:
    """Markdown; whatever somebody wrote into a time line stays text in it."""
    alerts = sorted({moment.what.split(" ")[0].rstrip(":") for moment in moments if moment.kind == "alert"})
    facts = (
        ("Service", incident.service),
        ("State", incident.state),
        ("Opened", incident.opened_at),
        ("Mitigated", _after(incident.opened_at, incident.mitigated_at)),
        ("Resolved", _after(incident.opened_at, incident.resolved_at)),
        ("Alerts", ", ".join(alerts) or "none"),
    )
    lines = [f"# Post-mortem: {escaped(incident.title)}", "", f"Incident {incident.id}. A draft: complete it.", ""]
    lines += [f"- {name}: {escaped(str(value))}" for name, value in facts]
    for heading, question in QUESTIONS:
        lines += ["", f"## {heading}", "", f"_{question}_"]
    lines += ["", "## Time line (UTC)", ""]
    lines += [f"- {one.at} **{one.kind}** {escaped(one.what)}{_by(one.who)}" for one in moments]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Neither HTML nor Markdown."""
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", html.escape(text, quote=False))


def _by(who: str) -> str:
    return f" (by {escaped(who)})" if who else ""


def _after(opened_at: str, at: str | None) -> str:
    if at is None:
        return "not yet"
    minutes = (datetime.fromisoformat(at) - datetime.fromisoformat(opened_at)).total_seconds() / 60
    return f"{at}, after {minutes:.0f} minutes"
