"""1,000 tenants and 10,000 people: `gasp plan` with nothing to do, beside the raw reads of the same attributes.

Raw reads: `dig` AXFR of both zones, a paged `ldapsearch` of what the product compares, one hash command a web host over
ssh, all at the same time, their output thrown away. Nobody has an ssh connection open at the start.
"""

from __future__ import annotations

import shlex

from bench import estates
from bench.bare import HASHES
from bench.centre import WEB_HOSTS, ZONES, Centre
from bench.items.workload import counted
from bench.measure import Timing, alternate, timed
from bench.results import Figure, Result
from control_plane.drivers.directory_entries import ATTRIBUTES

TENANTS, PEOPLE = 1000, 10_000


def measure(centre: Centre, rounds: int = 5, reads_of_w: int | None = None) -> Result:
    """Medians; the estate is imported and applied once before. `reads_of_w`: logical reads of a plan for W."""
    result = Result("large", "1,000 tenants and 10,000 people")
    bring(centre, result)
    checks, reloads, reads = counted(centre)
    script = " & ".join([*raw_reads(centre), "wait"])

    def product() -> Timing:
        centre.cold()
        return centre.gasp("plan", "estate", "--exit-code")

    def raw() -> Timing:
        centre.cold()
        return timed(["sh", "-c", script], env=centre.ldap_env)

    product()
    raw()
    found = alternate(rounds, {"gasp": product, "raw": raw})
    ours, theirs = result.row("gasp plan, nothing to do", found["gasp"]), result.row("raw reads", found["raw"])
    summary = centre.json("plan", "estate")["summary"]
    result.remarks.append(
        f"{summary['unchanged']} resources: an internal and a public site, a unit with its people each."
    )
    result.figures += [
        Figure("No-op plan, 1,000 tenants and 10,000 people", ours.seconds, "s", 5),
        Figure("The same, to the raw reads", ours.seconds / theirs.seconds, "x", 6),
        Figure("Peak memory of that plan", ours.peak_mb, "MB", 500),
        Figure("Checks of a host that got 1,000 vhosts", checks, "", 1, "exactly"),
        Figure("Reloads of that host", reloads, "", 1, "exactly"),
        Figure("Logical reads of a plan, 1,000 tenants (as many as for 94)", reads, "", reads_of_w, "exactly"),
    ]
    return result


def bring(centre: Centre, result: Result) -> None:
    """Import and apply once; both are shown, not judged."""
    if not centre.has("large"):
        folder = estates.write_large(centre.estates / "large", TENANTS, PEOPLE)
        centre.load("empty")
        result.row("gasp tenants import (once)", [centre.gasp("tenants", "import", str(folder), "--yes")])
        centre.save("large")
    centre.load("large")
    centre.wipe()
    result.row("gasp apply estate, from nothing (once)", [centre.gasp("apply", "estate", "--yes", timeout=3600)])


def raw_reads(centre: Centre) -> list[str]:
    """Shell commands."""
    top = f"ou=tenants,{estates.BASE_DN}"
    search = centre.ldap("ldapsearch", "-LLL", "-E", "pr=1000/noprompt", "-b", top, "(objectClass=*)", *ATTRIBUTES)
    argvs = [*(centre.dig(zone) for zone in ZONES), search, *([*centre.ssh, host, HASHES] for host in WEB_HOSTS)]
    return [f"{shlex.join(argv)} >/dev/null" for argv in argvs]
