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

from control_plane.drivers.agents import ask_look, ask_outcomes, attributes_of, pieces
from control_plane.drivers.gateway_words import sentence
from control_plane.drivers.ssh import Runner
from control_plane.model.errors import TemporaryError
from control_plane.model.internet import NETWORK, PROXY, PROXY_LOG, Refusal, Usage
from control_plane.model.plan import Change
from control_plane.model.ports import Fence, Notice, Outcome
from control_plane.model.resource import Attributes, CouldNotMeasure, Foreign, Kind, Look, Measured, Observed
from control_plane.model.text import Text, t

LOOK_MODULES = ("host_state", "host_serving", "gateway_render", "gateway_state", "gateway_look", "gateway_agent")
MODULES = (
    *("host_state", "host_serving", "host_check", "host_journal", "gateway_render", "gateway_state", "gateway_look"),
    *("gateway_batch", "gateway_apply", "gateway_agent"),
)
"""The agent, in the order of its imports; a look is sent the first few only."""
PROGRAM = ("/usr/bin/python3", "-I", "/usr/local/lib/gasp/gateway.py")
WHY = ("/usr/bin/python3", "-I", "/usr/local/lib/gasp/why.py", "--log", PROXY_LOG, "--rules", "/etc/squid/gasp")
OBSERVE_SECONDS = 60.0
APPLY_SECONDS = 300.0
USAGE_SECONDS = 30.0


def cuts_off(before: Attributes | None, after: Attributes | None) -> bool:
    """Whether a tenant that has internet access loses it."""
    return bool(before and before.get("enabled")) and not (after and after.get("enabled"))


def proxy_cuts_off(before: Attributes | None, after: Attributes | None) -> bool:
    """Whether a tenant loses internet access, or all sites that no rule names."""
    closing = bool(before and after and before.get("otherwise") == "allow" and after.get("otherwise") == "block")
    return cuts_off(before, after) or (closing and bool(before and before.get("enabled")))


class GatewayDriver:
    """Implements `model.ports.Driver` for parts `gateway:<host>`. `options` go to the agent unchanged."""

    kinds: Sequence[Kind] = (
        Kind(NETWORK, "gateway", 40, cuts_off=cuts_off),
        Kind(PROXY, "gateway", 40, cuts_off=proxy_cuts_off),
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

    def parts(self) -> Sequence[str]:
        """`gateway:<host>` for each gateway."""
        return [f"gateway:{host}" for host in self._hosts]

    def observe(self, part: str, tenants: frozenset[str] | None = None) -> Look:
        """One command on the gateway, whatever the number of tenants."""
        now = self._clock()
        request = pieces(LOOK_MODULES, {"verb": "observe", "options": self._options})
        look = ask_look(self._runner, part, now, request, OBSERVE_SECONDS, sentence)
        if isinstance(look, CouldNotMeasure):
            return look
        seen = {row["id"]: _observed(row) for row in look["resources"]}
        foreign = tuple(
            Foreign(f"{part}/{row['path'].lstrip('/')}", row["kind"], row["path"], tuple(filter(None, [row["blocks"]])))
            for row in look["foreign"]
        )
        return Measured(part, now, seen, foreign)

    def apply(self, part: str, changes: Sequence[Change], fence: Fence) -> Iterator[Outcome | Notice]:
        """One command on the gateway: one check, one atomic load, one reload of Squid."""
        host = part.partition(":")[2]
        lists: dict[str, Sequence[str]] = {}
        for change in changes:
            if change.resource is not None and change.kind == PROXY:
                lists |= (change.resource.payload or {}).get("lists", {})
        rows = [_row(change) for change in changes]
        request = {"verb": "apply", "options": self._options, "changes": rows, "lists": lists}
        fence()
        ids = [change.id for change in changes]
        sent = pieces(MODULES, request)
        yield from ask_outcomes(self._runner, host, sent, ids, self.stages, APPLY_SECONDS, sentence)

    def usage(self, host: str) -> Mapping[str, Usage]:
        """Each tenant's volume as the gateway counts it, by code. Raises TemporaryError when it cannot be read."""
        words = t("The volume of tenants cannot be read on host {host}: {reason}")
        found: dict[str, Usage] = self._tell(host, [*PROGRAM, "usage"], words)
        return found

    def refusals(self, host: str, tenant: str) -> Sequence[Refusal]:
        """What the proxy refused to a tenant's network lately, newest first. Raises TemporaryError when it cannot be
        read."""
        words = t("What was refused cannot be read on host {host}: {reason}")
        found: list[Refusal] = self._tell(host, [*WHY, "--tenant", tenant], words)["refusals"]
        return found

    def _tell(self, host: str, argv: Sequence[str], words: Text) -> Any:
        """The JSON that a program of the gateway prints. `words`: of {host} and {reason}, when it does not."""
        done = self._runner.run(host, argv, b"", USAGE_SECONDS)
        try:
            if done.rc:
                raise ValueError(done.stderr.decode("utf-8", "replace").strip()[-300:])
            return orjson.loads(done.stdout)
        except ValueError as error:
            raise TemporaryError(
                Text(words.msgid, {"host": host, "reason": error}), t("See whether it is up: gasp lab status.")
            ) from None


def _observed(row: Mapping[str, Any]) -> Observed:
    return Observed(row["id"], row["kind"], row["owner"], attributes_of(row), row["label"], token=row["token"])


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
