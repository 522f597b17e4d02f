"""Lists of people as departments send them, read whole: CSV or a workbook, with heads in either language.

Titles above the heads, heads in two rows with merged cells, full-width digits, numbers that became texts and dates in
several styles are understood. Must not know who is there already: `staff_wish.py` does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from control_plane.model.errors import Invalid, Problem
from control_plane.model.field_words import PERSON
from control_plane.model.table_file import read_table
from control_plane.model.text import Text, language, t

LARGEST, MOST_ROWS = 16 << 20, 20_000
#: Heads are looked for in so many rows: titles and dates of issue may stand above them.
HEAD_ROWS = 10


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column: its field of a person, what people call it, other heads, and whether it holds names of the systems
    (written in narrow letters) and not words."""

    name: str
    label: Text
    heads: tuple[str, ...]
    code: bool = True


COLUMNS = (
    ListColumn("tenant", t("Department"), ("单位", "部门", "单位代码", "所在单位", "tenant", "unit"), False),
    ListColumn("uid", PERSON["uid"], ("账号", "帐号", "用户名", "登录名", "账号名", "account", "login", "login name")),
    ListColumn("display_name", PERSON["display_name"], ("姓名", "显示名", "name", "display name"), False),
    ListColumn("family_name", PERSON["family_name"], ("姓", "姓氏", "surname"), False),
    ListColumn("given_name", PERSON["given_name"], ("名", "名字"), False),
    ListColumn("pinyin", PERSON["pinyin"], ("拼音", "姓名拼音"), False),
    ListColumn("employee_number", PERSON["employee_number"], ("工号", "人员编号", "职工号", "编号", "employee number")),
    ListColumn("title", PERSON["title"], ("职务", "岗位", "position"), False),
    ListColumn("mail", PERSON["mail"], ("邮箱", "电子邮箱", "电子邮件", "email")),
    ListColumn("phone", PERSON["phone"], ("电话", "手机", "联系电话", "手机号", "手机号码", "telephone")),
    ListColumn("groups", PERSON["groups"], ("组", "群组", "用户组", "所在组")),
    ListColumn("status", t("State"), ("状态", "人员状态", "在职状态", "在职情况"), False),
    ListColumn("left_on", PERSON["left_on"], ("离职日期", "离职时间", "离岗日期", "离开日期", "leaving date")),
)
_COLUMNS = {column.name: column for column in COLUMNS}
#: Fields of a list that are none of a person.
NO_FIELDS = frozenset({"tenant", "status", "left_on"})
ACTIVE = frozenset({"", "active", "here", "在职", "在岗", "在编", "正常"})
LEFT = frozenset({"left", "leaver", "leaves", "retired", "离职", "已离职", "离岗", "退休", "已退休", "辞职", "注销"})
#: Family names of two signs.
_DOUBLE = """欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳
公冶 太叔 申屠 公孙 慕容 仲孙 钟离 长孙 宇文 司徒 鲜于 司空 令狐 轩辕 呼延 百里 东郭 南门 西门"""
DOUBLE = frozenset(_DOUBLE.split())
_DATE = re.compile(r"(\d{4})\s*(?:[-/.年])\s*(\d{1,2})\s*(?:[-/.月])\s*(\d{1,2})\s*日?(?:[ T]0{1,2}:00(?::00)?)?\Z")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})\Z")
_EXPONENT = re.compile(r"\d(?:[.,](\d+))?[eE]\+?(\d{1,2})\Z")
_WHOLE = re.compile(r"(\d+)\.0+\Z")
_BRACKETS = re.compile(r"\(.*?\)|[*:\s]")


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number in the file, and the cells of the columns that the file has. `left`: the row says that the
    person left; `left_on`: on which day, if it says so."""

    number: int
    cells: Mapping[str, str]
    left: bool
    left_on: date | None


@dataclass
class PeopleList:
    """A list as read: columns in the file's order, lines, and what is wrong with single cells."""

    encoding: str
    columns: list[str]
    lines: list[Line]
    problems: list[Problem] = field(default_factory=list)


