"""Asking the access record: only with a case and a reason, only a window, and never without an entry in the ledger.

The answer says what was not recorded in the window: no lines and no record are two things.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from control_plane.model.errors import CouldNotMeasureError, Invalid, Problem
from control_plane.model.names import NoName, to_ascii
from control_plane.model.nearest import no_tenant
from control_plane.model.record import REMARKS, Archive, Gap, Question, Seal
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.model.windows import ZONE
from control_plane.store.access import Entry
from control_plane.store.repository import Store
from control_plane.workflow.access_times import day_of, read_window

LONGEST = timedelta(days=31)
MOST_LINES = 10_000
JOIN = timedelta(milliseconds=100)
"""Gaps of one kind this near are one, and segments this near join."""
FAR = datetime.max.replace(tzinfo=UTC)
ASKED = ("tenant", "address", "nat_address", "nat_port", "host", "person")


def need_case(case: str, reason: str) -> list[Problem]:
    """Problems of a missing case number or reason."""
    problems = []
    if not case.strip():
        fault, remedy = t("A case number is needed."), t("Give the number of the case that allows it.")
        problems.append(Problem("no-case", fault, remedy, field="case"))
    if not reason.strip():
        problems.append(Problem("no-reason", t("A reason is needed."), t("Say why in one sentence."), field="reason"))
    return problems


def never_known(store: Store, tenant: str | None) -> list[Problem]:
    """Problems of a department that there is not and never was: a search of its lines would find nothing."""
    codes = {row.code for row in store.estate.tenants(ended=True)}
    if tenant is None or tenant in codes:
        return []
    unknown = no_tenant(tenant, codes)
    return [Problem("unknown-tenant", unknown.text, unknown.hint, field="tenant")]


def search(
    store: Store, archive: Archive, seal: Seal, clock: Callable[[], datetime], actor: Actor,
    case: str, reason: str, begin: str, end: str, asked: Mapping[str, Any], limit: int,
) -> dict[str, Any]:  # fmt: skip
    """See `RecordClient.log`."""
    problems = need_case(case, reason)
    first, last, faults = read_window(begin, end, LONGEST)
    wanted, more = _asked(asked)
    problems += [*faults, *more, *never_known(store, wanted["tenant"])]
    if problems:
        raise Invalid(problems, t("The access record was not searched."))
    remarks = []
    if wanted["tenant"] is not None and store.estate.tenant(wanted["tenant"]) is None:
        remarks.append(
            t("No tenant is called {code} now; only what one of that name left is found.", code=wanted["tenant"])
        )
    addresses = None
    if wanted["person"] is not None:
        entries = store.access.registered(person=wanted["person"])
        addresses = [(e.address, e.first_at, e.last_at or FAR) for e in entries]
        addresses = [a for a in addresses if a[1] < last and a[2] > first]
        if not addresses:
            remarks.append(t("The register knows no address of {person} in this time.", person=wanted["person"]))
    if wanted["address"] is not None:
        own = [(wanted["address"], datetime.min.replace(tzinfo=UTC), FAR)]
        addresses = own if addresses is None else [a for a in addresses if a[0] == wanted["address"]]
    question = Question(
        first, last, wanted["tenant"], addresses, wanted["nat_address"], wanted["nat_port"], wanted["host"],
        max(1, min(limit, MOST_LINES)),
    )  # fmt: skip
    files = store.access.files(day_of(first))  # the proxy notes a session when it ends, on whatever day
    lines, cut = archive.search(question, [f.name for f in files])
    _name_people(store, lines)
    now = clock()
    unrecorded = not_recorded(store, first, min(last, max(now, first)))
    body = {
        "case": case.strip(),
        "reason": reason.strip(),
        "from": first.isoformat(),
        "to": last.isoformat(),
        "asked": {k: v for k, v in wanted.items() if v is not None},
        "lines": len(lines),
        "cut": cut,
    }
    entry = store.access.enter("search", body, actor, seal)
    if not lines and _nothing(unrecorded, first, min(last, now)):
        raise CouldNotMeasureError(
            t(
                "Nothing was recorded from {begin} to {end}, so nothing can be said about it.",
                begin=_shown(first),
                end=_shown(last),
            ),
            t("gasp record status shows what is recorded."),
        )
    if cut:
        remarks.append(t("There are more than {limit} lines; only the first are shown.", limit=question.limit))
    return {
        **body,
        "number": entry.number,
        "lines": lines,
        "complete": not cut and not unrecorded,
        "unrecorded": [gap.as_json() for gap in unrecorded],
        "remarks": [str(remark) for remark in remarks],
    }


def search_row(entry: Entry) -> dict[str, Any]:
    """An entry of the ledger as `RecordClient.searches` shows it."""
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "actor": {"key": entry.actor_key, "name": entry.actor_name},
        **entry.body,
    }


def not_recorded(store: Store, begin: datetime, end: datetime) -> list[Gap]:
    """Everything of a window that was not recorded, by time: gaps that were marked, and times without a segment."""
    gaps = [g for g in store.access.gaps(begin, end) if g.reason not in REMARKS]
    marked = [(g.begin - JOIN, g.end + JOIN) for g in gaps if g.source == "all"]
    hosts: dict[str, list[tuple[datetime, datetime]]] = {}
    for host, first, last in store.access.covered(begin, end):
        hosts.setdefault(host, []).append((first, last))
    for spans in hosts.values() or [[]]:
        at = begin
        for first, last in [*spans, (end, end)]:
            hole = first - at > JOIN
            if hole and not any(b <= at and first <= e for b, e in marked):
                gaps.append(Gap("all", at, first, "not-collected"))
            at = max(at, last)
    return _joined(gaps)


def _joined(gaps: Sequence[Gap]) -> list[Gap]:
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda g: (g.source, g.reason, g.begin)):
        former = found[-1] if found else None
        near = former is not None and (former.source, former.reason) == (gap.source, gap.reason)
        if near and former is not None and gap.begin - former.end <= JOIN and gap.reason not in ("unreadable",):
            found[-1] = Gap(gap.source, former.begin, max(former.end, gap.end), gap.reason, former.detail or gap.detail)
        else:
            found.append(gap)
    return sorted(found, key=lambda g: (g.begin, g.source))


def _nothing(gaps: Sequence[Gap], begin: datetime, end: datetime) -> bool:
    return any(g.source == "all" and g.begin <= begin and g.end >= end for g in gaps)


def _shown(moment: datetime) -> str:
    return moment.astimezone(ZONE).isoformat(timespec="minutes")


def _asked(asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    wanted: dict[str, Any] = {name: asked.get(name) for name in ASKED}
    problems = []
    for name in ("address", "nat_address"):
        if wanted[name] is not None:
            try:
                wanted[name] = str(ip_address(wanted[name].strip()))
            except ValueError:
                fault = t("“{text}” is no address.", text=wanted[name])
                problems.append(Problem("bad-address", fault, t("Write one IPv4 or IPv6 address."), field=name))
    if wanted["nat_port"] is not None and not 0 < wanted["nat_port"] < 65536:
        fault, remedy = t("“{text}” is no port.", text=wanted["nat_port"]), t("Write a number from 1 to 65535.")
        problems.append(Problem("bad-port", fault, remedy, field="nat_port"))
    if wanted["host"] is not None:
        try:
            name = wanted["host"].strip()
            below = "." if name.startswith(".") else ""
            try:
                wanted["host"] = str(ip_address(name))
            except ValueError:
                wanted["host"] = below + to_ascii(name.lstrip("."))
        except NoName as error:
            fault = t("“{name}” is no valid host name: {reason}.", name=wanted["host"], reason=error.text)
            remedy = t("Write a name such as www.example.test, or .example.test for it and all below.")
            problems.append(Problem("bad-name", fault, remedy, field="host"))
    return wanted, problems


def _name_people(store: Store, lines: Sequence[dict[str, Any]]) -> None:
    """Add machine and person, as far as the register knows who had the address at that time."""
    known: dict[str, list[Any]] = {}
    for line in lines:
        address = line["address"] or ""
        if address not in known:
            known[address] = store.access.registered(address=address) if address else []
        at = datetime.fromisoformat(line["since"] or line["time"])
        entries = known[address]
        place = bisect_right([e.first_at for e in entries], at)
        fit = [e for e in entries[:place] if e.last_at is None or at < e.last_at]
        fit = [e for e in fit if e.tenant in ("", line["tenant"] or "")]
        line["machine"] = ", ".join(dict.fromkeys(e.machine for e in fit if e.machine)) or None
        line["person"] = ", ".join(dict.fromkeys(e.person for e in fit if e.person)) or None
