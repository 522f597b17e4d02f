"""A wave of a patch rollout over all machines of a ring, beside the same package by plain pyinfra (`wave_deploy.py`)
and by `ansible -m apt`.

The product's time is that of one `gasp worker run --once --chore rollouts`: it publishes the snapshot to the ring, asks
before each machine, installs; then it measures every machine and every promise of their tenants, and judges. The peers
find the ring published already and install: that is compared with the first half, from exec to the last machine that
is done; the whole wave is shown beside it. Before each, every machine has the version before. The real package is the
lab's own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.ansible import at_each
from bench.centre import Centre
from bench.items.machines import enrolled
from bench.measure import Timing, alternate, timed
from bench.results import Figure, Result
from control_plane.drivers.pyinfra import PARALLEL
from control_plane.model.network import plan_for
from lab.topology import load_topology
from lab.upstream import SMALL, Upstream, demo

HERE = Path(__file__).resolve().parent.parent
OLD, NEW, RING = "1.0", "1.1", "1"
AT_ONCE = ("--ignore-windows", "measured", "--soak", "0", "--reason", "measured", "--start", "--yes")
BACK = f"export DEBIAN_FRONTEND=noninteractive; apt-get -yq --allow-downgrades install gasp-demo={OLD} >/dev/null 2>&1"
VERSION = "dpkg-query -W -f '${Version}' gasp-demo"


class Wave:
    """All machines of one ring, and two snapshots of the package."""

    def __init__(self, centre: Centre) -> None:
        self.centre, self.names = centre, enrolled(centre)

        def run(host: str, argv: Sequence[str], stdin: bytes) -> bytes:
            return timed([*centre.ssh, host, *argv], stdin=stdin).out

        self.upstream = Upstream(load_topology(plan_for(centre.lab), []), run)
        self.snapshots = {version: self.snapshot(version) for version in (OLD, NEW)}

    def snapshot(self, version: str) -> str:
        """Publish this version outside and fetch it; the snapshot's id."""
        self.upstream.publish([demo(version), *SMALL])
        self.centre.gasp("snapshots", "sync", "--kind", "patches", "--yes")
        rows = self.centre.json("snapshots", "list", "--filter", "kind=patches")["items"]
        for row in rows:
            contents = self.centre.json("snapshots", "show", row["id"])["contents"]
            if ("gasp-demo", version) in {(one["name"], one["version"]) for one in contents}:
                return str(row["id"])
        raise RuntimeError(f"no snapshot holds version {version}")

    def publish(self, version: str) -> None:
        """The ring has this version."""
        rows = self.centre.json("snapshots", "list", "--filter", "kind=patches")["items"]
        has = next(row["id"] for row in rows if int(RING) in row["rings"])
        if has != self.snapshots[version]:
            self.centre.gasp("snapshots", "publish", self.snapshots[version], "--ring", RING, "--yes")

    def back(self) -> None:
        """Ring and machines have the version before."""
        self.publish(OLD)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self.centre.shell(name, f"apt-get -q update >/dev/null; {BACK}"), self.names))
        self.check(OLD)

    def check(self, version: str) -> None:
        """Raises RuntimeError unless every machine has this version."""
        with ThreadPoolExecutor(8) as pool:
            found = dict(
                zip(self.names, pool.map(lambda name: self.centre.shell(name, VERSION), self.names), strict=True)
            )
        wrong = {name: had for name, had in found.items() if had.decode() != version}
        if wrong:
            raise RuntimeError(f"not {version}: {wrong}")

    def product(self) -> tuple[Timing, Timing]:
        """One wave; and its first half, until the package is on every machine (no CPU time: it cannot be told)."""
        self.back()
        made = self.centre.json("rollouts", "create", "--kind", "patches", "--snapshot", self.snapshots[NEW], *AT_ONCE)
        self.centre.cold()
        took = self.centre.gasp("worker", "run", "--once", "--chore", "rollouts")
        shown: Any = self.centre.json("rollouts", "show", str(made["id"]))
        if shown["state"] != "done" or len(shown["waves"]) != 1:
            raise RuntimeError(f"the rollout is {shown['state']} in {len(shown['waves'])} waves: {shown['sentence']}")
        self.check(NEW)
        events = [
            json.loads(line)
            for line in self.centre.gasp("rollouts", "follow", str(made["id"]), "-o", "json").out.splitlines()
        ]
        at = {event["type"]: datetime.fromisoformat(event["at"]) for event in events}  # the last of each
        judged = (at["rollout.ended"] - at["item.done"]).total_seconds()
        return took, Timing(took.seconds - judged, 0.0)

    def bare(self) -> Timing:
        """The same package by pyinfra; the ring is published before."""
        self.back()
        self.publish(NEW)
        inventory = self.centre.state / "bench-pyinfra" / "inventory.py"
        inventory.parent.mkdir(exist_ok=True)
        inventory.write_text(f"machines = {self.hosts()!r}\n", "utf-8")
        self.centre.cold()
        argv = [str(Path(sys.executable).with_name("pyinfra")), "-y", "--parallel", str(PARALLEL)]
        took = timed([*argv, str(inventory), str(HERE / "wave_deploy.py")], cwd=inventory.parent)
        self.check(NEW)
        return took

    def ansible(self) -> Timing:
        """The same package by Ansible's own module; the ring is published before."""
        self.back()
        self.publish(NEW)
        took = at_each(self.centre, self.names, PARALLEL, "apt", f"name=gasp-demo={NEW} update_cache=yes")()
        self.check(NEW)
        return took

    def hosts(self) -> list[tuple[str, dict[str, Any]]]:
        """pyinfra's inventory: addresses, key and the lab's known hosts."""
        folder = self.centre.ssh_config.parent
        rows = {row["name"]: row["mgmt"] for row in self.centre.json("lab", "status")["hosts"]}
        how = {
            "ssh_user": "root",
            "ssh_key": str(folder / "id_ed25519"),
            "ssh_known_hosts_file": str(folder / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            "ssh_config_file": "/dev/null",
            "version": NEW,
        }
        return [(name, {**how, "ssh_hostname": rows[name]}) for name in self.names]


def measure(centre: Centre, rounds: int = 3) -> Result:
    """Medians."""
    wave = Wave(centre)
    brought: list[Timing] = []

    def product() -> Timing:
        took, first = wave.product()
        brought.append(first)
        return took

    product()
    wave.bare()
    wave.ansible()
    brought.clear()
    found = alternate(rounds, {"gasp": product, "pyinfra": wave.bare, "ansible": wave.ansible})
    count = len(wave.names)
    result = Result("wave", f"A wave of a patch rollout over {count} machines")
    whole = result.row("gasp: one wave, measured and judged", found["gasp"])
    ours = result.row("gasp: until it is on every machine", brought)
    theirs = result.row("pyinfra: the same package", found["pyinfra"])
    other = result.row("ansible -m apt: the same package", found["ansible"])
    result.figures += [
        Figure("A wave, Ansible to gasp", other.seconds / ours.seconds, "x"),
        Figure(f"A wave over {count} machines, to pyinfra", ours.seconds / theirs.seconds, "x", 1.5),
        Figure("The same, with measuring and judging", whole.seconds / theirs.seconds, "x"),
    ]
    return result
