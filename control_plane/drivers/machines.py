"""Baselines of enrolled machines: one part, one command a machine to look and one to write, many at a time.

A machine that is off or does not answer waits (`Measured.waiting`): nothing is planned for it, and it catches up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from control_plane.drivers.machine_files import token_of
from control_plane.drivers.machine_link import FILES, Answer, Link, sentence, side_by_side
from control_plane.model.errors import ControlPlaneError, CouldNotMeasureError
from control_plane.model.machine import BASELINE, MACHINES_PART, Machine, baseline_id
from control_plane.model.plan import Change
from control_plane.model.ports import Fence, Notice, Outcome
from control_plane.model.resource import Foreign, Kind, Look, Measured, Observed
from control_plane.model.text import Text, t

OBSERVE_SECONDS = 30.0
APPLY_SECONDS = 180.0
KEYRING = "/etc/apt/keyrings/gasp-archive.asc"


class MachinesDriver:
    """Implements `model.ports.Driver` for the part `security:machines`.

    `machines` gives those that may carry something of ours, `key` the repository's public key (armoured; raises
    ControlPlaneError while there is none).
    """

    kinds: Sequence[Kind] = (Kind(BASELINE, "security", 60),)
    stages: Sequence[str] = ()

    def __init__(
        self,
        link: Link,
        machines: Callable[[], Sequence[Machine]],
        key: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self._link, self._machines, self._key, self._clock = link, machines, key, clock

    def parts(self) -> Sequence[str]:
        """One for all machines."""
        return [MACHINES_PART]

    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """Ask all machines (of these tenants) side by side. One that does not answer waits."""
        asked = [m for m in self._machines() if tenants is None or m.tenant in tenants]
        now = self._clock()
        seen: dict[str, Observed] = {}
        foreign: list[Foreign] = []
        waiting: dict[str, Text] = {}
        key = self._current_key()
        for machine, answer in side_by_side(asked, self._look):
            id_ = baseline_id(machine.id)
            if isinstance(answer, Text):
                waiting[id_] = answer
            elif answer is not None:
                known = _foreign(machine, answer)
                foreign.extend(known)
                if "id" in answer:
                    found = _observed(answer, key)
                    seen[found.id] = found
        return Measured(part, now, seen, tuple(sorted(foreign, key=lambda f: f.id)), len(asked), waiting=waiting)

    def _look(self, machine: Machine) -> Answer | Text:
        host = machine.host or machine.name
        try:
            answer = self._link.ask(host, FILES, {"verb": "observe"}, OBSERVE_SECONDS)
        except CouldNotMeasureError as error:
            return error.text
        if answer["is"] == "error":
            return sentence(answer, host)
        who = answer["fingerprint"]
        if machine.fingerprint not in (None, f"{who['machine_id']} {who['host_key']}"):
            return t("Another machine than the enrolled one answers as {host}.", host=host)
        return answer

    def _current_key(self) -> str:
        try:
            return _digest(self._key())
        except ControlPlaneError:
            return ""

    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """Machines side by side; on one and the same, such as a lost one that came back and is enrolled anew, what goes
        comes before what is put there. The fence is asked before each machine is touched."""
        machines = {baseline_id(m.id): m for m in self._machines()}
        try:
            key = self._key()
        except ControlPlaneError as error:
            yield from (Outcome(c.id, "failed", error.text) for c in changes if c.action != "delete")
            changes, key = [c for c in changes if c.action == "delete"], ""

        def begin(_: Sequence[Change]) -> bool:
            fence()
            return True

        def write(mine: Sequence[Change]) -> list[Outcome]:
            return [self._write(change, machines.get(change.id), key) for change in mine]

        by_host: dict[str, list[Change]] = {}
        for change in sorted(changes, key=lambda c: c.action != "delete"):
            machine = machines.get(change.id)
            by_host.setdefault((machine.host if machine else None) or change.id, []).append(change)
        for mine, outcomes in side_by_side([*by_host.values()], write, begin):
            assert outcomes is not None, mine
            yield from outcomes

    def _write(self, change: Change, machine: Machine | None, key: str) -> Outcome:
        if machine is None:
            return Outcome(change.id, "failed", t("This machine is not in the inventory any more."))
        host = machine.host or machine.name
        request: dict[str, Any] = {"verb": "remove", "id": change.id, "token": change.token}
        if change.resource is not None and change.action != "delete":
            request |= {
                "verb": "put",
                "token": change.token or token_of(None, {}),
                "owner": change.resource.owner.marker,
                "label": change.resource.label,
                "attributes": {**change.resource.attributes, "key": _digest(key)},
                "files": {**change.resource.payload["files"], KEYRING: key},
            }
        try:
            answer = self._link.ask(host, FILES, request, APPLY_SECONDS)
        except CouldNotMeasureError as error:
            return Outcome(change.id, "unknown", error.text)
        if answer["is"] == "error":
            state = "refused" if answer["code"] in ("moved", "busy") else "failed"
            return Outcome(change.id, state, sentence(answer, host), answer.get("path") or None)  # type: ignore[arg-type]
        return Outcome(change.id, answer["state"])


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _observed(answer: Mapping[str, Any], key: str) -> Observed:
    attributes = dict(answer["attributes"])
    current = attributes.get("key") == key
    attributes["key"] = "current" if current else f"other:{attributes.get('key')}"
    for extra in ("hand_made", "unfinished"):
        if answer.get(extra):
            attributes[extra] = answer[extra]
    hint = None if current or "hand_made" in attributes else "renew"
    return Observed(answer["id"], BASELINE, answer["owner"], attributes, answer["label"], hint, answer["token"])


def _foreign(machine: Machine, answer: Mapping[str, Any]) -> list[Foreign]:
    return [Foreign(f"machine:{machine.id}{p}", "machine.source", f"{machine.name} {p}") for p in answer["foreign"]]
