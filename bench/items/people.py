"""10,000 people online: `gasp apply system:directory` from an empty branch, beside `ldapadd` of the very same entries.

The entries for `ldapadd` are read back from what the product wrote, marks and all, so both add the same. Both bind as
the control plane, over TLS, with all overlays; every add is one synced transaction of the server.
"""

from __future__ import annotations

from pathlib import Path

from bench import estates
from bench.centre import Centre
from bench.measure import Timing, alternate, timed
from bench.results import Figure, Result

PEOPLE = 10_000


def measure(centre: Centre, rounds: int = 3) -> Result:
    """Medians; the directory is put back to empty before each run."""
    if not centre.has("people"):
        centre.prepare("people", estates.write_large(centre.estates / "people", estates.W_TENANTS, PEOPLE))
    text = centre.state / "bench-people.ldif"

    def product() -> Timing:
        centre.load("people")
        centre.wipe()
        return centre.gasp("apply", "system:directory", "--yes")

    def client() -> Timing:
        centre.wipe()
        return timed(centre.ldap("ldapadd", "-f", str(text)), env=centre.ldap_env)

    product()
    entries = read_back(centre, text)
    found = alternate(rounds, {"gasp": product, "ldapadd": client})
    result = Result("people", "10,000 people online")
    ours, theirs = result.row("gasp apply system:directory", found["gasp"]), result.row("ldapadd", found["ldapadd"])
    result.remarks.append(
        f"{entries} entries: {PEOPLE} people in {estates.W_TENANTS} units with their branches, groups and services. The"
        " product's time holds computing the estate, a look before and one after, and a row of history an entry."
    )
    result.figures.append(Figure("10,000 people, to `ldapadd`", ours.seconds / theirs.seconds, "x", 2))
    return result


def read_back(centre: Centre, text: Path) -> int:
    """Write all entries below the tenants' branch as LDIF; returns how many."""
    top = f"ou=tenants,{estates.BASE_DN}"
    options = ("-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt", "-b", top, f"(!(entryDN={top}))", "*")
    said = timed(centre.ldap("ldapsearch", *options), env=centre.ldap_env).out
    rows = [row for row in said.decode().splitlines() if not row.startswith("#")]
    text.write_text("\n".join(rows) + "\n", "utf-8")
    return sum(row.startswith("dn:") for row in rows)
