"""The result of the nightly check: a file below the state folder, for the page and for `gasp doctor`.

Must not check anything itself: `make nightly` does, a program beside the control plane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson

from control_plane.model.errors import Rejected
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import moment_words
from control_plane.store.leases import Holder
from control_plane.workflow.process import myself, process_alive

#: A result that ended longer ago says nothing about today.
OLD = timedelta(hours=36)
FILE = "nightly.json"
Json = dict[str, Any]


class Nightly:
    """Keeps and reads it."""

    def __init__(self, state: Path, clock: Callable[[], datetime]) -> None:
        self._file = state / FILE
        self._clock = clock

    def begin(self, facts: Mapping[str, Any]) -> None:
        """One begins, by this process; the one before is forgotten. Raises Rejected while another one runs."""
        known = self._read()
        if known is not None and known["ended_at"] is None and process_alive(Holder(**known["holder"])):
            raise Rejected(t("A nightly check is running already."), t("Wait until it has ended."))
        self._write({**facts, "began_at": self._clock().isoformat(), "ended_at": None, "holder": asdict(myself())})

    def end(self, facts: Mapping[str, Any]) -> None:
        """It ended. `facts`: `version`, `complete`, `operations`, `cases`, `found`, `findings`, `left_out`."""
        self._write({**(self._read() or {}), **facts, "ended_at": self._clock().isoformat()})

    def last(self) -> Json | None:
        """The last one, with `state`: running, unfinished, found, old or clean; its `seconds`; None: never one."""
        known = self._read()
        if known is None:
            return None
        began, end = datetime.fromisoformat(known["began_at"]), known["ended_at"]
        ended = datetime.fromisoformat(end) if end else None
        seconds = (ended - began).total_seconds() if ended else None
        return {**known, "began_at": began, "ended_at": ended, "seconds": seconds, "state": self._state(known, ended)}

    def _state(self, known: Json, ended: datetime | None) -> str:
        if ended is None:
            return "running" if process_alive(Holder(**known["holder"])) else "unfinished"
        if known["found"]:
            return "found"
        if not known["complete"]:
            return "unfinished"
        return "old" if self._clock() - ended > OLD else "clean"

    def check(self) -> tuple[str, Text, Text | None]:
        """The line of `gasp doctor`."""
        last, remedy = self.last(), t("make nightly")
        if last is None:
            return "warning", t("The nightly check has not run yet."), remedy
        when = moment_words(last["began_at"])
        match last["state"]:
            case "running":
                return "passed", t("The nightly check runs since {when}.", when=when), None
            case "unfinished":
                return "warning", t("The nightly check of {when} did not finish.", when=when), remedy
            case "found":
                said = tn("The nightly check of {when} found {count} fault.",
                          "The nightly check of {when} found {count} faults.",
                          count=last["found"], when=when)  # fmt: skip
                return "failed", said, t("See them in the console: Nightly check")
            case "old":
                return "warning", t("The last nightly check is older than 36 h: {when}.", when=when), remedy
        words = {"when": when, "operations": last["operations"], "cases": last["cases"]}
        return (
            "passed",
            t("The nightly check of {when} found nothing: {operations} operations, {cases} cases.", **words),
            None,
        )

    def _read(self) -> Json | None:
        try:
            found: Json = orjson.loads(self._file.read_bytes())
        except FileNotFoundError:
            return None
        return found

    def _write(self, found: Mapping[str, Any]) -> None:
        with NamedTemporaryFile(dir=self._file.parent, delete=False) as fresh:  # mode 0600
            fresh.write(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        Path(fresh.name).replace(self._file)
