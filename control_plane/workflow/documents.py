"""Tenant documents on disk: how they are read with line numbers and how they are written.

Knows files, encodings, YAML and CSV. Must not know the database or what an offering's spec means.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from control_plane.model.errors import Problem
from control_plane.model.text import t, tn
from control_plane.workflow.import_yaml import Tree, read_yaml

ESTATE_FILE = "estate.yaml"
#: Files of an estate that are not tenants' and are read elsewhere.
OTHER_FILES = frozenset({"costs.yaml"})
PEOPLE_FOLDER = "people"
PEOPLE_COLUMNS = (
    "uid",
    "family_name",
    "given_name",
    "display_name",
    "pinyin",
    "employee_number",
    "mail",
    "title",
    "phone",
    "groups",
)
#: Written only when somebody has it.
SELDOM_COLUMNS = ("first_uid", "left_on")
MAX_BYTES = 4 * 1024 * 1024
UTF8, UTF8_BOM, GB18030 = "UTF-8", "UTF-8 with BOM", "GB18030"
#: A spreadsheet would run these cells as formulas: written with an apostrophe before them, read without it.
_FORMULA = re.compile(r"^'*[=+\-@\t\r]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class People:
    """A people file: one mapping a person, with the line of each."""

    where: str
    rows: list[dict[str, Any]]
    lines: list[int]


@dataclass(frozen=True)
class TenantFile:
    """One tenant's document as read, with its people file if there is one."""

    tree: Tree
    people: People | None


@dataclass
class Documents:
    """Everything read from a file or a folder. `broken` names tenant codes whose file could not be read."""

    whole: bool
    estate: Tree | None = None
    tenants: list[TenantFile] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def encoding(self) -> str:
        """The encoding of all files, or `mixed`."""
        kinds = set(self.encodings.values())
        return kinds.pop() if len(kinds) == 1 else "mixed"


def read_documents(path: Path) -> Documents:
    """Read one tenant's file, or a folder with `estate.yaml`, `CODE.yaml` and `people/CODE.csv`.

    Problems of all files are collected in the result; nothing is raised for bad content.
    """
    result = Documents(whole=path.is_dir())
    seen: list[tuple[str, bytes]] = []
    folder = path if result.whole else path.parent
    files = _tenant_files(path, result)
    stems = {file.stem for file in files}
    for file in files:
        content = _read(file, file.name, result, seen)
        tree, problems = read_yaml(content, file.name) if content is not None else (None, [])
        result.problems += problems
        if file.name == ESTATE_FILE and result.whole:
            result.estate = tree
        elif tree is None:
            result.broken.add(file.stem)
        else:
            code = tree.data.get("code")
            people = folder / PEOPLE_FOLDER / f"{code if isinstance(code, str) else file.stem}.csv"
            found = _read_people(people, result, seen) if people.parent == folder / PEOPLE_FOLDER else None
            result.tenants.append(TenantFile(tree, found))
    if result.whole:
        used = {f"{PEOPLE_FOLDER}/{name}.csv" for name in stems} | {name for name, _ in seen}
        for file in sorted((folder / PEOPLE_FOLDER).glob("*.csv")):
            if (name := f"{PEOPLE_FOLDER}/{file.name}") not in used:
                text = t("There is no tenant file for these people.")
                result.problems.append(
                    Problem(
                        "people-without-tenant", text, t("Add {code}.yaml or remove the file.", code=file.stem), name
                    )
                )
    parts = (f"{name}\0{hashlib.sha256(content).hexdigest()}" for name, content in sorted(seen))
    result.digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return result


def _tenant_files(path: Path, result: Documents) -> list[Path]:
    if not result.whole:
        return [path]
    files = sorted(
        f
        for f in path.iterdir()
        if f.suffix in (".yaml", ".yml") and not f.name.startswith(".") and f.name not in OTHER_FILES
    )
    if not any(f.name != ESTATE_FILE for f in files):
        text = t("The folder holds no tenant files.")
        remedy = t("Give a folder with estate.yaml and one CODE.yaml for each tenant.")
        result.problems.append(Problem("empty-folder", text, remedy, str(path)))
    return files


def _read(file: Path, name: str, result: Documents, seen: list[tuple[str, bytes]]) -> str | None:
    """Decoded text of a file, or None with a problem noted."""
    try:
        if file.is_symlink() or not file.is_file():  # a link could show somebody else's file line by line
            kind = t("It is no regular file.") if file.exists() else t("There is no such file.")
            result.problems.append(Problem("no-file", kind, t("Check the path."), name))
            return None
        content = file.read_bytes() if file.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        reason = t("It cannot be read: {reason}.", reason=error.strerror or error)
        result.problems.append(Problem("unreadable", reason, t("Check its owner and mode."), name))
        return None
    if content is None:
        text = t("It is larger than {limit} MiB.", limit=MAX_BYTES >> 20)
        result.problems.append(Problem("too-large", text, t("Check that it is the right file."), name))
        return None
    seen.append((name, content))
    text_, encoding, problem = decode(content, name)
    if problem is not None:
        result.problems.append(problem)
    result.encodings[name] = encoding
    return text_


