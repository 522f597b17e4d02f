"""`python -m nightly [--minutes N] [--examples N] [--only OPERATION …]`: checks the running centre of this machine
(`GASP_STATE`), changes nothing there, and keeps what it found for the console's page and for `gasp doctor`. Exit status
1 when it found something or did not finish.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from requests import RequestException

from control_plane import wiring
from control_plane.model.errors import ControlPlaneError, Rejected
from control_plane.model.text import Text, t
from control_plane.workflow.nightly import Nightly
from nightly.asking import Asker
from nightly.check import Check
from nightly.roles import tokens


def main(argv: Sequence[str] | None = None) -> int:
    """Check once."""
    parser = argparse.ArgumentParser(prog="python -m nightly", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="it ends after so long, wherever it is (20)")
    parser.add_argument("--examples", type=int, default=2, help="of each kind, an operation and role (2)")
    parser.add_argument("--only", nargs="+", default=(), metavar="OPERATION", help="these operations; without it all")
    parser.add_argument("--url", help="the console's address, when it is not this machine's own")
    chosen = parser.parse_args(argv)
    try:
        return check(
            (chosen.url or wiring.console_url() or "").rstrip("/"), chosen.only, chosen.examples, chosen.minutes * 60
        )
    except (ControlPlaneError, RequestException) as error:
        print(error, file=sys.stderr)
        return 1


def check(url: str, only: Sequence[str], examples: int, seconds: float) -> int:
    """See `main`. Raises Rejected when there is nothing to check."""
    store, result = wiring.store(), Nightly(wiring.settings().state, wiring.now)
    known = {row.code for row in store.estate.subscriptions(offering="public_site")}
    codes = [row.code for row in store.estate.tenants() if row.code in known]
    if not url or not codes:
        raise Rejected(t("There is no console, or no department with a website."), t("make up"))
    asked = [one.content.tenant for one in store.requests.list(tenants_=frozenset(codes)) if one.submitted_at]
    other = next((code for code in (*asked, *codes[1:]) if code != codes[0]), None)  # one of which there is most to see
    own = codes[0]
    with ExitStack() as stack:
        result.begin({"url": url})
        values = stack.enter_context(tokens(store, wiring.vault(), wiring.actor(), wiring.now, own))
        askers = {role: Asker(url, wiring.authority().ca_path, value) for role, value in values.items()}
        found = Check(askers, own, other, only, examples, seconds).run(
            lambda what: print(what, file=sys.stderr, flush=True)
        )
    result.end(found)
    for row in found["findings"]:
        print(f"{row['operation']} ({row['who']}): {Text.from_json(row['what'])}\n  {row['curl']}")
    counts = ", ".join(f"{found[name]} {name}" for name in ("operations", "cases", "found"))
    print(f"{counts}{'' if found['complete'] else '; did not finish'}")
    return 0 if found["complete"] and not found["found"] else 1


if __name__ == "__main__":
    sys.exit(main())