def read_list(content: bytes, today: date) -> PeopleList:
    """The list in a file. Raises Invalid when there is none in it; faults of cells are in the result."""
    if len(content) > LARGEST:
        text = t("The file is larger than {limit} MiB.", limit=LARGEST >> 20)
        raise Invalid([Problem("file-too-large", text, t("Send it in parts."), field="file")])
    table = read_table(content, "file", MOST_ROWS + HEAD_ROWS)
    if isinstance(table, Problem):
        raise Invalid([table])
    first = table.rows[0][0] - 1 if table.rows else 1
    rows = [(first, table.head), *table.rows]
    heads, begin, end = _heads(rows)
    problems = _of_heads(heads, rows[begin:end] or rows[:1])
    if problems:
        raise Invalid(problems)
    found = PeopleList(table.encoding, [head for head in heads if head], [])
    for number, cells in rows[end:]:
        _line(found, number, heads, cells, today)
    if not found.lines and not found.problems:
        raise Invalid([wrong(end, None, t("There is no row below the heads."), t("Fill in at least one."))])
    return found


def wrong(row: int, column: str | None, text: Text, remedy: Text | None, code: str = "bad-row") -> Problem:
    """A fault of a cell, by row and column of the file."""
    label = _label(column, language()) if column is not None and column in _COLUMNS else None
    return Problem(code, text, remedy, line=row, field=label)


@cache
def _label(column: str, language: str) -> str:
    return _COLUMNS[column].label.render(language)


def _heads(rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[list[str], int, int]:
    """The field of each column, and where the rows of heads begin and end. A head that stands above several columns, or
    beside one that is two rows high, counts where nothing lower says more. A row that names somebody is none of heads,
    whatever else its cells say."""
    begin = end = 0
    uid: int | None = None
    for place, (_, cells) in enumerate(rows[:HEAD_ROWS]):
        known = sum(1 for cell in cells if _field(cell))
        named = cells[uid] if uid is not None and uid < len(cells) else ""
        if named and _field(named) != "uid":
            break
        if known >= (1 if end == place and end else 2) or (known and len([c for c in cells if c]) == known):
            begin, end = (begin, place + 1) if end else (place, place + 1)
            uid = next((column for column, cell in enumerate(cells) if _field(cell) == "uid"), uid)
        elif end:
            break
    width = max((len(cells) for _, cells in rows[begin:end]), default=0)
    heads = [""] * width
    for _, cells in rows[begin:end]:
        for place, cell in enumerate(cells):
            heads[place] = _field(cell) or heads[place]
    return heads, begin, end


def _field(cell: str) -> str:
    return _NAMES.get(_head(cell), "")


def _head(cell: str) -> str:
    return _BRACKETS.sub("", unicodedata.normalize("NFKC", cell)).replace("_", "").casefold()


_NAMES = {_head(word): column.name for column in COLUMNS for word in (column.name, *column.heads, column.label.msgid)}


def _of_heads(heads: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]) -> list[Problem]:
    known = ", ".join(column.heads[0] for column in COLUMNS)
    number, last = rows[-1]
    problems = []
    if "uid" not in heads:
        text = t("The column “{head}” is missing; people are told apart by it.", head="账号")
        return [wrong(number, None, text, t("Columns are: {names}.", names=known), "bad-head")]
    for name in dict.fromkeys(head for head in heads if head and heads.count(head) > 1):
        text = t("There are two columns “{head}”.", head=_COLUMNS[name].label)
        problems.append(wrong(number, None, text, t("Delete one of them."), "bad-head"))
    for place, cell in enumerate(last):
        if cell and not (place < len(heads) and heads[place]):
            text = t("“{head}” is no column of a list of people.", head=cell[:40])
            problems.append(wrong(number, None, text, t("Columns are: {names}.", names=known), "bad-head"))
    return problems


