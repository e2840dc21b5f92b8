"""Settings of Supermegaretail's two processes."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field

from common.settings import Port, ServiceSettings


class RetailSettings(ServiceSettings):
    """Environment variables, as listed in `docs/settings.md`."""

    supermegaretail_port: Port = 8001
    supermegaretail_model_port: Port = 8002
    model_url: str | None = Field(None, validation_alias=AliasChoices("SUPERMEGARETAIL_MODEL_URL", "model_url"))
    model_url_green: str | None = Field(
        None, validation_alias=AliasChoices("SUPERMEGARETAIL_MODEL_URL_GREEN", "model_url_green")
    )  # a second set of model processes, to switch to
    shadow_url: str | None = Field(None, validation_alias=AliasChoices("SUPERMEGARETAIL_SHADOW_URL", "shadow_url"))
    constant_demand: float = Field(0.0, ge=0)  # units per day for a product that nobody knows anything about
    prediction_log_mb: int = Field(256, ge=1, le=1_000_000)  # of answered forecasts; the oldest go first
    prediction_log_days: int = Field(90, ge=1, le=3_650)

    @property
    def upstream_url(self) -> str:
        """Where the API finds its model."""
        return self.model_url or f"http://127.0.0.1:{self.supermegaretail_model_port}"

    @property
    def table_path(self) -> Path:
        return self.var_dir / "supermegaretail" / "sales.parquet"

    @property
    def replays_dir(self) -> Path:
        return self.var_dir / "supermegaretail" / "replays"

    @property
    def predictions_dir(self) -> Path:
        return self.var_dir / "supermegaretail" / "predictions"
