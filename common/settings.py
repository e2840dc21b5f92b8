"""Settings that every service shares, read from environment variables."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from common.releases.canary import CanaryPolicy
from common.releases.policy import GoodHours

Port = Annotated[int, Field(ge=1, le=65535)]


class ServiceSettings(BaseSettings):
    """The shared part; a service adds its ports and its model's address.

    Raises pydantic's `ValidationError`, which names the variable, when one can't be used.
    """

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, env_ignore_empty=True)

    var_dir: Path = Path("var")  # all state and artifacts; nothing is written elsewhere
    database_url: str | None = None  # SQLAlchemy URL; SQLite under `var_dir` by default
    host: str = "127.0.0.1"
    low_timeout_ms: int = Field(250, ge=1, le=30_000)
    high_timeout_ms: int = Field(3_000, ge=1, le=30_000)
    admin_token: str | None = Field(None, min_length=8, repr=False)
    # Callers, `name:key,…`. A caller with an empty key is admitted without one: openness has to be written down.
    api_keys: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict, repr=False)
    max_in_flight: int = Field(64, ge=1)  # requests at work at a time; more are told to come back (429)
    replay_log_mb: int = Field(256, ge=1, le=1_000_000)  # of what is kept to make answers again; the oldest go first
    replay_log_days: int = Field(14, ge=1, le=3_650)
    audit_log_entries: int = Field(1_000_000, ge=1_000, le=2_000_000_000)  # of more the oldest go
    drain_notice_ms: int = Field(500, ge=0, le=60_000)  # after SIGTERM callers are told to go elsewhere for so long

    otel_exporter_otlp_endpoint: str | None = None  # of a trace collector; no tracing without one
    tracing_share: float = Field(0.05, ge=0, le=1)  # of the traces that begin here, those that are recorded
    erasure_retrain_days: int = Field(30, ge=1, le=365)  # within which models that learnt from a person are made anew
    report_days: int = Field(35, ge=1, le=400)  # for so long the sums of which daily reports are made are kept
    cost_per_cpu_hour: float = Field(0.04, ge=0, le=1_000)  # in whatever currency reports are read in

    release_zone: str = "UTC"
    release_hours: str = "mon-thu 09:00-16:00, fri 09:00-12:00"  # when releases begin; "always" for no guard rail
    release_holidays: str = ""  # 2026-12-25, 2027-01-01
    release_steps: str = "0.01, 0.05, 0.25, 1"  # shares of the traffic, rising to 1
    release_step_requests: int = Field(300, ge=1, le=1_000_000)  # that the challenger answers at least in each step
    release_step_comparisons: int = Field(400, ge=1, le=1_000_000)  # of these, that the champion is asked, too
    release_step_s: float = Field(60, ge=0, le=86_400)

    @field_validator("api_keys", mode="before")
    @classmethod
    def _parse_api_keys(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        pairs = [entry.strip().partition(":") for entry in given.split(",") if entry.strip()]
        if any(not name or not colon for name, colon, _ in pairs):
            raise ValueError("expected name:key,name:key,…")
        return {name: key for name, _, key in pairs}

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> ServiceSettings:
        if not self.api_keys and not _is_loopback(self.host):
            raise ValueError(f"API_KEYS is required because HOST={self.host} can be reached from other machines")
        return self

    @model_validator(mode="after")
    def _releases_can_begin(self) -> ServiceSettings:
        _ = self.good_hours, self.canary_steps
        return self

    @property
    def good_hours(self) -> GoodHours:
        """When releases begin; raises `ValueError` for what makes no sense."""
        return GoodHours.of(self.release_hours, zone=self.release_zone, holidays=self.release_holidays)

    @property
    def canary_steps(self) -> CanaryPolicy:
        """How a rollout goes on; what is tolerated is for each component to say."""
        return CanaryPolicy(
            steps=tuple(float(step) for step in self.release_steps.split(",")),
            requests_per_step=self.release_step_requests,
            comparisons_per_step=self.release_step_comparisons,
            step_s=self.release_step_s,
        )

    @property
    def registry_dir(self) -> Path:
        return self.var_dir / "registry"

    @property
    def releases_dir(self) -> Path:
        """What is told about a release and too large for the database, by release."""
        return self.var_dir / "releases"

    @property
    def outgoing_key(self) -> str | None:
        """The key with which the services of one deployment call each other: the first one."""
        return next((key for key in self.api_keys.values() if key), None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
