"""The tenant whose internet access is changed in the bench, and an ordinary Ansible role that changes it too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from bench.ansible import environment, folder_of, program
from bench.centre import Centre
from bench.measure import Timing, timed, timed_call
from bench.wire import ASK, LOAD, WINDOW, Watch
from control_plane.drivers.gateway import GatewayDriver
from control_plane.drivers.ssh import SshRunner
from control_plane.model.plan import Memory, diff
from control_plane.model.ports import Outcome
from control_plane.model.resource import Measured, Owner, Resource
from control_plane.workflow.documents import write_yaml

HERE = Path(__file__).resolve().parent
HOST, PART, CODE, OTHER = "gateway", "gateway:gateway", "fgw", "czj"
LOW, HIGH = 2_000, 10_000
"""Rates between which is changed, kbit/s."""
RULES = f"/etc/squid/gasp/{CODE}.conf"
BIG = "/var/www/html/gasp-bench"


class Tenant:
    """The tenant that is changed: its document, its addresses, the page outside that it opens."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.document: dict[str, Any] = yaml.safe_load((centre.estate / f"{CODE}.yaml").read_text("utf-8"))
        self.outside = centre.addresses["citizen"]
        self.url = f"http://{self.outside}/{BIG.rpartition('/')[2]}"
        self.small = f"http://{self.outside}/"
        self.proxies = {code: f"{centre.addresses[code].rpartition('.')[0]}.254" for code in (CODE, OTHER)}
        self.original = centre.shell(HOST, f"cat {RULES}").decode()
        self.driver = GatewayDriver(SshRunner(centre.ssh_config, centre.state / "ssh"), [HOST])

    def wish(self, **spec: Any) -> None:
        """Import it with other wishes; nothing is applied."""
        rows = [
            {**row, "spec": spec} if row["offering"] == "internet" else row for row in self.document["subscriptions"]
        ]
        file = self.centre.estates / f"{CODE}.yaml"
        file.write_bytes(write_yaml({**self.document, "subscriptions": rows}))
        self.centre.gasp("tenants", "import", str(file), "--yes")

    def rule(self, closed: bool) -> dict[str, Any]:
        """The wish that closes the page, or none."""
        reason = {"zh": "测量", "en": "Measured"}
        rule = {"number": 10, "action": "block", "hosts": [self.outside], "since": "2026-11-01", "reason": reason}
        return {"rules": [rule]} if closed else {}

    def page(self, closed: bool) -> Watch:
        """Sees when the page is refused, or answered again."""
        seen = ("200", "403") if closed else ("403", "200")
        return Watch(self.centre.ssh, CODE, ASK, self.proxies[CODE], self.small, *seen)

    def rate(self, low: bool) -> Watch:
        """Sees when a download becomes slower, or faster."""
        border = str((LOW + HIGH) // 2)
        return Watch(
            self.centre.ssh, CODE, LOAD, self.proxies[CODE], self.url, border, "below" if low else "above", late=WINDOW
        )

    def by_driver(self, kind: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[], Timing]:
        """Look and plan now; the call that is returned applies it. `change` makes the new attributes."""
        look = self.driver.observe(PART)
        assert isinstance(look, Measured), look
        wanted: dict[str, Resource] = {}
        owners: dict[str, Owner] = {}
        for id_, seen in look.resources.items():
            owner = Owner(seen.owner_marker.partition("/")[0], seen.attributes["tenant"], "internet")
            owners[owner.marker] = owner
            wanted[id_] = Resource(id_, seen.kind, PART, owner, seen.attributes, label=seen.label)
            if seen.kind == kind and owner.tenant == CODE:
                wanted[id_] = replace(wanted[id_], attributes=change(dict(seen.attributes)))
        kinds = {one.name: one for one in self.driver.kinds}
        plan = diff("estate", wanted, [look], kinds, Memory({}, {}, owners), lambda *_: True, datetime.now(UTC))
        if len(plan.steps) != 1:
            raise RuntimeError(f"{len(plan.steps)} steps where one was expected")

        def apply() -> Timing:
            said: list[Any] = []
            took = timed_call(lambda: said.extend(self.driver.apply(PART, plan.steps, lambda: None)))
            states = [one.state for one in said if isinstance(one, Outcome)]
            if states != ["applied"]:
                raise RuntimeError(f"the driver said {said}")
            return took

        return apply

    def by_hand(self, script: str, stdin: str = "") -> Timing:
        """A script on the gateway over a connection of its own."""
        return timed([*self.centre.ssh, HOST, script], stdin=stdin.encode())

    def rules(self, closed: bool) -> str:
        """The proxy's file as a person would edit it."""
        lines = f"acl by_hand dst {self.outside}\nhttp_access deny t_{CODE} by_hand\n" if closed else ""
        at = self.original.index("http_access")
        return self.original[:at] + lines + self.original[at:]


def play(
    centre: Centre, book: str, content: str, path: str, variables: Mapping[str, Any] | None = None
) -> Callable[[], Timing]:
    """An ordinary role that puts a file at `path` on the gateway, with this content or made of `variables`, and has it
    taken over."""
    folder = folder_of(centre)
    (folder / "content").write_text(content, "utf-8")
    (folder / "gateway").write_text(f"{HOST}\n", "utf-8")
    env = environment(centre)
    given = {"content": str(folder / "content"), "path": path, "ansible_python_interpreter": "/usr/bin/python3"}
    (folder / "given.json").write_text(json.dumps({**given, **(variables or {})}), "utf-8")
    argv = [program("ansible-playbook"), "-i", str(folder / "gateway")]
    return lambda: timed(
        [*argv, "-e", f"@{folder / 'given.json'}", str(HERE / "ansible_role" / f"{book}.yml")], env=env
    )


def policy(centre: Centre, code: str) -> dict[str, Any]:
    """What the gateway itself knows of a tenant: its number, rates and volume."""
    found: dict[str, Any] = json.loads(centre.shell(HOST, "cat /etc/gasp/gateway/policy.json"))["tenants"][code]
    return found
