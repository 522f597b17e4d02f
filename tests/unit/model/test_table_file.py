"""Tables of people's files: CSV of several habits, Excel workbooks, and what only looks like one."""

from __future__ import annotations

import io
import zipfile

import pytest

from control_plane.model import table_file
from control_plane.model.errors import Problem
from control_plane.model.table_file import MOST_ROWS, TableFile, read_table

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOK = f'<workbook {MAIN} xmlns:r="{RELS}"><sheets><sheet name="表" sheetId="1" r:id="rId1"/></sheets></workbook>'
LINK = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{RELS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
)
TEXTS = f"<sst {MAIN}><si><t>姓</t></si><si><r><t>张</t></r><r><t>三</t></r><rPh><t>zhang</t></rPh></si></sst>"
SHEET = (
    f'<worksheet {MAIN}><sheetData><row r="2"><c r="A2" t="s"><v>0</v></c><c r="C2" t="inlineStr"><is><t>n</t></is></c>'
    '</row><row r="3"/><row r="4"><c r="A4" t="s"><v>1</v></c><c r="B4" t="b"><v>1</v></c>'
    '<c r="C4"><f>1+1</f><v>2.0</v></c></row></sheetData></worksheet>'
)


def workbook(method: int = zipfile.ZIP_STORED, **changed: str | bytes) -> bytes:
    parts = {
        "xl/workbook.xml": BOOK, "xl/_rels/workbook.xml.rels": LINK, "xl/sharedStrings.xml": TEXTS,
        "xl/worksheets/sheet1.xml": SHEET,
    }  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        for name, content in parts.items():
            packed.writestr(name, changed.get(name.rpartition("/")[2].partition(".")[0], content))
    return buffer.getvalue()


def test_a_workbook_is_its_first_sheet_as_it_was_shown_last() -> None:
    found = read_table(workbook(), "file")
    assert found == TableFile(["姓", "", "n"], [(4, ["张三", "true", "2"])], "XLSX")


def test_escapes_of_a_workbook_are_characters_and_halves_of_one_stay() -> None:
    for written, meant in (("a_x0009_b", "a\tb"), ("_x005F_x000d_", "_x000d_"), ("_xD83D__xde00_", "_xD83D__xde00_")):
        found = read_table(workbook(sharedStrings=TEXTS.replace("姓", written)), "file")
        assert isinstance(found, TableFile)
        assert found.head[0] == meant


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("﻿姓,名\r\n张,三\r\n".encode(), "UTF-8"),
        ("姓;名\n张;三\n".encode(), "UTF-8"),
        ("\n\n姓\t名\n张\t三\n".encode("gb18030"), "GB18030"),
    ],
)
def test_csv_of_every_habit(content: bytes, encoding: str) -> None:
    found = read_table(content, "file")
    assert isinstance(found, TableFile)
    assert (found.head, [cells for _, cells in found.rows], found.encoding) == (["姓", "名"], [["张", "三"]], encoding)


def test_our_own_apostrophe_is_taken_off_and_lines_are_counted() -> None:
    found = read_table(b'a,b\n"x\ny",\'=1+1\n\n,"\'s"\n', "file")
    assert isinstance(found, TableFile)
    assert [cells for _, cells in found.rows] == [["x\ny", "=1+1"], ["", "'s"]]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"   \n", b"PK\x03\x04", b"\xff\xfe\x00", b'a,"b\n', b"MZ\x00\x00", workbook()[:-30],
        workbook(sheet1="<x"), workbook(workbook="<a/>"), workbook(sharedStrings=f"<sst {MAIN}/>"),
        workbook(sheet1='<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + SHEET),
        workbook(sheet1=('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>' + SHEET).encode("utf-16")),
        b"a\n" + b"x\n" * (MOST_ROWS + 1), b",".join([b"a"] * 61) + b"\nx",
    ],
)  # fmt: skip
def test_what_is_no_table_is_said(content: bytes) -> None:
    found = read_table(content, "file")
    assert isinstance(found, Problem)
    assert found.remedy is not None


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_workbook_with_turned_bytes_is_said_to_be_damaged(method: int) -> None:
    whole = workbook(method)
    for place in range(len(whole)):
        turned = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        assert isinstance(read_table(turned, "file"), (Problem, TableFile))


def test_a_sheet_is_read_no_further_than_its_rows_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f'<row r="{n}"><c><v>{n}</v></c></row>' for n in range(1, MOST_ROWS + 3))
    endless = f"<worksheet {MAIN}><sheetData>{rows}<never-closed"
    found = read_table(workbook(zipfile.ZIP_DEFLATED, sheet1=endless), "file")
    assert isinstance(found, Problem)
    assert "rows" in found.text.render("en"), "not damaged: nobody read so far"
    monkeypatch.setattr(table_file, "_MOST_ELEMENTS", 100)
    many = f"<worksheet {MAIN}>{'<a/>' * 101}{SHEET.partition('>')[2]}"
    assert isinstance(read_table(workbook(sheet1=many), "file"), Problem)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_title_above_the_heads_does_not_hide_what_parts_the_cells(delimiter: str) -> None:
    text = f"发改委人员名单\n\n账号{delimiter}姓名\nlina{delimiter}李娜\n"
    found = read_table(text.encode(), "file")
    assert isinstance(found, TableFile)
    assert found.rows == [(3, ["账号", "姓名"]), (4, ["lina", "李娜"])]
