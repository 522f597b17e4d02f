"""Settings of one process: where state lies, which lab it works with, which language it speaks.

Read once from the environment (`GASP_*`); holds no rule and no secret.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from control_plane.model.errors import Invalid, Problem, ProblemError
from control_plane.model.form_faults import words_of
from control_plane.model.people import FactorOf
from control_plane.model.text import t

PREFIX = "GASP_"
#: Octets of a request's first line that the console's server takes.
LONGEST_LINE = 8190


#: How URLs of the databases begin that can be used.
DATABASES = ("sqlite:///", "postgresql+psycopg://")


def without_password(url: str) -> str:
    """A URL as it may be shown; any other text as it is."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", url)


def _wanted(form: str) -> ProblemError:
    return ProblemError(Problem("bad-setting", t("This should be {wanted}.", wanted=form)))


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Settings(BaseModel):
    """Environment variables are the upper-case field names with the prefix `GASP_`."""

    model_config = ConfigDict(frozen=True)

    state: Path = Field(Path("/var/lib/gasp"), description="Database, secrets, certificates, lab disks (mode 0700).")
    cache: Path = Field(Path("/var/cache/gasp"), description="Host images, keyed by the hash of their recipe.")
    lab: Literal["lab", "labt", "labu", "labb", "dev1", "dev2", "dev3", "dev4", "dev5", "dev6", "dev7"] = Field(
        "lab", description="Name of the lab: address ranges and interfaces follow it."
    )
    estate: Path = Field(
        Path(__file__).parent.parent / "tenants" / "qingdao", description="Folder of tenant documents for bring-up."
    )
    database: str | None = Field(
        None, description="SQLAlchemy URL, SQLite's or PostgreSQL's; default is gasp.db in the state folder."
    )
    signals: str | None = Field(
        None,
        description="Celery broker that wakes workers, as redis://host/0; default is a folder of ours.",
    )
    workers: int = Field(1, ge=1, le=16, description="Processes of the background worker.")
    web_processes: int = Field(1, ge=1, le=16, description="Processes of the web server.")
    touch_limit: int = Field(
        50, ge=0, description="More updates and deletes than this in one plan need an explicit yes."
    )
    cut_limit: int = Field(
        5, ge=0, description="Taking network access from more tenants than this in one plan needs an explicit yes."
    )
    record_days: int = Field(200, ge=0, description="Days that the access record is kept; older ones are purged.")
    record_purge_days: int = Field(
        7,
        ge=0,
        description="More old days than this at once are left to a person, as a clock may be wrong; 0: always.",
    )
    mail_gather: int = Field(
        60, ge=0, description="Seconds that a notice waits for others to the same person, so that they are one mail."
    )
    mail_operators: str | None = Field(
        None, description="Address that hears what concerns operators; default is operators@ the estate's domain."
    )
    webhook_targets: str = Field(
        "", description="Where webhooks may go: https://HOST[:PORT], several with commas; empty: nowhere."
    )
    attachment_mib: int = Field(500, ge=1, description="MiB that files of one department's requests may have together.")
    upload_mib: int = Field(
        4096, ge=1, description="MiB that all stored releases of one department's websites may have together."
    )
    keep_releases: int = Field(
        10, ge=1, description="Releases of each website that stay stored beside those in use; older ones are deleted."
    )
    scan_hours: int = Field(
        72, ge=0, le=24 * 60, description="Hours between scans of a machine by itself; 0: only when somebody asks."
    )
    scan_days: int = Field(
        7, ge=1, le=366, description="Days that a finished scan counts; after that a machine is not called clean."
    )
    scan_always: bool = Field(
        False, description="Scan by itself at any hour, not only in the window of a machine's ring."
    )
    signature_hours: int = Field(
        24, ge=0, le=24 * 14, description="Hours between fetches of signatures by itself; 0: only when somebody asks."
    )
    signature_soak: int = Field(
        3600, ge=0, description="Seconds that a ring is watched before the next one gets new signatures."
    )
    signature_at_once: bool = Field(
        False, description="New signatures go out at any hour, not only on working days from 9:00 to 15:00."
    )
    leaver_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days that the account of somebody who left is kept, locked, before it is removed.",
    )
    first_password_days: int = Field(
        14, ge=1, le=366, description="Days within which a one-time password must have been used."
    )
    second_factor: FactorOf = Field(
        "centre",
        description="Of whom a time code is asked besides the password: centre (operators, security officers, deputy"
        " directors), signers (approvers too) or everybody (who holds a role).",
    )
    ttl: int = Field(300, ge=1, le=86400, description="Time to live of published names, in seconds.")
    web_port: int | None = Field(
        None, ge=0, le=65535, description="Port of the console on 127.0.0.1; 8443 and up by lab, 0 for no console."
    )
    web_listen: str | None = Field(
        None,
        description="ADDRESS:PORT at which departments and intranet hosts reach the console; default is port 443 of"
        " this machine's core address, when it has it.",
    )
    web_url: str | None = Field(
        None, description="https:// address under which departments find the console; default is its name in core."
    )
    fault: str | None = Field(None, description="Fault injection for tests: kill:EVENT[:N] ends the process there.")

    @classmethod
    def from_environment(cls) -> Self:
        """The settings of this process. Raises Invalid, which names each wrong variable and never its value."""
        given = {name: os.environ.get(PREFIX + name.upper()) for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        remedy = t("Set it anew or take it away; docs/operations.md says what each is for.")
        raise Invalid(
            [
                Problem("bad-setting", *words_of(wrong, remedy), field=PREFIX + str(wrong["loc"][0]).upper())
                for wrong in found
            ]
        )

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(DATABASES):
            names = ", ".join(DATABASES)
            raise ProblemError(Problem("bad-setting", t("The URL should begin with one of {names}.", names=names)))
        return value

    @field_validator("web_listen")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None:
            host, colon, port = value.rpartition(":")
            if not colon or not _address(host.strip("[]")) or not port.isdigit() or not 0 < int(port) < 65536:
                raise _wanted("ADDRESS:PORT (10.1.2.3:443, [fd00::3]:443)")
        return value

    @field_validator("web_url")
    @classmethod
    def _a_place(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https://[a-z0-9.-]+(:[0-9]{1,5})?/?", value):
            raise _wanted("https://HOST[:PORT]")
        return value.rstrip("/") if value else value

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
