"""Writes docs/json.md from the forms of answers and docs/cli.md from the commands, and checks that both are true.

    tools/reference.py write | check

Must not be edited around: change the forms or the commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from control_plane.cli.base import Group
from control_plane.cli.main import gasp
from control_plane.model.text import in_language

ROOT = Path(__file__).resolve().parent.parent
FORMS = ROOT / "control_plane/api/json-forms.yaml"
JSON_PAGE, CLI_PAGE = ROOT / "docs/json.md", ROOT / "docs/cli.md"

JSON_HEAD = """\
# JSON forms

<!-- Made by tools/reference.py from control_plane/api/json-forms.yaml; do not edit. -->

What `gasp … -o json` prints (version {version}); `-o yaml` prints the same. The forms are stable: they may gain fields,
none is taken away or changes its meaning without a note in the change log and a new version. The schemas are in
[json-forms.yaml](../control_plane/api/json-forms.yaml) (JSON Schema 2020-12); the tests hold every answer against them.

- Lists are `{{"items": […], "total": 113, "next": null}}`: `total` counts what fits `--filter` before `--limit`; `next`
  is for the REST interface and is null here.
- Data goes to standard output. Errors are one JSON object on standard error; standard output stays empty then.
- `--fields a,b.c` keeps these fields only, by their dotted paths. Times are RFC 3339 with offset.
- Characters that steer a terminal are written as `\\u001b` and read back as they were.
- A `?` marks a field that may be missing.
"""
CLI_HEAD = """\
# Commands

<!-- Made by tools/reference.py from the commands themselves; do not edit. -->

The same pages as `gasp … --help`, in Chinese with `GASP_LANG=zh_CN`. Exit codes: 0 done or nothing to do · 1 failed,
wholly or partly · 2 usage · 3 the plan has changes (only with `plan --exit-code`) · 4 refused (invalid, not allowed, no
consent) · 5 unsafe plan, needs an explicit yes · 6 temporary, try again · 7 stale, the world moved · 130 interrupted.

Data goes to standard output; progress, questions and notes to standard error. Without a terminal and without `--yes`
(or `--confirm=WORD` where data is destroyed) nothing is changed and the exit code is 4. The first Ctrl-C asks a run to
stop at the next boundary, the second one ends the process at once. Environment: `GASP_LANG`, `GASP_OUTPUT`, `NO_COLOR`,
`TERM=dumb`, `TZ` (times are shown in Asia/Shanghai otherwise), and the settings that `gasp config` lists.
"""


def json_page() -> str:
    """docs/json.md."""
    document = yaml.safe_load(FORMS.read_text("utf-8"))
    lines = [JSON_HEAD.format(version=document["version"])]
    for name, form in document["forms"].items():
        verbs = ", ".join(f"`gasp {verb}`" if not verb.startswith("every") else verb for verb in form["verbs"])
        kind = " One of `items`:" if form.get("list") else ""
        lines += [f"## {name}", "", f"{verbs}. {form['about']}{kind}", ""]
        lines += ["| field | type | what it is |", "|---|---|---|"]
        lines += [f"| {field} | {kind} | {about} |" for field, kind, about in rows(form["schema"], document)]
        lines.append("")
    return "\n".join(lines)


def rows(schema: dict[str, Any], document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Fields of a form, depth first; `?` marks those that may be missing."""
    for part in schema.get("allOf", ()):
        yield from rows(resolve(part, document), document, prefix)
    schema = resolve(schema, document)
    for name, raw in schema.get("properties", {}).items():
        field = resolve(raw, document)
        mark = "" if name in schema.get("required", ()) else "?"
        inner = resolve(field["items"], document) if "items" in field else field
        kind = typed(field, document)
        about = str(raw.get("description") or field.get("description") or "")
        values = inner.get("enum")
        said = "; ".join(x for x in (about, ", ".join(f"`{v}`" for v in values) if values else "") if x)
        yield f"`{prefix}{name}`{mark}", kind, said
        deeper = f"{prefix}{name}[]." if "items" in field else f"{prefix}{name}."
        if prefix.count(".") < 2:
            for option in inner.get("anyOf", [inner]):
                yield from rows(resolve(option, document), document, deeper)


def resolve(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Follow `$ref` into `$defs`."""
    while "$ref" in schema:
        schema = document["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def typed(field: dict[str, Any], document: dict[str, Any]) -> str:
    """The type in words."""
    field = resolve(field, document)
    if "anyOf" in field:
        return " or ".join(typed(option, document) for option in field["anyOf"])
    if "items" in field:
        return f"list of {typed(field['items'], document)}"
    kind = field.get("type", "string" if "enum" in field else "object" if "allOf" in field else "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def cli_page() -> str:
    """docs/cli.md."""
    os.environ["COLUMNS"] = "110"
    lines = [CLI_HEAD]
    with in_language("en"):
        for command, ctx in walk(gasp, click.Context(gasp, info_name="gasp")):
            level = "##" if ctx.command_path.count(" ") < 2 else "###"
            lines += [f"{level} {ctx.command_path}", "", "```", command.get_help(ctx), "```", ""]
    return "\n".join(lines)


def walk(command: click.Command, ctx: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and everything below it."""
    yield command, ctx
    if isinstance(command, Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None:
                yield from walk(below, click.Context(below, info_name=name, parent=ctx))


def main(arguments: list[str]) -> int:
    """`write` or `check`."""
    pages = {JSON_PAGE: json_page(), CLI_PAGE: cli_page()}
    if arguments == ["write"]:
        for path, text in pages.items():
            path.write_text(text, "utf-8")
        return 0
    if arguments == ["check"]:
        stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: tools/reference.py write")
        return 1 if stale else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
