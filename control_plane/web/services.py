"""What pages work with, put together by `app.py` once a process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson
from flask import current_app

from control_plane.model.client import Client
from control_plane.model.offering import Offering
from control_plane.model.text import Text
from control_plane.workflow.nightly import Nightly
from control_plane.workflow.sign_in import SignIn
from control_plane.workflow.site_gate import SiteGate
from control_plane.workflow.trial import Trial

#: How long what was seen is shown again without another look.
FRESH = timedelta(seconds=30)


Look = tuple[datetime, str, Sequence[dict[str, Any]]]
"""When somebody looked at real systems, who did, and the rows that were found."""


@dataclass
class Looks:
    """The last look at real systems, by what was looked at. In `folder`, for all processes of the web server and for
    the time after its end; without a folder in this process alone."""

    folder: Path | None = None
    _kept: dict[str, tuple[int, Look]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, what: str, at: datetime, who: str, rows: Sequence[dict[str, Any]]) -> None:
        """Replace the last look."""
        stamp = 0
        with self._lock:
            if self.folder is not None:
                self.folder.mkdir(mode=0o700, exist_ok=True)
                with NamedTemporaryFile(dir=self.folder, delete=False) as fresh:  # mode 0600
                    fresh.write(orjson.dumps({"at": at.isoformat(), "who": who, "rows": rows}))
                stamp = Path(fresh.name).replace(self.folder / what).stat().st_mtime_ns
            self._kept[what] = (stamp, (at, who, rows))

    def last(self, what: str) -> Look | None:
        """The last look, if there was one."""
        with self._lock:
            known = self._kept.get(what)
            if self.folder is None:
                return known[1] if known else None
            try:
                stamp = (self.folder / what).stat().st_mtime_ns
                if known is None or known[0] != stamp:
                    found = orjson.loads((self.folder / what).read_bytes())
                    look = datetime.fromisoformat(found["at"]), found["who"], found["rows"]
                    known = self._kept[what] = (stamp, look)
            except (OSError, ValueError, KeyError):  # nobody looked, or what is there is not ours
                return None
            return known[1]


@dataclass
class Kept:
    """Lists that take long to make, kept in memory as long as the control plane's stamp stays the same."""

    _rows: dict[str, tuple[str, list[dict[str, Any]]]] = field(default_factory=dict)
    _locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def rows(self, name: str, stamp: str, make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """The list called `name` as of `stamp`, made once however many ask at the same time. Must not be changed by who
        reads it."""
        with self._locks[name]:
            known = self._rows.get(name)
            if known is None or known[0] != stamp:
                known = self._rows[name] = (stamp, make())
            return known[1]


@dataclass
class Recent:
    """What real systems said a moment ago, so that a page does not ask them at every reload."""

    _kept: dict[str, tuple[datetime, str, Any]] = field(default_factory=dict)

    def get(self, what: str, stamp: str, now: datetime, make: Callable[[], Any]) -> tuple[datetime, Any]:
        """When it was seen, and what was; `make` looks again after `FRESH`, and when `stamp` is another one. A look
        that fails is not kept."""
        known = self._kept.get(what)
        if known is None or known[1] != stamp or not timedelta(0) <= now - known[0] < FRESH:
            known = self._kept[what] = (now, stamp, make())
        return known[0], known[2]


@dataclass(frozen=True)
class Services:
    """`client` gives the control plane with somebody as its actor; `offerings`: names for people by id; `catalogue`:
    the offerings themselves, for their forms; `trial`: accounts to try with, in a lab only; `sharing`: what a page
    that only looks reads of people, freezes and requests is read once in it; `gate`: who comes in at intranet sites;
    `nightly`: the result of the nightly check."""

    client: Callable[[str], Client]
    sign_in: SignIn
    clock: Callable[[], datetime]
    version: str
    offerings: Mapping[str, Text] = field(default_factory=dict)
    catalogue: Mapping[str, Offering] = field(default_factory=dict)
    trial: Trial | None = None
    sharing: Callable[[], AbstractContextManager[None]] = nullcontext
    gate: SiteGate | None = None
    nightly: Nightly = field(kw_only=True)
    looks: Looks = field(default_factory=Looks)
    kept: Kept = field(default_factory=Kept)
    recent: Recent = field(default_factory=Recent)


def services() -> Services:
    """Those of the running application."""
    found: Services = current_app.extensions["gasp"]
    return found