def _line(found: PeopleList, number: int, heads: Sequence[str], cells: Sequence[str], today: date) -> None:
    given = {head: _plain(head, cell) for head, cell in zip(heads, cells, strict=False) if head}
    given |= {head: "" for head in heads[len(cells) :] if head}
    extra = next((cell for cell in cells[len(heads) :] if cell), None)
    if extra is not None:
        text = t("There are cells beyond the last column: {cell}.", cell=extra[:40])
        found.problems.append(wrong(number, None, text, t("Put it below a head, or delete it.")))
    status = given.get("status", "").casefold()
    if status not in ACTIVE | LEFT:
        text = t("“{value}” is no state of a person.", value=status[:40])
        found.problems.append(wrong(number, "status", text, t("Write 在职 or 离职.")))
    day, left_on = given.get("left_on", ""), None
    if day:
        left_on = day_of(day)
        if left_on is None:
            text = t("“{value}” is no date.", value=day[:40])
            found.problems.append(wrong(number, "left_on", text, t("Write it like 2026-11-29 or 2026年11月29日.")))
        elif left_on > today:
            text = t("{day} is in the future.", day=left_on.isoformat())
            found.problems.append(wrong(number, "left_on", text, t("Send the row on that day or later.")))
        elif status and status in ACTIVE:
            text = t("“{value}” and a day of leaving contradict each other.", value=given["status"][:40])
            found.problems.append(wrong(number, "left_on", text, t("Delete the day, or write 离职.")))
    for head in ("employee_number", "phone"):
        if _EXPONENT.match(given.get(head, "")):
            text = t("“{value}” is a number of which the spreadsheet has kept a part only.", value=given[head])
            remedy = t("Give the column the format “text”, write the number again, and save the list anew.")
            found.problems.append(wrong(number, head, text, remedy))
    if not given["uid"]:
        text = t("“{label}” is empty.", label=_COLUMNS["uid"].label)
        found.problems.append(wrong(number, "uid", text, t("Fill it in.")))
    left = status in LEFT or (left_on is not None and not status)  # a row that contradicts itself is judged whole
    found.lines.append(Line(number, given, left, left_on))


def _plain(head: str, cell: str) -> str:
    """A cell without what spreadsheets and input methods put around it."""
    text = cell.strip().strip("\u3000\ufeff").strip()
    if not _COLUMNS[head].code:
        return unicodedata.normalize("NFKC", text) if head == "status" else text
    text = unicodedata.normalize("NFKC", text).lstrip("'")
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    if head in ("employee_number", "phone", "left_on"):
        text = _WHOLE.sub(r"\1", text)
        match = _EXPONENT.match(text)
        if match and len(match[1] or "") >= int(match[2]):  # nothing of the number is cut off
            text = f"{Decimal(text.replace(',', '.')):f}"
    return text.lower() if head == "uid" else text


def day_of(text: str) -> date | None:
    """A day as people and spreadsheets write it; None when it is none."""
    try:
        if match := _DATE.match(text) or _COMPACT.match(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if text.isdigit() and 20_000 < int(text) < 80_000:  # days since 1899-12-30, as spreadsheets count them
            return date(1899, 12, 30) + timedelta(days=int(text))
    except ValueError:
        return None
    return None


def groups_of(text: str) -> list[str]:
    """Names of groups in a cell."""
    return [one.strip() for one in re.split(r"[;；,，、\n]", text) if one.strip()]


def split_name(name: str) -> tuple[str, str | None]:
    """Family and given name of a full name: Chinese by its first sign or two, others by their last word."""
    if " " in name:
        given, _, family = name.rpartition(" ")
        return family, given
    size = 2 if name[:2] in DOUBLE and len(name) > 2 else 1
    if not "\u4e00" <= name[:1] <= "\u9fff":
        return name, None
    return name[:size], name[size:] or None


def full_name(family: str, given: str | None) -> str:
    """Inverse of `split_name`."""
    return f"{family}{given or ''}" if "\u4e00" <= family[:1] <= "\u9fff" else f"{given or ''} {family}".strip()
