"""Pages of console and portal under 20 people at once, with the city's 113 organs and with 1,000 generated tenants.

Everybody reads a page for about a second before the next. Times are those of the visitor, over TLS, to the last octet;
beside it, alternately, Flask alone with the same table out of the same database, behind the same server with the same
options. Pages that ask a real system at that moment (volumes, snapshots, previews) are not among them: there is no lab.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench import estates
from bench.centre import WHOLE
from bench.measure import Timing
from bench.results import Figure, Result
from bench.visitors import Seen, Visitor, percentile
from bench.web import Server, Web, family, memory_mb

USERS, CLERKS, PEOPLE = 20, 5, 10_000
SECONDS, PAUSE, ROUNDS = 30.0, 1.0, 3
TARGETS = {113: 150, 1000: 300}
#: What people of the centre look at; CODE is one of the tenants.
CONSOLE = (
    *("", "tenants", "tenants/CODE", "tenants/CODE/services/directory", "sites", "accounts", "probes", "hosts"),
    *("security", "rollouts", "freezes", "audit", "requests", "runs", "jobs", "plans", "drift", "people"),
    *("sign-ins", "search?q=CODE", "search?q=a", "me"),
)
#: What a clerk looks at; FORM is a page of a request of theirs.
PORTAL = ("", "catalogue", "catalogue/public_site", "services/CODE/public_site", "requests", "FORM")
TABLE, BARE = "/console/tenants", "/tenants"


def measure(seconds: float = SECONDS, rounds: int = ROUNDS, large: int = 1000) -> Result:
    """p95 of all pages, the median of one table beside the peer's, and what the server holds in memory afterwards."""
    result = Result("console", "Console and portal under 20 people at once")
    with tempfile.TemporaryDirectory(prefix="gasp-bench-web-") as folder:
        root = Path(folder)
        generated = estates.write_large(root / "large", large, PEOPLE * large // 1000)
        for count, estate, name in ((113, WHOLE, "113 organs"), (1000, generated, f"{large} generated tenants")):
            web = Web(root / f"state-{count}", estate)
            web.bring()
            _pages(web, result, name, TARGETS[count], seconds)
            _table(web, result, name, seconds / rounds, rounds)
    result.remarks.append(
        f"{USERS} people, {CLERKS} of them clerks, who read {PAUSE:g} s a page; the server is one process, 16 threads."
    )
    return result


def _pages(web: Web, result: Result, name: str, target: int, seconds: float) -> None:
    code = next(iter(web.codes()))
    officer, clerk = web.enter("officer", "security_officer"), web.enter("clerk", "clerk", code)
    with web.served() as server:
        form = web.send(clerk, "/portal/requests", tenant=code, offering="public_site", action="change")
        visitors = people(officer, clerk, code, form)
        before = server.cpu()
        seen = web.visit(visitors, seconds, PAUSE)
        spent = (server.cpu() - before) / (len(seen) + sum(len(v.pages) for v in visitors))
        held = memory_mb(family(server.pid))
        hurried = web.visit(visitors, seconds / 3, 0)
    row = [Timing(one.seconds, spent, held) for one in seen]
    result.row(f"all pages, {name}", row)
    result.figures.append(Figure(f"p95 of console and portal, {name}", _p95_ms(seen), "ms", target))
    for page, took in worst(seen):
        result.figures.append(Figure(f"p95 of `{page}`, {name}", took, "ms"))
    note = f"{len(hurried) / (seconds / 3):.0f} pages a second"
    result.figures.append(Figure(f"p95 with nobody ever reading, {name}", _p95_ms(hurried), "ms", note=note))


def people(officer: str, clerk: str, code: str, form: str) -> list[Visitor]:
    """Who visits, each in the same pages from another place on."""
    console = [f"/console/{page}".replace("CODE", code) for page in CONSOLE]
    portal = [form if page == "FORM" else f"/portal/{page}".replace("CODE", code) for page in PORTAL]
    return [Visitor(portal, clerk)] * CLERKS + [Visitor(console, officer)] * (USERS - CLERKS)


def worst(seen: Sequence[Seen], count: int = 3) -> list[tuple[str, float]]:
    """The slowest pages with their p95 in ms."""
    pages = {one.page for one in seen}
    found = [(page, _p95_ms([one for one in seen if one.page == page])) for page in pages]
    return sorted(found, key=lambda pair: -pair[1])[:count]


def _table(web: Web, result: Result, name: str, seconds: float, rounds: int) -> None:
    """The list of tenants beside the peer's, one server after the other, the order turned round by round."""
    officer = web.enter("officer", "security_officer")
    took: dict[str, list[Timing]] = {TABLE: [], BARE: []}

    def run(page: str, server: Server) -> None:
        cookie = officer if page == TABLE else ""
        seen = web.visit([Visitor([page], cookie)] * USERS, seconds, PAUSE)
        took[page] += [Timing(one.seconds, 0.0, memory_mb(family(server.pid))) for one in seen]

    def ours() -> None:
        with web.served() as server:
            run(TABLE, server)

    def theirs() -> None:
        with web.served(web.bare(), {"GASP_BENCH_DATABASE": str(web.database)}) as server:
            run(BARE, server)

    turns: list[Callable[[], None]] = [ours, theirs]
    for number in range(rounds):
        for turn in turns if number % 2 == 0 else reversed(turns):
            turn()
    result.row(f"list of tenants, {name}", took[TABLE])
    result.row(f"the same in Flask alone, {name}", took[BARE])
    ratio = median(t.seconds for t in took[TABLE]) / median(t.seconds for t in took[BARE])
    result.figures.append(Figure(f"List of tenants to Flask alone, {name}", ratio, "x", 3))


def _p95_ms(seen: Sequence[Seen]) -> float:
    return round(percentile([one.seconds for one in seen], 0.95) * 1000, 1)
