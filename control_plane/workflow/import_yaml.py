"""Strict YAML with the line of every value. Reads one document of plain data: no aliases, no tags, no double keys.

Works on the parser's events and without recursion, so that neither depth nor references can exhaust memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from control_plane.model.errors import Problem
from control_plane.model.text import t

MAX_DEPTH = 20
MAX_VALUES = 50_000
Path = tuple[str | int, ...]
_STRING = "tag:yaml.org,2002:str"
_MAPPING = "tag:yaml.org,2002:map"
_SEQUENCE = "tag:yaml.org,2002:seq"


@dataclass(frozen=True)
class Tree:
    """Plain data and where it stands: `lines` maps a path such as ("names", "zh") to a line from 1."""

    where: str
    data: dict[str, Any]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a value; for one that is missing, the line of what it should be in."""
        for length in range(len(path), -1, -1):
            found = self.lines.get(path[:length])
            if found is not None:
                return found
        return 1


@dataclass
class _Level:
    value: Any
    path: Path
    key: str | None = None
    keys: dict[str, int] = field(default_factory=dict)
    skip: bool = False


class _Stop(Exception):
    pass


class _Builder(yaml.CSafeLoader):
    """Makes plain data of events. `problems` says what was refused."""

    def __init__(self, text: str, where: str) -> None:
        super().__init__(text)
        self.where = where
        self.problems: list[Problem] = []
        self.lines: dict[Path, int] = {}
        self.levels: list[_Level] = []
        self.root: Any = None
        self.documents = 0
        self.values = 0

    def build(self) -> Any:
        """Read to the end; returns the root."""
        while self.check_event():
            event: Any = self.get_event()
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    self._refuse(
                        "several-documents",
                        t("The file holds more than one document."),
                        t("Write one file for each tenant."),
                        line,
                    )
                    raise _Stop
            elif isinstance(event, yaml.AliasEvent):
                self._refuse(
                    "alias",
                    t("“*{name}” refers to a value elsewhere; this is not supported.", name=event.anchor),
                    t("Write the value out."),
                    line,
                )
                self._add(None, line)
            elif isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event, line), line, key_text=event.value)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._open(event, line)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self.levels.pop()
        return self.root

    def _open(self, event: Any, line: int) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _MAPPING if mapping else _SEQUENCE):
            self._refuse_tag(event.tag, line)
        if len(self.levels) >= MAX_DEPTH:
            self._refuse(
                "too-deep",
                t("Values lie more than {limit} levels deep.", limit=MAX_DEPTH),
                t("See docs/tenant-document.md for the form of a tenant file."),
                line,
            )
            raise _Stop
        value: Any = {} if mapping else []
        path = self._add(value, line, key_text=None)
        self.levels.append(_Level(value, path))

    def _add(self, value: Any, line: int, key_text: str | None = "") -> Path:
        self.values += 1
        if self.values > MAX_VALUES:
            self._refuse(
                "too-many-values",
                t("The file holds more than {limit} values.", limit=MAX_VALUES),
                t("Keep people in people/CODE.csv and split the rest."),
                line,
            )
            raise _Stop
        if not self.levels:
            self.root = value
            self.lines[()] = line
            return ()
        level = self.levels[-1]
        if isinstance(level.value, list):
            path = (*level.path, len(level.value))
            level.value.append(value)
            self.lines[path] = line
            return path
        if level.key is None:
            self._key(level, value, key_text, line)
            return level.path
        key, level.key = level.key, None
        path = (*level.path, key)
        if not level.skip:
            level.value[key] = value
            self.lines[path] = level.keys[key]
        level.skip = False
        return path

    def _key(self, level: _Level, value: Any, key_text: str | None, line: int) -> None:
        """A mapping's key: always text, so `no:` or `1:` are the keys “no” and “1”."""
        if key_text is None or isinstance(value, dict | list):
            self._refuse("bad-key", t("A name of a field must be plain text."), t("Use a field's name."), line)
            raise _Stop
        level.key = key_text
        if key_text in level.keys:
            level.skip = True
            self._refuse(
                "double-key",
                t("The field “{key}” stands twice, first in line {line}.", key=key_text, line=level.keys[key_text]),
                t("Keep one of them."),
                line,
                field_text((*level.path, key_text)),
            )
        else:
            level.keys[key_text] = line

    def _scalar(self, event: Any, line: int) -> Any:
        tag = event.tag
        if tag in (None, "!"):
            tag = self.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        if tag == _STRING:
            return event.value
        if tag == "tag:yaml.org,2002:merge":
            return event.value
        try:
            return self.construct_object(yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark), deep=True)
        except yaml.constructor.ConstructorError:
            self._refuse_tag(str(event.tag), line)
        except (ValueError, OverflowError):
            self._refuse(
                "bad-value",
                t("“{value}” looks like a number or date but is none.", value=event.value),
                t("Put it in quotes if it is text."),
                line,
            )
        return None

    def _refuse_tag(self, tag: str, line: int) -> None:
        self._refuse("tag", t("The tag “{tag}” is not supported.", tag=tag), t("Remove it."), line)

    def _refuse(self, code: str, text: Any, remedy: Any, line: int, field: str | None = None) -> None:
        self.problems.append(Problem(code, text, remedy, self.where, line, field))


def read_yaml(text: str, where: str) -> tuple[Tree | None, list[Problem]]:
    """The document in `text`, or None with the problems; with both, the tree lacks what was refused."""
    try:
        builder = _Builder(text, where)
    except yaml.YAMLError as error:
        return None, [_syntax(error, text, where)]
    try:
        root = builder.build()
    except _Stop:
        root = None
    except yaml.YAMLError as error:
        return None, [*builder.problems, _syntax(error, text, where)]
    problems = builder.problems
    if not isinstance(root, dict):
        if not problems:
            problems = [
                Problem(
                    "no-mapping",
                    t("The file holds no fields.") if root is None else t("The file is no list of fields with values."),
                    t("Begin with a line such as “code: fgw”; see docs/tenant-document.md."),
                    where,
                    1,
                )
            ]
        return None, problems
    return Tree(where, root, builder.lines), problems


def _syntax(error: Any, text: str, where: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        position = getattr(error, "position", None)
        line = text.encode()[:position].count(b"\n") + 1 if isinstance(position, int) else 1
        return Problem(
            "bad-character",
            t("The file holds a character that is not allowed in text."),
            t("Save it as plain text in UTF-8."),
            where,
            line,
        )
    line = mark.line + 1
    lines = text.splitlines()
    shown = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip()) + 1] or "cannot start any token" in str(error.problem):
        return Problem(
            "tab",
            t("The line begins with a tab or another character that cannot stand there."),
            t("Indent with blanks; put text with special characters in quotes."),
            where,
            line,
        )
    return Problem(
        "bad-yaml",
        t("This is no valid YAML: {reason}.", reason=error.problem or error.context),
        t("Look at this line and the one before: quotes, brackets, colons and indentation."),
        where,
        line,
    )


def field_text(path: Path) -> str:
    """`subscriptions[1].spec.sites[0].names.main`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out
