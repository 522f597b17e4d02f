"""The dated register of who used an address: read from CSV, checked whole, asked by time."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from control_plane.model.errors import Invalid, Problem
from control_plane.model.record import Seal, TenantAt
from control_plane.model.run import Actor
from control_plane.model.text import t, tn
from control_plane.store.repository import Store
from control_plane.workflow.access_times import read_moment
from control_plane.workflow.documents import decode

COLUMNS = ("address", "machine", "person", "from", "to", "source")
LONGEST = 200
MAX_BYTES = 64 << 20
_FORMULA = re.compile(r"^'+[=+\-@\t\r]")


def read_register(path: Path) -> tuple[list[dict[str, str]], str, list[Problem]]:
    """Rows of a CSV with line numbers (`line`), its encoding, and every problem of its form."""
    where = path.name
    try:
        content = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b"\0"
    except OSError as error:
        fault = t("It cannot be read: {reason}.", reason=error.strerror or error)
        return [], "", [Problem("unreadable", fault, t("Check its owner and mode."), where)]
    text, encoding, problem = decode(content, where)
    if text is None:
        return [], encoding, [problem] if problem else []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[dict[str, str]] = []
    problems: list[Problem] = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        missing = [name for name in ("address", "from") if name not in header]
        unknown = [name for name in header if name not in COLUMNS]
        if missing or unknown or len(set(header)) != len(header):
            fault = t("The first line does not name the columns.")
            remedy = t("The first line names the columns: {columns}.", columns=",".join(COLUMNS))
            return [], encoding, [Problem("bad-header", fault, remedy, where, 1)]
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                fault = tn(
                    "The line has {count} cell instead of {wanted}.",
                    "The line has {count} cells instead of {wanted}.",
                    count=len(cells),
                    wanted=len(header),
                )
                remedy = t("Put values with commas in double quotes.")
                problems.append(Problem("bad-row", fault, remedy, where, reader.line_num))
                continue
            plain = [cell[1:] if _FORMULA.match(cell) else cell for cell in cells]
            row = dict(zip(header, (cell.strip() for cell in plain), strict=True))
            rows.append({**row, "line": str(reader.line_num)})
    except csv.Error as error:
        fault = t("This is no valid CSV: {reason}.", reason=error)
        problems.append(Problem("bad-csv", fault, t("Check the quotes in this line."), where, reader.line_num))
    return rows, encoding, problems


def check_rows(
    rows: Sequence[Mapping[str, Any]], tenant_at: TenantAt, where: str | None = None
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Rows as the store keeps them, and every problem of their content."""
    found: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for row in rows:
        line = int(row["line"]) if row.get("line") else None
        faults: list[Problem] = []
        try:
            address = str(ip_address(str(row.get("address") or "").strip()))
        except ValueError:
            address = ""
            fault = t("“{text}” is no address.", text=row.get("address") or "")
            faults.append(Problem("bad-address", fault, t("Write one IPv4 or IPv6 address."), field="address"))
        begin, more = read_moment(str(row.get("from") or ""), "from")
        faults += more
        end: datetime | None = None
        if row.get("to"):
            end, more = read_moment(str(row["to"]), "to", end=True)
            faults += more
        if begin is not None and end is not None and end <= begin:
            fault = t("The window ends before it begins.")
            faults.append(Problem("bad-window", fault, t("Give an end that is later."), field="to"))
        if not row.get("machine") and not row.get("person"):
            fault, remedy = t("Neither a machine nor a person is named."), t("Name one of the two.")
            faults.append(Problem("nobody", fault, remedy, field="person"))
        for name in ("machine", "person", "source"):
            if len(str(row.get(name) or "")) > LONGEST:
                fault = t("It is longer than {limit} characters.", limit=LONGEST)
                faults.append(Problem("too-long", fault, t("Shorten it."), field=name))
        tenant = tenant_at(address, begin) if address and begin else ""
        if address and begin and not tenant:
            fault = t("{address} was in no tenant's network then.", address=address)
            faults.append(Problem("no-tenant", fault, None, field="address", severity="warning"))
        problems += [Problem(p.code, p.text, p.remedy, where, line, p.field, p.severity) for p in faults]
        if not any(p.severity == "error" for p in faults):
            found.append(
                {
                    "tenant": tenant,
                    "address": address,
                    "machine": str(row.get("machine") or ""),
                    "person": str(row.get("person") or ""),
                    "first_at": begin,
                    "last_at": end,
                    "source": str(row.get("source") or where or "gasp record register add"),
                }
            )
    return found, problems


class Register:
    """Reads and grows the register; each growth is an entry of the ledger."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self.store, self.seal = store, seal

    def preview(self, path: Path, tenant_at: TenantAt) -> dict[str, Any]:
        """See `RecordClient.preview_register`."""
        rows, encoding, problems = read_register(path)
        checked, more = check_rows(rows, tenant_at, path.name)
        problems += more
        if any(p.severity == "error" for p in problems):
            raise Invalid([p for p in problems if p.severity == "error"])
        source = {"source": path.name}
        plain = [{**source, **{k: v for k, v in row.items() if k != "line" and v}} for row in rows]
        return {"encoding": encoding, "rows": plain, "warnings": [p.as_json() for p in problems], "count": len(checked)}

    def add(self, rows: Sequence[Mapping[str, Any]], tenant_at: TenantAt, actor: Actor) -> dict[str, Any]:
        """See `RecordClient.add_to_register`."""
        checked, problems = check_rows(rows, tenant_at)
        if any(p.severity == "error" for p in problems):
            raise Invalid([p for p in problems if p.severity == "error"])
        with self.store.transaction():
            new = self.store.access.register(checked, actor)
            if new:
                body = {"new": new, "sources": sorted({row["source"] for row in checked})}
                self.store.access.enter("register", body, actor, self.seal)
        return {"new": new, "same": len(checked) - new}

    def rows(self, address: str | None, person: str | None) -> list[dict[str, Any]]:
        """See `RecordClient.register`."""
        return [
            {
                "id": row.id,
                "tenant": row.tenant or None,
                "address": row.address,
                "machine": row.machine or None,
                "person": row.person or None,
                "from": row.first_at.isoformat(),
                "to": row.last_at.isoformat() if row.last_at else None,
                "source": row.source,
                "recorded_at": row.recorded_at.isoformat(),
            }
            for row in self.store.access.registered(address=address, person=person)
        ]
