"""Settings of PhotoStock's two processes."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field

from common.settings import Port, ServiceSettings


class PhotoSettings(ServiceSettings):
    """Environment variables, as listed in `docs/settings.md`."""

    photostock_port: Port = 8003
    photostock_reranker_port: Port = 8004
    reranker_url: str | None = Field(None, validation_alias=AliasChoices("PHOTOSTOCK_RERANKER_URL", "reranker_url"))
    reranker_url_green: str | None = Field(
        None, validation_alias=AliasChoices("PHOTOSTOCK_RERANKER_URL_GREEN", "reranker_url_green")
    )  # a second set of model processes, to switch to
    shadow_url: str | None = Field(None, validation_alias=AliasChoices("PHOTOSTOCK_SHADOW_URL", "shadow_url"))
    encoder_model: str | None = Field(
        None, validation_alias=AliasChoices("PHOTOSTOCK_ENCODER_MODEL", "encoder_model")
    )  # a folder with a sentence-transformers model; the packaged MiniLM by default. Read by `train` only

    feedback_days: int = Field(180, ge=1, le=3_650)  # how long impressions, clicks and downloads are kept
    feedback_rows: int = Field(1_000_000, ge=1_000, le=50_000_000)  # and how many; the oldest go first

    @property
    def upstream_url(self) -> str:
        """Where the API finds its reranker."""
        return self.reranker_url or f"http://127.0.0.1:{self.photostock_reranker_port}"

    @property
    def replays_dir(self) -> Path:
        return self.var_dir / "photostock" / "replays"

    @property
    def index_dir(self) -> Path:
        return self.var_dir / "photostock" / "index"

    @property
    def pictures_dir(self) -> Path:
        return self.var_dir / "photostock" / "pictures"
