"""Settings of one process: where state lies, which lab it works with, which language it speaks.

Read once from the environment (`GASP_*`); holds no rule and no secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables are the upper-case field names with the prefix `GASP_`."""

    model_config = SettingsConfigDict(env_prefix="GASP_", extra="ignore", frozen=True)

    state: Path = Field(Path("/var/lib/gasp"), description="Database, secrets, certificates, lab disks (mode 0700).")
    cache: Path = Field(Path("/var/cache/gasp"), description="Host images, keyed by the hash of their recipe.")
    lab: Literal["lab", "labt", "labb"] = Field(
        "lab", description="Name of the lab: address ranges and interfaces follow it."
    )
    estate: Path = Field(
        Path(__file__).parent.parent / "tenants" / "qingdao", description="Folder of tenant documents for bring-up."
    )
    database: str | None = Field(None, description="SQLAlchemy URL; default is gasp.db in the state folder.")
    touch_limit: int = Field(
        50, ge=0, description="More updates and deletes than this in one plan need an explicit yes."
    )
    ttl: int = Field(300, ge=1, le=86400, description="Time to live of published names, in seconds.")
    fault: str | None = Field(None, description="Fault injection for tests: kill:EVENT[:N] ends the process there.")

    @field_validator("state", "cache", "estate")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database or f"sqlite:///{self.state / 'gasp.db'}"

    @property
    def secrets(self) -> Path:
        """Folder of secrets, mode 0700; files 0600."""
        return self.state / "secrets"