def decode(content: bytes, where: str) -> tuple[str | None, str, Problem | None]:
    """Text and encoding of `content`: UTF-8, with or without BOM, or GB18030; otherwise a problem."""
    if not content.strip():
        return None, UTF8, Problem("empty-file", t("The file is empty."), t("Fill it or remove it."), where)
    if content.startswith(_UTF16):
        text = t("The file is in UTF-16.")
        return None, "UTF-16", Problem("wrong-encoding", text, t("Save it as UTF-8."), where)
    if b"\0" in content:
        text = t("The file is no text.")
        return None, "binary", Problem("binary-file", text, t("Check that it is the right file."), where)
    for codec, name in (("utf-8-sig", UTF8_BOM if content.startswith(b"\xef\xbb\xbf") else UTF8), ("gb18030", GB18030)):
        try:
            decoded = content.decode(codec)
        except UnicodeDecodeError:
            continue
        if codec == "gb18030" and any(unicodedata.category(c) in ("Cn", "Co", "Cs") for c in set(decoded)):
            break
        return decoded, name, None
    line = 1 + content[: _first_bad(content)].count(b"\n")
    text = t("The file is neither UTF-8 nor GB18030.")
    return None, "unknown", Problem("wrong-encoding", text, t("Save it as UTF-8."), where, line)


def _first_bad(content: bytes) -> int:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _read_people(file: Path, result: Documents, seen: list[tuple[str, bytes]]) -> People | None:
    if not file.exists():
        return None
    name = f"{PEOPLE_FOLDER}/{file.name}"
    text = _read(file, name, result, seen)
    if text is None:
        return None
    people, problems = read_people(text, name)
    result.problems += problems
    return people


def read_people(text: str, where: str) -> tuple[People, list[Problem]]:
    """Rows of a people file. Empty cells are left out, `groups` is split at semicolons, blanks around are removed."""
    people = People(where, [], [])
    problems: list[Problem] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    trimmed: list[int] = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        problems += _header(header, where)
        if problems:
            return people, problems
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                fault = tn(
                    "The line has {count} cell instead of {wanted}.",
                    "The line has {count} cells instead of {wanted}.",
                    count=len(row),
                    wanted=len(header),
                )
                remedy = t("Put values with commas in double quotes.")
                problems.append(Problem("bad-row", fault, remedy, where, reader.line_num))
                continue
            cells = [cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell for cell in row]
            if any(cell != cell.strip() for cell in cells):
                trimmed.append(reader.line_num)
            people.rows.append(_person(dict(zip(header, (cell.strip() for cell in cells), strict=True))))
            people.lines.append(reader.line_num)
    except csv.Error as error:
        fault = t("This is no valid CSV: {reason}.", reason=error)
        problems.append(Problem("bad-csv", fault, t("Check the quotes in this line."), where, reader.line_num))
    if trimmed:
        fault = tn(
            "{count} line has blanks around values; they are left out.",
            "{count} lines have blanks around values; they are left out.",
            count=len(trimmed),
        )
        problems.append(Problem("trimmed", fault, None, where, trimmed[0], severity="warning"))
    return people, problems


def _header(header: list[str], where: str) -> list[Problem]:
    known = {*PEOPLE_COLUMNS, *SELDOM_COLUMNS}
    faults = [t("There is no column “{name}”.", name=name) for name in dict.fromkeys(header) if name not in known]
    faults += [t("The column “{name}” stands twice.", name=n) for n in dict.fromkeys(header) if header.count(n) > 1]
    if "uid" not in header:
        faults.append(t("The column “uid” is missing."))
    remedy = t("The first line names the columns: {columns}.", columns=",".join(PEOPLE_COLUMNS))
    return [Problem("bad-header", fault, remedy, where, 1) for fault in faults]


def _person(cells: Mapping[str, str]) -> dict[str, Any]:
    person: dict[str, Any] = {name: value for name, value in cells.items() if value}
    if "groups" in person:
        person["groups"] = [g.strip() for g in person["groups"].replace("；", ";").split(";") if g.strip()]
    return person


def write_yaml(content: Mapping[str, Any]) -> bytes:
    """A document as YAML, UTF-8: keys in the given order, innermost collections on one line, Chinese as it is."""
    text: bytes = yaml.dump(
        content,
        Dumper=_Dumper,
        allow_unicode=True,
        sort_keys=False,
        default_flow_style=None,
        width=120,
        encoding="utf-8",
    )
    return text


def write_people(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """People as CSV (RFC 4180 quoting, UTF-8, LF), in the order given; `groups` joined by semicolons."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = (*PEOPLE_COLUMNS, *(name for name in SELDOM_COLUMNS if any(row.get(name) for row in rows)))
    writer.writerow(columns)
    for row in rows:
        cells = [";".join(row.get(c) or ()) if c == "groups" else str(row.get(c) or "") for c in columns]
        writer.writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
    return out.getvalue().encode()


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
