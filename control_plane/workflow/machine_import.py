"""Another console's list of machines (CSV): read whole, every problem named with its line, nothing guessed.

Pure but for reading the file. What such a list says is kept as it stands and marked as observed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from control_plane.model.errors import Invalid, Problem
from control_plane.model.tenant import TenantNames
from control_plane.model.text import t, tn

#: Heads that consoles use, by what they mean here. A head is compared without blanks, case and underscores.
HEADS: Mapping[str, Sequence[str]] = {
    "name": ("name", "hostname", "host", "computer", "computername", "machine", "device", "devicename", "计算机名",
             "终端名称", "主机名", "设备名称", "名称"),
    "tenant": ("tenant", "department", "organization", "organisation", "unit", "group", "单位", "部门", "所属单位",
               "所属部门", "组织", "分组"),
}  # fmt: skip
LIMIT_OCTETS, LIMIT_ROWS = 32 << 20, 100_000
_NAME = re.compile(r"^[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff._-]{0,62}$")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line: the machine's name, its tenant's code, and all other columns as they stand."""

    line: int
    name: str
    tenant: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Export:
    """A whole list. `columns`: what was taken for what."""

    encoding: str
    columns: Mapping[str, str]
    machines: Sequence[Listed]
    problems: Sequence[Problem]


def read_export(
    path: Path, columns: Mapping[str, str], tenant: str | None, tenants: Mapping[str, TenantNames]
) -> Export:
    """Read a list. `columns` maps `name` and `tenant` to heads of this file; `tenant` is whose all of them are;
    `tenants` are the codes that exist, with names by which a list may call them. Raises Invalid when it cannot be
    read at all."""
    text, encoding = _decode(path)
    sample = text[:4096]
    delimiter = max(",;\t", key=lambda d: sample.split("\n", 1)[0].count(d))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        problem = Problem(
            "bad-csv", t("The file is no CSV: {reason}.", reason=error), t("Export it again, with quotes closed."),
            path.name, reader.line_num,
        )  # fmt: skip
        raise Invalid([problem]) from None
    if not rows:
        raise Invalid([Problem("empty", t("The file is empty."), t("Export it again."), path.name)])
    heads = [head.strip() for head in rows[0][1]]
    found, problems = _columns(heads, columns, tenant, path.name)
    codes = _codes(tenants)
    machines: list[Listed] = []
    first: dict[str, int] = {}
    for line, cells in rows[1 : LIMIT_ROWS + 1]:
        if not any(cell.strip() for cell in cells):
            continue
        item = _row(line, cells, heads, found, tenant, codes, path.name, problems)
        if item is None:
            continue
        if item.name in first:
            text_ = t("{name} is also on line {line}.", name=item.name, line=first[item.name])
            problems.append(Problem("twice", text_, t("Keep one of the lines."), path.name, line, "name"))
            continue
        first[item.name] = line
        machines.append(item)
    if len(rows) > LIMIT_ROWS + 1:
        problems.append(Problem("too-long", t("The file has more than {limit} lines.", limit=LIMIT_ROWS),
                                t("Split it."), path.name))  # fmt: skip
    return Export(encoding, {k: heads[i] for k, i in found.items()}, machines, problems)


def _decode(path: Path) -> tuple[str, str]:
    content = path.read_bytes()
    if len(content) > LIMIT_OCTETS:
        raise Invalid([Problem("too-large", t("The file is larger than 32 MB."), t("Split it."), path.name)])
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        order = ["utf-16"]
    else:
        order = ["utf-8-sig"] if content.startswith(b"\xef\xbb\xbf") else ["utf-8", "gb18030"]
    for encoding in order:
        try:
            return content.decode(encoding), encoding
        except UnicodeDecodeError as error:
            last = error
    problem = Problem(
        "encoding", t("The file is neither UTF-8 nor GB18030: {reason}.", reason=last),
        t("Save it as CSV in UTF-8."), path.name,
    )  # fmt: skip
    raise Invalid([problem])


def _plain(head: str) -> str:
    return re.sub(r"[\s_-]", "", head).casefold()


def _columns(
    heads: Sequence[str], columns: Mapping[str, str], tenant: str | None, where: str
) -> tuple[dict[str, int], list[Problem]]:
    problems = []
    found: dict[str, int] = {}
    for field, names in HEADS.items():
        if field == "tenant" and tenant is not None:
            continue
        wanted = [columns[field]] if field in columns else list(names)
        hits = [i for i, head in enumerate(heads) if _plain(head) in {_plain(n) for n in wanted}]
        remedy = t("Say which: --column {field}=HEAD. The file has: {heads}.", field=field, heads=", ".join(heads))
        if len(hits) == 1:
            found[field] = hits[0]
        elif hits:
            text = t("Several columns could be the {field}: {heads}.", field=field,
                     heads=", ".join(heads[i] for i in hits))  # fmt: skip
            problems.append(Problem("ambiguous-column", text, remedy, where, 1, field))
        else:
            problems.append(Problem("no-column", t("No column is the {field}.", field=field), remedy, where, 1, field))
    doubled = sorted({h for h in heads if h and heads.count(h) > 1})
    if doubled:
        text = t("Columns are named twice: {heads}.", heads=", ".join(doubled))
        problems.append(Problem("column-twice", text, t("Rename one."), where, 1))
    return found, problems


def _codes(tenants: Mapping[str, TenantNames]) -> dict[str, str]:
    codes: dict[str, str] = {}
    for code, names in tenants.items():
        for name in (code, names.zh, names.short_zh, names.en):
            if name:
                codes.setdefault(name.casefold(), code)
    return codes


def _row(
    line: int,
    cells: Sequence[str],
    heads: Sequence[str],
    found: Mapping[str, int],
    tenant: str | None,
    codes: Mapping[str, str],
    where: str,
    problems: list[Problem],
) -> Listed | None:
    before = len(problems)
    if len(cells) != len(heads):
        text = tn(
            "The line has {count} cell, the head has {wanted}.",
            "The line has {count} cells, the head has {wanted}.",
            count=len(cells),
            wanted=len(heads),
        )
        problems.append(Problem("cells", text, t("Put text with commas into quotes."), where, line))
        return None
    name = cells[found["name"]].strip() if "name" in found else ""
    if "name" in found and not _NAME.match(name):
        text = t("“{name}” is no name of a machine.", name=name)
        problems.append(
            Problem("bad-name", text, t("Use letters, digits, dots and hyphens; at most 63."), where, line, "name")
        )
    code = tenant
    if tenant is None and "tenant" in found:
        called = cells[found["tenant"]].strip()
        code = codes.get(called.casefold())
        if code is None:
            text = t("No tenant is called “{name}”.", name=called)
            problems.append(
                Problem("no-tenant", text, t("Use its code or its name; see gasp tenants list."), where, line, "tenant")
            )
    if any(_CONTROL.search(cell) for cell in cells):
        text = t("The line has characters that steer a terminal.")
        problems.append(Problem("control", text, t("Delete them."), where, line))
    if len(problems) > before or not name or code is None:
        return None
    facts = {head: cells[i].strip() for i, head in enumerate(heads) if head and i not in found.values()}
    return Listed(line, name.lower() if name.isascii() else name, code, facts)
