"""Another console's list: encodings, heads, bad lines, all named together."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.model.errors import Invalid
from control_plane.model.tenant import TenantNames
from control_plane.workflow.machine_import import Export, read_export

TENANTS = {
    "czj": TenantNames(zh="市财政局", short_zh="财政局", en="Finance Bureau"),
    "fgw": TenantNames(zh="市发展和改革委员会", en="Development and Reform Commission"),
}
ROWS = "计算机名,部门,操作系统\nKY-001,财政局,银河麒麟 V10\nWIN-7,fgw,Windows 7\n"


def read(tmp_path: Path, content: bytes, columns: dict[str, str] | None = None, tenant: str | None = None) -> Export:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    return read_export(path, columns or {}, tenant, TENANTS)


@pytest.mark.parametrize(
    ("encoding", "seen"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030"), ("utf-16", "utf-16")],
)
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_encodings_and_separators(tmp_path: Path, encoding: str, seen: str, sign: str) -> None:
    export = read(tmp_path, ROWS.replace(",", sign).replace("\n", "\r\n").encode(encoding))
    assert export.encoding == seen
    assert [(m.name, m.tenant, dict(m.facts)) for m in export.machines] == [
        ("ky-001", "czj", {"操作系统": "银河麒麟 V10"}),
        ("win-7", "fgw", {"操作系统": "Windows 7"}),
    ]
    assert export.problems == []


def test_every_bad_line_is_named_with_its_line(tmp_path: Path) -> None:
    export = read(
        tmp_path,
        b"Computer Name,Department,OS\nok-1,czj,x\n,czj,x\nbad name,czj,x\nok-2,nobody,x\nok-3,czj\nOK-1,fgw,x\n"
        b"ok-4,czj,\x1b[2J\n\n",
    )
    assert [m.name for m in export.machines] == ["ok-1"]
    assert sorted((p.line, p.code) for p in export.problems) == [
        (3, "bad-name"), (4, "bad-name"), (5, "no-tenant"), (6, "cells"), (7, "twice"), (8, "control"),
    ]  # fmt: skip
    assert all(p.remedy and p.where == "list.csv" for p in export.problems)


def test_columns_are_never_guessed_between_two(tmp_path: Path) -> None:
    content = b"Name,Hostname,Unit\npc-1,pc-one,czj\n"
    (problem,) = read(tmp_path, content).problems
    assert problem.code == "ambiguous-column"
    export = read(tmp_path, content, {"name": "Hostname"})
    assert [m.name for m in export.machines] == ["pc-one"]
    assert dict(export.columns) == {"name": "Hostname", "tenant": "Unit"}


def test_one_tenant_for_all_and_missing_columns(tmp_path: Path) -> None:
    assert [m.tenant for m in read(tmp_path, b"name\npc-1\n", tenant="fgw").machines] == ["fgw"]
    assert [p.code for p in read(tmp_path, b"serial\n77\n").problems] == ["no-column", "no-column"]


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\x00\x81", b'name,unit\n"open,czj\n'])
def test_what_is_no_list_at_all(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Invalid):
        read(tmp_path, content)
