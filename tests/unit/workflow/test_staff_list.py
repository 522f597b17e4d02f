"""Lists of people as departments send them: encodings, heads, digits, dates, names."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date

import pytest

from control_plane.model.errors import Invalid
from control_plane.model.text import in_language
from control_plane.workflow.staff_list import PeopleList, day_of, read_list, split_name

TODAY = date(2026, 11, 29)
PLAIN = "单位,账号,姓名,工号,离职日期\nfgw,zhangwei,张伟,000123,\nfgw,lina,李娜,000124,2026/11/20\n"


def read(content: bytes) -> PeopleList:
    with in_language("en"):
        return read_list(content, TODAY)


def workbook(rows: Sequence[Sequence[str | float]], merged: Sequence[str] = ()) -> bytes:
    """A workbook as spreadsheet programs write it: shared texts, numbers as numbers, merged cells."""
    texts: list[str] = []
    lines = []
    for number, row in enumerate(rows, 1):
        cells = []
        for column, value in enumerate(row):
            place = f"{chr(65 + column)}{number}"
            if isinstance(value, str) and value:
                texts.append(value)
                cells.append(f'<c r="{place}" t="s"><v>{len(texts) - 1}</v></c>')
            elif not isinstance(value, str):
                cells.append(f'<c r="{place}"><v>{value!r}</v></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    links = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    merges = "".join(f'<mergeCell ref="{place}"/>' for place in merged)
    shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
    relation = '<Relationship Id="rId1" Type="worksheet" Target="worksheets/sheet1.xml"/>'
    parts = {
        "xl/workbook.xml": f'<workbook {main} {links}><sheets><sheet name="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        f'relationships">{relation}</Relationships>',
        "xl/sharedStrings.xml": f"<sst {main}>{shared}</sst>",
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{''.join(lines)}</sheetData>"
        f"<mergeCells>{merges}</mergeCells></worksheet>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_say_the_same(encoding: str) -> None:
    found = read(PLAIN.encode(encoding))
    assert found.encoding == ("GB18030" if encoding == "gb18030" else "UTF-8")
    assert [(line.number, line.cells["uid"], line.left_on) for line in found.lines] == [
        (2, "zhangwei", None),
        (3, "lina", date(2026, 11, 20)),
    ]
    assert found.lines[1].left and found.problems == []


@pytest.mark.parametrize(("state", "wrong"), [("在职", True), ("active", True), ("离职", False), ("", False)])
def test_somebody_who_works_here_has_no_day_of_leaving(state: str, wrong: bool) -> None:
    """Lists keep the old day of somebody who came back; taken for a leaver, their account would be removed at once."""
    found = read(f"账号,姓名,状态,离职日期\nlina,李娜,{state},2026-01-01\n".encode())
    assert [problem.field for problem in found.problems] == (["Left on"] if wrong else [])


def test_a_title_and_heads_in_two_rows_with_merged_cells() -> None:
    found = read(
        workbook(
            [
                ["市发展改革委人员名单（2026年11月）"],
                ["序号见附件", "", "", "", ""],
                ["账号", "姓名", "联系方式", "", "离职时间"],
                ["", "", "手机", "邮箱", ""],
                ["ZhangWei", "张伟", 13800000000.0, "zw@qingdao.test", ""],
                ["lina", "李娜", "１３８ 0000 0001", "", 46346.0],
            ],
            merged=["A1:E1", "A3:A4", "B3:B4", "C3:D3", "E3:E4"],
        )
    )
    assert found.columns == ["uid", "display_name", "phone", "mail", "left_on"]
    assert [dict(line.cells) for line in found.lines] == [
        {"uid": "zhangwei", "display_name": "张伟", "phone": "13800000000", "mail": "zw@qingdao.test", "left_on": ""},
        {"uid": "lina", "display_name": "李娜", "phone": "138 0000 0001", "mail": "", "left_on": "46346"},
    ]  # fmt: skip
    assert [line.number for line in found.lines] == [5, 6]
    assert found.lines[1].left_on == date(2026, 11, 20)


@pytest.mark.parametrize(
    "text", ["2026-11-20", "2026/11/20", "2026.11.20", "20261120", "2026年11月20日", "2026-11-20 00:00:00", "46346"]
)
def test_days(text: str) -> None:
    assert day_of(text) == date(2026, 11, 20)


@pytest.mark.parametrize("text", ["", "20.11.2026", "2026-13-01", "2026年", "gestern", "12345678901"])
def test_no_days(text: str) -> None:
    assert day_of(text) is None


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("张伟", ("张", "伟")),
        ("欧阳娜娜", ("欧阳", "娜娜")),
        ("东方", ("东", "方")),
        ("Li Na", ("Na", "Li")),
        ("Li", ("Li", None)),
    ],
)
def test_family_names(name: str, parts: tuple[str, str | None]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize("cell", ["1.38E+10", "1.38e10", "3.70202199001011E+17", "5E+8"])
@pytest.mark.parametrize("head", ["工号", "电话"])
def test_a_number_of_which_the_spreadsheet_kept_a_part_is_refused(head: str, cell: str) -> None:
    (problem,) = read(f"账号,{head}\nlina,{cell}\n".encode()).problems
    assert (problem.line, cell in str(problem.text)) == (2, True)
    assert "text" in str(problem.remedy)


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("'000123", "000123"),
        ("０００１２３", "000123"),
        ('="000123"', "000123"),
        ("123.0", "123"),
        ("1.3800012345e+10", "13800012345"),
    ],
)
def test_numbers_that_became_texts(cell: str, wanted: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    assert read(f"账号,工号\nlina,{quoted}\n".encode()).lines[0].cells["employee_number"] == wanted


def test_faults_of_cells_are_all_said() -> None:
    text = "账号,姓名,状态,离职日期\n,张伟,在职,\nlina,李娜,大概,\nwangfang,王芳,离职,2027-01-01\nsunli,孙丽,,昨天,x\n"
    found = read(text.encode())
    assert [(p.line, p.field) for p in found.problems] == [
        (2, "Account name"), (3, "State"), (4, "Left on"), (5, None), (5, "Left on"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["姓名,工号\n张伟,1\n", "账号,姓名,账号\nlina,李娜,x\n", "账号,姓名,血型\nlina,李娜,A\n", "账号,姓名\n"]
)
def test_heads_that_are_wrong(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        read(text.encode())
    assert all(problem.remedy for problem in raised.value.problems)


def test_a_row_that_names_somebody_is_none_of_heads() -> None:
    found = read(b"uid,status\nliuyang16,left\nsunbo,left\ncaimeimei,\n")
    assert [(line.cells["uid"], line.left) for line in found.lines] == [
        ("liuyang16", True),
        ("sunbo", True),
        ("caimeimei", False),
    ]
    found = read("账号,姓名\nmail,名\naccount1,姓名\n".encode())
    assert [dict(line.cells) for line in found.lines] == [
        {"uid": "mail", "display_name": "名"},
        {"uid": "account1", "display_name": "姓名"},
    ]
    assert [line.cells["uid"] for line in read("Login name,Name\nzhangwei,张伟\n".encode()).lines] == ["zhangwei"]
