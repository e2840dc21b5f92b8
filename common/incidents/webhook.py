"""What Alertmanager sends to a webhook, version 4, as far as we read it.

Unlike our own requests it may have fields that we do not know: a newer Alertmanager must not lose its alerts here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from common.panel.audit import printable

MOST_ALERTS = 1_000
MOST_SUMMARY = 500  # characters
Word = Annotated[str, StringConstraints(max_length=4_096)]
Words = Annotated[dict[Annotated[str, StringConstraints(max_length=200)], Word], Field(max_length=64)]


class SentAlert(BaseModel):
    """One alert: `ends_at` means something once it is resolved."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["firing", "resolved"]
    labels: Words
    annotations: Words = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(None, alias="endsAt")
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-zA-Z_-]{0,64}$")] = ""


class Notification(BaseModel):
    """A group of alerts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal["4"]
    alerts: Annotated[list[SentAlert], Field(max_length=MOST_ALERTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An alert as it is kept; times are UTC, ISO 8601, and `ends_at` is None while it fires."""

    fingerprint: str
    starts_at: str
    ends_at: str | None
    service: str
    name: str
    severity: str
    summary: str

    @property
    def informs_only(self) -> bool:
        """Whether nobody has to act because of this alert alone."""
        return self.severity == "inform"


def told(notification: Notification, *, service: str, now: datetime) -> list[Told]:
    """The alerts; one that names no service is about `service`."""
    return [_told(alert, service, now) for alert in notification.alerts]


def plain(text: str, most: int) -> str:
    """One line without control characters, cut to so many characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def iso(moment: datetime) -> str:
    """UTC, to the millisecond; what lies beyond the first or the last year there is, is clipped to it."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        edges = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        moment = edges[moment.year > 1]
    return moment.isoformat(timespec="milliseconds")


def _told(alert: SentAlert, service: str, now: datetime) -> Told:
    labels, annotations = alert.labels, alert.annotations
    ended = alert.ends_at if alert.ends_at is not None and alert.ends_at.year > 1 else now
    about = annotations.get("summary") or annotations.get("description") or ""
    return Told(
        fingerprint=alert.fingerprint or _fingerprint(labels),
        starts_at=iso(alert.starts_at),
        ends_at=iso(ended) if alert.status == "resolved" else None,
        service=plain(labels.get("service") or service, 64),
        name=plain(labels.get("alertname") or "unnamed", 200),
        severity=plain(labels.get("severity") or "page", 40),
        summary=plain(about, MOST_SUMMARY),
    )


def _fingerprint(labels: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]
