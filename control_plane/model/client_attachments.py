"""What may be asked of files that go with requests. Every answer is JSON-able."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


class AttachmentsClient(Protocol):
    """`gasp attachments`. `request` is a number or reference; one out of sight is as one that is not there."""

    def list(self, request: int | str) -> builtins.list[Json]:
        """Files of a request: [{id, request, name, kind, type_title, octets, sha256, state: waiting | clean |
        infected | expired, sentence, found, checked_at, by, at, mine}], oldest first. `mine`: who acts may take it
        away now."""
        ...

    def add(self, request: int | str, path: Path, *, name: str = "") -> Json:
        """Add a file while the request can be edited; the same content again is the same file. Nobody gets it before
        the antivirus engine has passed it. Returns the file. Raises Invalid with all problems."""
        ...

    def remove(self, request: int | str, attachment: int) -> builtins.list[Json]:
        """Take a file away while the request can be edited; what is left."""
        ...

    def fetch(self, request: int | str, attachment: int) -> builtins.tuple[str, str, bytes]:
        """Name, type and content of a file that was found clean. Raises Rejected for any other, NotFound."""
        ...

    def scan(self, *, due: bool = False) -> Json:
        """Let the engine look at all that wait: {clean, infected, waiting, odd, error}. `odd`: so many could not be
        looked at though the engine answers; each says why. `error`: why the engine does not. `due`: without odd ones
        that were tried a moment ago."""
        ...
