"""Hands for rollouts on real machines: an upstream that publishes versions, what machines have, how a rollout stands.

Shared by the lab tests and the test over the whole estate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from control_plane.model.network import plan_for
from lab.topology import load_topology
from lab.upstream import SMALL, Upstream, demo
from tests.conftest import Centre
from tests.waiting import wait_until

DEMO = "gasp-demo"
#: Options that all rollouts of tests have in common: no waiting for windows or soak.
AT_ONCE = ("--ignore-windows", "a test", "--soak", "0", "--reason", "a test", "--start", "--yes")
#: What a script on a host prints: state and version of the package, and how much dpkg has done there.
LOOK = (
    "dpkg-query -W -f '${db:Status-Abbrev}|${Version}|' gasp-demo 2>/dev/null || true;"
    " cat /var/log/dpkg.log 2>/dev/null | wc -l"
)


@dataclass(frozen=True)
class Had:
    """One machine: state and version of the package, and the length of dpkg's log: who touches it, lengthens it."""

    state: str
    version: str
    log: int


class Rolling:
    """Rollouts of one centre."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre

        def run(host: str, argv: Sequence[str], stdin: bytes) -> bytes:
            return centre.reach(host, *argv, stdin=stdin).stdout

        self.upstream = Upstream(load_topology(plan_for(centre.lab), []), run)

    # --- what there is ---

    def machines(self) -> dict[str, int]:
        """Name → ring of every enrolled machine."""
        rows = self.centre.json("hosts", "list")["items"]
        return {r["name"]: r["ring"] for r in rows if r["machine"] and r["managed"]}

    def had(self, names: Sequence[str]) -> dict[str, Had]:
        """What each machine has."""

        def look(name: str) -> Had:
            *found, log = self.centre.shell(name, LOOK).split("|")
            return Had(found[0].strip(), found[1], int(log)) if found else Had("", "", int(log))

        with ThreadPoolExecutor(8) as pool:
            return dict(zip(names, pool.map(look, names), strict=True))

    def versions(self, names: Sequence[str]) -> dict[str, str]:
        """Version of the package on each machine."""
        return {name: had.version for name, had in self.had(names).items()}

    def published(self) -> dict[int, str]:
        """Ring → snapshot of packages that it has."""
        rows = self.centre.json("snapshots", "list", "--filter", "kind=patches")["items"]
        return {ring: row["id"] for row in rows for ring in row["rings"]}

    def snapshot(self, version: str) -> str:
        """Id of a snapshot that holds this version of the package; it is published upstream and fetched if needed."""
        for row in self.centre.json("snapshots", "list", "--filter", "kind=patches")["items"]:
            contents = self.centre.json("snapshots", "show", row["id"])["contents"]
            if {(c["name"], c["version"]) for c in contents} >= {(DEMO, version), ("gasp-notes", "1.0")}:
                return str(row["id"])
        self.upstream.publish([demo(version), *SMALL])
        self.centre.run("snapshots", "sync", "--kind", "patches", "--yes")
        return self.snapshot(version)

    def begin_with(self, version: str) -> None:
        """Every ring and every enrolled machine has this version."""
        wanted = self.snapshot(version)
        machines = self.machines()
        published = self.published()
        for ring in sorted({0, *machines.values()} - {r for r, s in published.items() if s == wanted}):
            self.centre.run("snapshots", "publish", wanted, "--ring", str(ring), "--yes")
        install = f"apt-get -q update; apt-get -yq --allow-downgrades install {DEMO}={version}"
        lacking = [n for n, had in self.had(list(machines)).items() if (had.state, had.version) != ("ii", version)]
        script = f"export DEBIAN_FRONTEND=noninteractive; ({install}) >/dev/null 2>&1"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self.centre.shell(name, script), lacking))

    # --- rollouts ---

    def start(self, version: str, *options: str) -> int:
        """A rollout of the snapshot with this version, released at once."""
        made = self.centre.json(
            "rollouts", "create", "--kind", "patches", "--snapshot", self.snapshot(version), *AT_ONCE, *options
        )
        return int(made["id"])

    def show(self, rollout: int) -> Any:
        """How it stands."""
        return self.centre.json("rollouts", "show", str(rollout))

    def states(self, rollout: int) -> dict[str, str]:
        """Machine → state."""
        return {item["name"]: item["state"] for item in self.show(rollout)["items"]}

    def wait(self, rollout: int, *states: str, seconds: float = 120) -> Any:
        """How it stands as soon as it is in one of these states."""

        def standing() -> Any:
            found = self.show(rollout)
            return found if found["state"] in states else None

        return wait_until(standing, seconds, f"rollout {rollout} in {states}")

    @staticmethod
    def told(standing: Any) -> str:
        """What a person reads of it, for the message of an assertion."""
        items = [f"{i['name']} {i['state']} {i['fault']}: {i['sentence']}" for i in standing["items"]]
        return "\n".join([standing["sentence"], *(item for item in items if " ok " not in item)])

    def step(self, env: Mapping[str, str] | None = None) -> int:
        """One turn of the worker's chore in the foreground, with the background one stopped; its exit status."""
        return self.centre.run("worker", "run", "--once", "--chore", "rollouts", check=False, env=env).returncode

    def events(self, rollout: int, kind: str | None = None) -> list[Any]:
        """Its events so far; of one kind."""
        done = self.centre.run("rollouts", "follow", str(rollout), "-o", "json", "--no-wait", check=False)
        return [e for e in map(json.loads, done.stdout.splitlines()) if kind in (None, e["type"])]
