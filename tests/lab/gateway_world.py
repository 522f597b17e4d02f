"""The gateway of the lab as the control plane and its tenants see it: policies, plans, downloads, counters."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from control_plane.model.internet import NETWORK, PROXY, list_hash
from control_plane.model.plan import Memory, Plan, diff
from control_plane.model.ports import Driver, Notice, Outcome
from control_plane.model.resource import Attributes, Look, Measured, Owner, Resource, content_hash
from tests.conftest import Centre

PART = "gateway:gateway"
MEGA = 1_000_000


#: What is in the one category of these tests.
GAMBLING = [".casino.test", ".poker.test"]


def wired(centre: Centre) -> Any:
    """`control_plane.wiring` of this centre, in this process, with nothing kept of another one."""
    os.environ.update({name: value for name, value in centre.env.items() if name.startswith("GASP_")})
    from control_plane import wiring

    for made in vars(wiring).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()
    return wiring


def made_driver(centre: Centre) -> tuple[Driver, Any]:
    """The gateway's driver as `wiring` makes it for this centre, and the runner of commands on hosts."""
    wiring = wired(centre)
    return next(driver for driver in wiring.drivers() if PART in driver.parts()), wiring.runner()


class KilledAgents:
    """A runner of commands whose agents kill themselves when they pass `step`."""

    def __init__(self, runner: Any, step: str) -> None:
        self.run, self._lines, self._step = runner.run, runner.lines, step

    def lines(self, host: str, argv: Sequence[str], stdin: Iterable[bytes], timeout: float) -> Iterator[bytes]:
        """As the runner itself does it."""
        yield from self._lines(host, ["env", f"GASP_AGENT_FAULT={self._step}", *argv], stdin, timeout)


