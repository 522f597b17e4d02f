"""The centre's repository host: snapshots of packages and sets of signatures, one command an act.

Implements `model.machine.Repository`. The work is done by the agent (`repository_agent.py` and what it imports),
which is sent along with each request. Must not keep anything between calls: what is true lies on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from control_plane.drivers.agents import ARGV, pieces
from control_plane.drivers.repository_medium import read_medium
from control_plane.drivers.repository_words import error_of
from control_plane.drivers.ssh import Runner
from control_plane.model.errors import CouldNotMeasureError, TemporaryError
from control_plane.model.machine import Depot, Ring, Snapshots
from control_plane.model.text import t

MODULES = (
    "repository_state", "repository_upstream", "repository_aptly", "repository_sets", "repository_agent",
)  # fmt: skip
"""The agent, in the order of its imports."""
LOOK_SECONDS = 90.0
PUBLISH_SECONDS = 900.0
SYNC_SECONDS = 24 * 3600.0
WAIT_SECONDS = 600.0
Tell = Callable[[int, int, str], None]


class HostRepository:
    """`host` is the repository host by the name SSH knows. `options` go to the agent unchanged (tests)."""

    def __init__(self, runner: Runner, host: str, options: Mapping[str, Any] | None = None) -> None:
        self._runner, self._host, self._options = runner, host, dict(options or {})

    # looking --------------------------------------------------------------------------------------
    def snapshots(self, what: Depot) -> Sequence[Mapping[str, Any]]:
        """See `Repository.snapshots`."""
        return self.look(what).rows

    def published(self, what: Depot) -> Mapping[Ring, str | None]:
        """See `Repository.published`."""
        return self.look(what).published

    def look(self, what: Depot) -> Snapshots:
        """See `Repository.look`."""
        answer = self._look("look", what=what)[what]
        return Snapshots(
            tuple(answer["snapshots"]),
            {Ring(int(ring)): id_ for ring, id_ in answer["published"].items()},
            {Ring(int(ring)): id_ for ring, id_ in answer["before"].items()},
        )

    def show(self, snapshot: str) -> Mapping[str, Any]:
        """See `Repository.show`."""
        return self._look("show", id=snapshot)

    def advisories(self, snapshot: str | None = None) -> Sequence[Mapping[str, Any]]:
        """See `Repository.advisories`."""
        found = self._look("advisories") if snapshot is None else self._look("show", id=snapshot)
        rows: list[Mapping[str, Any]] = found.get("advisories", [])
        return rows

    def public_key(self) -> str:
        """The key that signs what is published, armoured."""
        return str(self._look("key")["key"])

    def estimate(self, what: Depot) -> Mapping[str, Any]:
        """See `Repository.estimate`."""
        return self._ask("estimate", PUBLISH_SECONDS, what=what)

    # acting ---------------------------------------------------------------------------------------
    def sync(self, what: Depot, tell: Tell | None = None) -> Mapping[str, Any]:
        """See `Repository.sync`."""
        return self._ask("sync", SYNC_SECONDS, tell, what=what, wait=WAIT_SECONDS)

    def take(self, what: Depot, medium: Path, tell: Tell | None = None) -> Mapping[str, Any]:
        """See `Repository.take`."""
        found = read_medium(medium).of(what)
        words = {"what": what, "wait": WAIT_SECONDS, "octets": found.octets}
        return self._ask("take", SYNC_SECONDS, tell, found.pieces(), **words)

    def medium_holds(self, medium: Path, what: Depot | None = None) -> Sequence[Depot]:
        """See `Repository.medium_holds`."""
        found = read_medium(medium)
        return [what] if what is not None and found.of(what) else found.holds

    def publish(self, what: Depot, ring: Ring, snapshot: str) -> bool:
        """See `Repository.publish`."""
        return bool(self._ask("publish", PUBLISH_SECONDS, what=what, ring=int(ring), id=snapshot)["changed"])

    def prune(self, what: Depot, keep: int, dry_run: bool = False) -> Mapping[str, Any]:
        """See `Repository.prune`."""
        return self._ask("prune", PUBLISH_SECONDS, what=what, keep=keep, dry=dry_run)

    def _look(self, verb: str, **words: Any) -> Mapping[str, Any]:
        try:
            return self._ask(verb, LOOK_SECONDS, **words)
        except CouldNotMeasureError:
            raise
        except TemporaryError as error:
            raise CouldNotMeasureError(error.text, error.hint) from None

    def _ask(
        self, verb: str, seconds: float, tell: Tell | None = None, body: Iterable[bytes] = (), **words: Any
    ) -> Mapping[str, Any]:
        sent = chain(pieces(MODULES, {"verb": verb, "options": self._options, **words}), body)
        for line in self._runner.lines(self._host, ARGV, sent, seconds):
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                break
            if row["is"] == "answer":
                answer: Mapping[str, Any] = row["answer"]
                return answer
            if row["is"] == "error":
                raise error_of(row["code"], row["words"], self._host)
            if tell is not None:
                tell(row["done"], row["total"], row["what"])
        raise TemporaryError(
            t("Host {host} gave half an answer.", host=self._host), t("Run it again; what was begun is finished.")
        )
