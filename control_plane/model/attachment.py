"""Files that go with a request: limits, and what one is. Nobody gets one that the antivirus engine has not passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from control_plane.model.errors import Problem
from control_plane.model.run import Actor
from control_plane.model.text import t

#: Octets of one file and of all files of one request; files of one request.
LARGEST, LARGEST_ALL, MOST = 10 << 20, 30 << 20, 10


class AttachmentState(StrEnum):
    """Where one is. Only what is clean is given to anybody."""

    WAITING = "waiting"
    CLEAN = "clean"
    INFECTED = "infected"
    EXPIRED = "expired"


#: Their content is kept.
HELD = frozenset({AttachmentState.WAITING, AttachmentState.CLEAN})
#: Days for which files of a request that is live or was refused are kept for the record.
KEPT_DAYS = 365


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file. `kind` is its ending by its content (`model.file_kind`); `found` what the engine found in it,
    `signatures` the set that it looked with, `error` why it could not look the last time."""

    id: int
    request: int
    tenant_id: str
    name: str
    kind: str
    octets: int
    sha256: str
    state: AttachmentState
    actor: Actor
    at: datetime
    found: str | None = None
    signatures: str | None = None
    error: str | None = None
    checked_at: datetime | None = None


def infected_problems(files: Iterable[Attachment]) -> list[Problem]:
    """What keeps a request from being handed in: files with malware in them."""
    return [
        infected_problem(one.name, str(one.found), "files") for one in files if one.state is AttachmentState.INFECTED
    ]


def shut(found: str) -> bool:
    """Whether what the engine found is no malware, but that it cannot look into it."""
    return found.startswith(("Heuristics.Encrypted", "Heuristics.Limits.Exceeded"))


def infected_problem(name: str, found: str, field: str) -> Problem:
    """What is said of a file in which the engine found something."""
    if shut(found):
        said = t("The file {name} cannot be checked for malware: it is encrypted, or packed too deep or too large "
                 "({what}).", name=name, what=found)  # fmt: skip
        return Problem("file-infected", said, t("Take it away; send a copy without a password."), field=field)
    return Problem(
        "file-infected",
        t("In the file {name} malware was found: {what}.", name=name, what=found),
        t("Take it away; clean your own copy before you send another one."),
        field=field,
    )


@dataclass(frozen=True, slots=True)
class Scan:
    """What the engine says of one content: what it found (None: nothing), and with which set of signatures."""

    found: str | None
    signatures: str


class FileScanner(Protocol):
    """The centre's antivirus engine."""

    def scan(self, contents: Mapping[str, bytes]) -> Mapping[str, Scan]:
        """Look at contents by name (letters and digits). Every one of them is in the answer; raises TemporaryError when
        the engine has no signatures, does not answer, or did not look at one of them."""
        ...
