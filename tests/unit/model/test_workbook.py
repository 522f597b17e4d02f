"""Workbooks that we write: our own reader and the format's rules agree, and nothing in them is run."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from control_plane.model.table_file import TableFile, read_table
from control_plane.model.workbook import MOST_CELL, Sheet, as_xlsx

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
HOSTILE = ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "＝1", "<b>&amp;\"'", "]]>", "_x000d_", "https://x.test/", " x "]


def part(content: bytes, name: str) -> ElementTree.Element:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return ElementTree.fromstring(packed.read(name))


def texts(content: bytes) -> list[str]:
    """All texts of a workbook as they stand in it, in order of their first use."""
    return [item.findtext(f"{MAIN}t") or "" for item in part(content, "xl/sharedStrings.xml").iter(f"{MAIN}si")]


def test_what_is_written_is_read_again() -> None:
    made = as_xlsx([Sheet("单位", ["Code", "名称", "Count"], [["fgw", "市发改委", 3], ["gaj", None, 0]])])
    found = read_table(made, "file")
    assert isinstance(found, TableFile)
    assert found.head == ["Code", "名称", "Count"]
    assert found.rows == [(2, ["fgw", "市发改委", "3"]), (3, ["gaj", "", "0"])]
    assert made == as_xlsx([Sheet("单位", ["Code", "名称", "Count"], [["fgw", "市发改委", 3], ["gaj", None, 0]])])


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_text_whatever_it_begins_with(text: str) -> None:
    made = as_xlsx([Sheet("x", ["head"], [[text]])])
    sheet = part(made, "xl/worksheets/sheet1.xml")
    assert [cell.get("t") for cell in sheet.iter(f"{MAIN}c")] == ["s", "s"]
    assert texts(made)[1].replace("_x005F_", "_") == text
    assert not list(sheet.iter(f"{MAIN}f")) and not list(sheet.iter(f"{MAIN}hyperlink"))
    found = read_table(made, "file")
    assert isinstance(found, TableFile)
    assert found.rows[0][1][0].strip() == text.strip(), "our own reader sees the same"


def test_what_xml_cannot_hold_and_what_is_too_long() -> None:
    made = as_xlsx([Sheet("x", ["h"], [["a\x00b\ud800\x1b"], ["y" * 40000]])])
    assert texts(made) == ["h", "a\ufffdb\ufffd\ufffd", "y" * MOST_CELL]


def test_moments_are_moments_of_shanghai() -> None:
    noon = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
    sheet = part(as_xlsx([Sheet("x", ["at"], [[noon]])]), "xl/worksheets/sheet1.xml")
    assert [cell.findtext(f"{MAIN}v") for cell in sheet.iter(f"{MAIN}c")][1] == "46350.5"


def test_names_of_sheets_and_many_columns() -> None:
    made = as_xlsx([Sheet("a/b:c*[d]?'" + "e" * 40, [str(n) for n in range(30)], []), Sheet("", ["x"], [])])
    names = [sheet.get("name") for sheet in part(made, "xl/workbook.xml").iter(f"{MAIN}sheet")]
    assert names[0] == "a b c  d   " + "e" * 20
    assert names[1] == "1"
    assert [c.get("r") for c in part(made, "xl/worksheets/sheet1.xml").iter(f"{MAIN}c")][25:28] == ["Z1", "AA1", "AB1"]