class Gateway:
    """Policies by tenant, and the driver that makes them real. What it last wrote it remembers as the store would."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.driver, self.runner = made_driver(centre)
        rows = centre.json("lab", "status")["hosts"]
        self.hosts = {row["name"]: row for row in rows}
        self.policies: dict[str, Resource] = {}
        self.applied: dict[str, str] = {}

    def lan(self, code: str) -> dict[str, str]:
        """A tenant's networks, from its workstation's addresses."""
        four, six = self.hosts[code]["ipv4"], self.hosts[code]["ipv6"]
        return {"tenant": code, "v4": f"{four.rpartition('.')[0]}.0/24", "v6": f"{six.rpartition('::')[0]}::/64"}

    def network(self, code: str, **changes: Any) -> Resource:
        """Wish rules of network and volume for a tenant."""
        attributes = {
            **self.lan(code),
            "interface": code,
            "enabled": True,
            "up_kbit": 100_000,
            "down_kbit": 100_000,
            "throttle_kbit": 1000,
            "month_octets": 1 << 40,
            "warn_percent": 80,
            "direct": [],
            "peers": [],
            **changes,
        }
        return self._wish(f"gateway:{code}/network", NETWORK, code, attributes)

    def proxy(self, code: str, *rules: Mapping[str, Any], otherwise: str = "allow", enabled: bool = True) -> Resource:
        """Wish rules of the proxy for a tenant."""
        attributes = {**self.lan(code), "enabled": enabled, "otherwise": otherwise, "rules": list(rules)}
        return self._wish(f"gateway:{code}/proxy", PROXY, code, attributes, {"lists": {list_hash(GAMBLING): GAMBLING}})

    def _wish(self, id_: str, kind: str, code: str, attributes: Attributes, payload: Any = None) -> Resource:
        owner = Owner(f"t_{code}", code, "internet")
        made = Resource(id_, kind, PART, owner, attributes, label=id_, payload=payload)
        self.policies[id_] = made
        return made

    def drop(self, code: str) -> None:
        """Wish nothing for a tenant any more."""
        self.policies = {id_: r for id_, r in self.policies.items() if r.owner.tenant != code}

    def look(self) -> Look:
        """What is there."""
        return self.driver.observe(PART)

    def measured(self) -> Measured:
        """What is there, when it could be measured."""
        look = self.look()
        assert isinstance(look, Measured), look
        return look

    def plan(self) -> Plan:
        """The difference between wishes and the gateway."""
        owners = {f"t_{c}/internet": Owner(f"t_{c}", c, "internet") for c in self.hosts}
        kinds = {kind.name: kind for kind in self.driver.kinds}
        memory = Memory(self.applied, {}, owners)
        return diff("estate", self.policies, [self.look()], kinds, memory, lambda *_: True, datetime.now(UTC))

    def carry_out(self, plan: Plan) -> dict[str, Outcome]:
        """Apply a plan; outcomes by id."""
        outcomes: dict[str, Outcome] = {}
        for answer in self.driver.apply(PART, plan.steps, lambda: None):
            if isinstance(answer, Notice):
                continue
            outcomes[answer.change_id] = answer
            if answer.state in ("applied", "already"):
                resource = self.policies.get(answer.change_id)
                if resource is not None:
                    self.applied[answer.change_id] = content_hash(resource.attributes)
                else:
                    self.applied.pop(answer.change_id, None)
        return outcomes

    @contextmanager
    def agent_killed_at(self, step: str) -> Iterator[None]:
        """Within, whatever is applied is cut off on the gateway when the agent passes `step`."""
        self.driver._runner = KilledAgents(self.runner, step)  # type: ignore[attr-defined]
        try:
            yield
        finally:
            self.driver._runner = self.runner  # type: ignore[attr-defined]

    def bring(self) -> dict[str, str]:
        """Plan and apply; states by id."""
        return {id_: outcome.state for id_, outcome in self.carry_out(self.plan()).items()}

    def settle(self) -> None:
        """Apply, and find that nothing is left to do."""
        outcomes = self.carry_out(self.plan())
        assert {o.state for o in outcomes.values()} <= {"applied", "already"}, outcomes
        left = self.plan()
        assert not left.changes, [(c.id, c.reason, c.before) for c in left.changes]

    def as_before(self) -> None:
        """Take away what tests wished; then everything is as the estate has it."""
        self.policies.clear()
        self.settle()
        word = self.centre.plan("system:gateway")["digest"]
        self.centre.apply("system:gateway", f"--confirm={word}")

    def shell(self, host: str, script: str, check: bool = True) -> str:
        """A shell script on a host, over the connection that is kept."""
        done = self.runner.run(host, ["sh", "-ec", script], b"", 120)
        assert not check or done.rc == 0, (host, script, done)
        return str(done.stdout.decode())

    def on(self, script: str, check: bool = True) -> str:
        """A shell script on the gateway."""
        return self.shell("gateway", script, check)

    def fetch(self, host: str, url: str, *options: str) -> str:
        """Status that curl on a host gets for a URL (000: no connection)."""
        told = ["-s", "-g", "-o", "/dev/null", "-w", "%{http_code}", "-m", "20", *options, url]
        return str(self.runner.run(host, ["curl", *told], b"", 60).stdout.decode())

    def proxied(self, code: str, url: str, *options: str) -> str:
        """Status that a tenant's workstation gets for a URL through the proxy."""
        return self.fetch(code, url, "-x", self.proxy_url(code), *options)

    def proxy_url(self, code: str, version: int = 4) -> str:
        """The proxy as a tenant reaches it: the gateway's address in its own network."""
        lan = self.lan(code)
        if version == 4:
            return f"http://{lan['v4'].rpartition('.')[0]}.254:3128"
        return f"http://[{lan['v6'].removesuffix('/64')}254]:3128"

    def usage(self) -> Mapping[str, Any]:
        """Volumes as the gateway counts them."""
        return self.driver.usage("gateway")  # type: ignore[attr-defined, no-any-return]


def rule(id_: str, action: str, hosts: Sequence[str] = (), category: str | None = None, **more: Any) -> dict[str, Any]:
    """A rule of the proxy."""
    return {
        "id": id_,
        "action": action,
        "hosts": list(hosts),
        "category": category,
        "listed": list_hash(GAMBLING) if category else None,
        "hours": None,
        "owner": "tenant",
        "since": "2007-06-01",
        "reason_zh": "与工作无关",
        "reason_en": "Not for work",
        **more,
    }
