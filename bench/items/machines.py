"""Inventory: `gasp hosts measure` of all enrolled machines, beside what a person would ask each of them over ssh, and
the same by `ansible -m shell`.

By hand: `apt-get -s upgrade`, the installed packages, the signatures' manifest and the mark of a wanted restart, as
many machines side by side as the product asks. Nobody has an ssh connection open at the start. The estate is one in
which every tenant with a network has the service (`estates.write_enrolled`).
"""

from __future__ import annotations

import json
import shlex

from bench.ansible import at_each
from bench.centre import Centre
from bench.measure import Timing, alternate, timed
from bench.results import Figure, Result
from control_plane.drivers.machine_link import PARALLEL

WHOLE = 94
BY_HAND = (
    "apt-get -s upgrade; dpkg-query -W; cat /var/lib/gasp/signatures.json; ls /run/reboot-required 2>/dev/null; true"
)


def measure(centre: Centre, rounds: int = 5) -> Result:
    """Medians; the target is for the whole estate, so an estate that is smaller is shown and not judged."""
    names = enrolled(centre)
    ssh = shlex.join(centre.ssh)
    argv = [
        "xargs",
        "-P",
        str(PARALLEL),
        "-I{}",
        "sh",
        "-c",
        f"{ssh} {{}} {shlex.quote(BY_HAND)} >/dev/null </dev/null",
    ]

    def product() -> Timing:
        centre.cold()
        took = centre.gasp("hosts", "measure", "-o", "json")
        answer = json.loads(took.out)
        if (answer["measured"], answer["silent"]) != (len(names), 0):
            raise RuntimeError(f"{answer['measured']} of {len(names)} were measured, {answer['silent']} are silent")
        return took

    def hand() -> Timing:
        centre.cold()
        return timed(argv, stdin="\n".join(names).encode())

    ansible = at_each(centre, names, PARALLEL, "shell", BY_HAND)
    for once in (product, hand, ansible):
        once()
    found = alternate(rounds, {"gasp": product, "hand": hand, "ansible": ansible})
    result = Result("machines", f"Inventory of {len(names)} machines")
    ours = result.row("gasp hosts measure", found["gasp"])
    theirs = result.row("ssh to each: apt-get -s upgrade, dpkg-query, cat", found["hand"])
    other = result.row("ansible -m shell: the same commands", found["ansible"])
    result.figures += [
        Figure(f"Inventory of {len(names)} machines", ours.seconds, "s", 10 if len(names) == WHOLE else None),
        Figure("The same, to ssh to each by hand", ours.seconds / theirs.seconds, "x"),
        Figure("Inventory, Ansible to gasp", other.seconds / ours.seconds, "x"),
    ]
    if len(names) != WHOLE:
        result.remarks.append(f"The target is for {WHOLE} machines; `make bench FULL=1` measures those.")
    return result


def enrolled(centre: Centre) -> list[str]:
    """Names of the machines that are looked after."""
    rows = centre.json("hosts", "list")["items"]
    return sorted(row["name"] for row in rows if row["machine"] and row["managed"])
