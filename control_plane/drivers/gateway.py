"""Internet access of the tenants on the gateway (nftables, HTB, Squid): one command to look, one to write.

The work is done by the agent (`gateway_agent.py` and what it imports), which is sent along with each request. Must not
keep anything between calls, and must not hold anything that only a running control plane could do: counting, throttling
and resolving names is the gateway's own (playbooks/roles/gateway).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from control_plane.drivers.gateway_words import sentence
from control_plane.drivers.host_files import LOADER, STATES, bundle
from control_plane.drivers.ssh import Runner
from control_plane.model.errors import TemporaryError
from control_plane.model.internet import NETWORK, PROXY, Usage
from control_plane.model.plan import Change
from control_plane.model.ports import Fence, Notice, Outcome
from control_plane.model.resource import Attributes, CouldNotMeasure, Foreign, Kind, Look, Measured, Observed
from control_plane.model.text import Text, t

LOOK_MODULES = ("host_state", "gateway_render", "gateway_state", "gateway_look", "gateway_agent")
MODULES = (
    *("host_state", "host_check", "host_journal", "gateway_render", "gateway_state", "gateway_look", "gateway_apply"),
    "gateway_agent",
)
"""The agent, in the order of its imports; a look is sent the first few only."""
PROGRAM = ("/usr/bin/python3", "-I", "/usr/local/lib/gasp/gateway.py")
OBSERVE_SECONDS = 60.0
APPLY_SECONDS = 300.0
USAGE_SECONDS = 30.0


def cuts_off(before: Attributes | None, after: Attributes | None) -> bool:
    """Whether a tenant that has internet access loses it."""
    return bool(before and before.get("enabled")) and not (after and after.get("enabled"))


class GatewayDriver:
    """Implements `model.ports.Driver` for parts `gateway:<host>`. `options` go to the agent unchanged."""

    kinds: Sequence[Kind] = (
        Kind(NETWORK, "gateway", 40, cuts_off=cuts_off),
        Kind(PROXY, "gateway", 40, cuts_off=cuts_off),
    )
    stages: Sequence[str] = ("check.passed", "rules.loaded", "files.replaced", "reload.done")

    def __init__(
        self,
        runner: Runner,
        hosts: Sequence[str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._runner, self._hosts, self._clock = runner, list(hosts), clock
        self._options = dict(options or {})
        self._argv = ["python3", "-I", "-S", "-c", LOADER]

    def parts(self) -> Sequence[str]:
        """`gateway:<host>` for each gateway."""
        return [f"gateway:{host}" for host in self._hosts]

    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """One command on the gateway, whatever the number of tenants."""
        host, now = part.partition(":")[2], self._clock()
        header = orjson.dumps({"verb": "observe", "options": self._options})
        request = b"".join([bundle(LOOK_MODULES), b"%d\n" % len(header), header])
        try:
            done = self._runner.run(host, self._argv, request, OBSERVE_SECONDS)
            rows = [orjson.loads(line) for line in done.stdout.splitlines()]
        except TemporaryError as error:
            return CouldNotMeasure(part, now, error.text)
        except orjson.JSONDecodeError:
            return CouldNotMeasure(part, now, t("Host {host} gave half an answer.", host=host))
        for row in rows:
            if row["is"] == "error":
                return CouldNotMeasure(part, now, sentence(row, host))
        if [row["is"] for row in rows] != ["look", "end"]:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            return CouldNotMeasure(
                part, now, t("Host {host} gave no answer: {reason}", host=host, reason=words[-1] if words else done.rc)
            )
        seen = {row["id"]: _observed(row) for row in rows[0]["resources"]}
        foreign = tuple(
            Foreign(f"{part}/{row['path'].lstrip('/')}", row["kind"], row["path"], tuple(filter(None, [row["blocks"]])))
            for row in rows[0]["foreign"]
        )
        return Measured(part, now, seen, foreign)

    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """One command on the gateway: one check, one atomic load, one reload of Squid."""
        host = part.partition(":")[2]
        header = orjson.dumps({"verb": "apply", "options": self._options, "changes": [_row(c) for c in changes]})
        fence()
        open_ids = dict.fromkeys(change.id for change in changes)
        lost = t("Host {host} gave no answer; only a new look can tell.", host=host)
        pieces = [bundle(MODULES), b"%d\n" % len(header), header]
        try:
            for line in self._runner.lines(host, self._argv, pieces, APPLY_SECONDS):
                answer = orjson.loads(line)
                if answer["is"] == "outcome" and answer["id"] in open_ids:
                    del open_ids[answer["id"]]
                    yield _outcome(answer, host)
                elif answer["is"] in self.stages:
                    yield Notice(answer.pop("is"), {"host": host, **answer})
                elif answer["is"] == "error":
                    lost = sentence(answer, host)
        except TemporaryError as error:
            lost = error.text
        except orjson.JSONDecodeError:
            lost = t("Host {host} gave half an answer.", host=host)
        for id_ in open_ids:
            yield Outcome(id_, "unknown", lost)

    def usage(self, host: str) -> Mapping[str, Usage]:
        """Each tenant's volume as the gateway counts it, by code. Raises TemporaryError when it cannot be read."""
        done = self._runner.run(host, [*PROGRAM, "usage"], b"", USAGE_SECONDS)
        try:
            if done.rc:
                raise ValueError(done.stderr.decode("utf-8", "replace").strip()[-300:])
            found: dict[str, Usage] = orjson.loads(done.stdout)
        except ValueError as error:
            raise TemporaryError(
                t("The volume of tenants cannot be read on host {host}: {reason}", host=host, reason=error),
                t("See whether it is up: gasp lab status."),
            ) from None
        return found


def _observed(row: Mapping[str, Any]) -> Observed:
    attributes = dict(row["attributes"])
    for extra in ("hand_made", "unfinished"):
        if row.get(extra):
            attributes[extra] = row[extra]
    return Observed(row["id"], row["kind"], row["owner"], attributes, row["label"], token=row["token"])


def _row(change: Change) -> dict[str, Any]:
    """What the agent is told of one change."""
    row: dict[str, Any] = {"action": change.action, "id": change.id, "kind": change.kind, "token": change.token}
    if change.resource is not None:
        row |= {
            "owner": change.resource.owner.marker,
            "label": change.resource.label,
            "attributes": dict(change.resource.attributes),
        }
    return row


def _outcome(answer: Mapping[str, Any], host: str) -> Outcome:
    text: Text | None = sentence(answer, host) if answer.get("code") else None
    assert answer["state"] in STATES
    return Outcome(answer["id"], answer["state"], text, answer.get("path") or None, answer.get("line") or None)
