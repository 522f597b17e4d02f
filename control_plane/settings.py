"""Settings of one process: where state lies, which lab it works with, which language it speaks.

Read once from the environment (`GASP_*`); holds no rule and no secret.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

PREFIX = "GASP_"


class Settings(BaseModel):
    """Environment variables are the upper-case field names with the prefix `GASP_`."""

    model_config = ConfigDict(frozen=True)

    state: Path = Field(Path("/var/lib/gasp"), description="Database, secrets, certificates, lab disks (mode 0700).")
    cache: Path = Field(Path("/var/cache/gasp"), description="Host images, keyed by the hash of their recipe.")
    lab: Literal["lab", "labt", "labb", "dev1", "dev2", "dev3", "dev4", "dev5", "dev6"] = Field(
        "lab", description="Name of the lab: address ranges and interfaces follow it."
    )
    estate: Path = Field(
        Path(__file__).parent.parent / "tenants" / "qingdao", description="Folder of tenant documents for bring-up."
    )
    database: str | None = Field(None, description="SQLAlchemy URL; default is gasp.db in the state folder.")
    touch_limit: int = Field(
        50, ge=0, description="More updates and deletes than this in one plan need an explicit yes."
    )
    cut_limit: int = Field(
        5, ge=0, description="Taking network access from more tenants than this in one plan needs an explicit yes."
    )
    record_days: int = Field(200, ge=0, description="Days that the access record is kept; older ones may be purged.")
    mail_gather: int = Field(
        60, ge=0, description="Seconds that a notice waits for others to the same person, so that they are one mail."
    )
    mail_operators: str | None = Field(
        None, description="Address that hears what concerns operators; default is operators@ the estate's domain."
    )
    attachment_mib: int = Field(500, ge=1, description="MiB that files of one department's requests may have together.")
    upload_mib: int = Field(
        4096, ge=1, description="MiB that all stored releases of one department's websites may have together."
    )
    keep_releases: int = Field(
        10, ge=1, description="Releases of each website that stay stored beside those in use; older ones are deleted."
    )
    ttl: int = Field(300, ge=1, le=86400, description="Time to live of published names, in seconds.")
    web_port: int | None = Field(
        None, ge=0, le=65535, description="Port of the console on 127.0.0.1; 8443 and up by lab, 0 for no console."
    )
    fault: str | None = Field(None, description="Fault injection for tests: kill:EVENT[:N] ends the process there.")

    @classmethod
    def from_environment(cls) -> Self:
        """The settings of this process. Raises pydantic's ValidationError."""
        return cls.model_validate(
            {
                name: os.environ[PREFIX + name.upper()]
                for name in cls.model_fields
                if PREFIX + name.upper() in os.environ
            }
        )

    @field_validator("state", "cache", "estate")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database or f"sqlite:///{self.state / 'gasp.db'}"

    @property
    def console_port(self) -> int:
        """The port in force; each lab has its own, so that several can be up side by side."""
        if self.web_port is not None:
            return self.web_port
        return 8443 + get_args(type(self).model_fields["lab"].annotation).index(self.lab)

    @property
    def secrets(self) -> Path:
        """Folder of secrets, mode 0700; files 0600."""
        return self.state / "secrets"
