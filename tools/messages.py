"""The Chinese catalogue: collect every sentence of the product, and check that each is translated.

    tools/messages.py extract   bring gasp.po up to date with the sources and compile gasp.mo
    tools/messages.py check     say what is missing, fuzzy, unused, stale or has other placeholders; exit 1 then

English sentences in the sources are the message ids, marked by `t("…")`, or by `tn("…", "…")` where they count; the
first lines of operations' docstrings, which the page of the interface shows, are sentences too. Must not translate
anything itself.
"""

from __future__ import annotations

import ast
import io
import re
import string
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("control_plane", "lab", "nightly")
PO = ROOT / "control_plane/locale/zh_CN/LC_MESSAGES/gasp.po"
MO = PO.with_suffix(".mo")
#: Half-width punctuation that ends or divides a Chinese clause; `host:名称` is a scope, not a clause.
HALF_WIDTH = re.compile(r"(?<=[\u4e00-\u9fff”）])[,:;?!]|[,;](?=[\u4e00-\u9fff])|(?<=\}):(?=[\u4e00-\u9fff{“])")
#: Functions that mark sentences, and how many each takes.
WORDS = {"t": 1, "tn": 2}
#: Click's own sentences that a reader of `gasp` can meet; the others are about faults of ours or other systems.
CLICK = frozenset(
    {
        "Aborted!",
        "Did you mean {possibility}?",
        "Error: invalid input",
        "Got unexpected extra argument ({args})",
        "Invalid value for {param_hint}: {message}",
        "Invalid value: {message}",
        "Missing argument",
        "Missing command.",
        "Missing option",
        "Missing parameter",
        "Missing parameter: {param_name}",
        "Missing {param_type}",
        "No such command {name!r}.",
        "No such option {name!r}.",
        "Option {name!r} does not take a value.",
        "Option {name!r} requires an argument.",
        "default: {default}",
        "directory",
        "env var: {var}",
        "file",
        "path",
        "required",
        "{name} {filename!r} does not exist.",
        "{name} {filename!r} is a directory.",
        "{name} {filename!r} is a file.",
        "{name} {filename!r} is not readable.",
        "{value!r} is not a valid {number_type}.",
        "{value!r} is not {choice}.",
        "{value} is not in the range {range}.",
    }
)


def template() -> Catalog:
    """Every sentence of the sources, with the files it stands in."""
    stamp = datetime(2026, 11, 24, tzinfo=UTC)
    catalog = Catalog(
        locale="zh_CN",
        domain="gasp",
        project="gasp",
        copyright_holder="the GASP authors",
        msgid_bugs_address="see CONTRIBUTING.md",
        last_translator="the GASP authors",
        language_team="zh_CN",
        creation_date=stamp,
        revision_date=stamp,
        fuzzy=False,
    )
    catalog.header_comment = "# Chinese sentences of GASP. Words: docs/glossary.md. Made by tools/messages.py extract."
    for path, call in calls():
        if written := sentences(call):
            catalog.add(written if len(written) > 1 else written[0], locations=[(path, 0)])
    for path, summary in summaries():
        catalog.add(summary, locations=[(path, 0)])
    for _, _, message, _, _ in extract_from_dir(
        Path(click.__file__).parent, [("**.py", "python")], keywords={"_": None, "ngettext": (1, 2)}
    ):
        if (message if isinstance(message, str) else message[0]) in CLICK:
            catalog.add(message, locations=[("click", 0)])
    return catalog


def committed() -> Catalog:
    """The catalogue as it lies on disk."""
    return read_po(io.BytesIO(PO.read_bytes()), locale="zh_CN", domain="gasp")


def merged() -> Catalog:
    """The template with the translations we have."""
    catalog, known = template(), committed() if PO.exists() else Catalog(locale="zh_CN")
    for message in catalog:
        old = known.get(message.id)
        if message.id and old is not None and old.string:
            message.string = old.string
            message.flags = set(old.flags) - {"python-format"}
        if isinstance(message.id, tuple) and not all(message.string):  # it had no singular of its own before
            before = known.get(message.id[1])
            message.string = (before.string,) if before is not None and isinstance(before.string, str) else ("",)
        message.flags.discard("python-format")
    return catalog


def render(catalog: Catalog) -> tuple[bytes, bytes]:
    """The `.po` and the `.mo` of a catalogue."""
    po, mo = io.BytesIO(), io.BytesIO()
    write_po(po, catalog, width=110, sort_output=True, include_lineno=False, ignore_obsolete=True)
    write_mo(mo, catalog)
    return po.getvalue(), mo.getvalue()


def placeholders(text: str) -> set[str]:
    """Names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def sentences(call: ast.Call) -> tuple[str, ...]:
    """The sentence of a call of `t`, or both of one of `tn`; none when they are not written out."""
    wanted = WORDS[call.func.id] if isinstance(call.func, ast.Name) else 0
    found = tuple(a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
    return found if len(found) == len(call.args) == wanted else ()


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of `t` and `tn`, with its file. Babel's own extractor does not look into f-strings."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WORDS:
                    yield str(path.relative_to(ROOT)), node
        for path in sorted((ROOT / room).rglob("*.html")):
            for call in template_calls(path.read_text("utf-8")):
                yield str(path.relative_to(ROOT)), call


def summaries() -> Iterator[tuple[str, str]]:
    """What each operation of the API is for, with its file."""
    for path in sorted((ROOT / "control_plane/api").glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            marks = node.decorator_list if isinstance(node, ast.FunctionDef) else []
            names = [m.func.id for m in marks if isinstance(m, ast.Call) and isinstance(m.func, ast.Name)]
            if isinstance(node, ast.FunctionDef) and "operation" in names:
                yield str(path.relative_to(ROOT)), (ast.get_docstring(node) or "").split("\n")[0]


def template_calls(text: str) -> Iterator[ast.Call]:
    """The same calls in a page's template."""
    for node in Environment().parse(text).find_all(nodes.Call):
        if isinstance(node.node, nodes.Name) and node.node.name in WORDS:
            first = [ast.Constant(a.value) if isinstance(a, nodes.Const) else ast.Name("?") for a in node.args]
            named = [ast.keyword(k.key, ast.Constant(None)) for k in node.kwargs]
            yield ast.Call(ast.Name(node.node.name), first, named, lineno=node.lineno)


def call_faults() -> Iterator[str]:
    """Calls of `t` and `tn` whose sentence is not written out (so never found) or does not fit what is given."""
    for path, call in calls():
        if fault := call_fault(call):
            yield f"{path}:{call.lineno}: {fault}"


def call_fault(call: ast.Call) -> str | None:
    """What is wrong with one call of `t` or `tn`, if anything."""
    written = sentences(call)
    if not written:
        return "t() wants a sentence that is written out, tn() two"
    given = {keyword.arg for keyword in call.keywords}
    if not given:  # such a sentence is shown as it is, braces and all
        return "two braces where one is meant" if "{{" in written[0] else None
    wanted = set().union(*map(placeholders, written))
    if len(written) > 1:  # the number that decides need not be said
        wanted.add("count")
    if None in given:  # **parameters
        return None if given - {None} <= wanted else f"parameters that the sentence lacks: {given - wanted}"
    return None if given == wanted else f"parameters {sorted(map(str, given))} for {sorted(wanted)}"


def faults() -> list[str]:
    """Everything that is wrong with the catalogue, one line each."""
    if not PO.exists():
        return [f"{PO.relative_to(ROOT)}: missing"]
    wanted, have = template(), committed()
    found = list(call_faults())
    seen_in_click = {m.id if isinstance(m.id, str) else m.id[0] for m in wanted if ("click", 0) in m.locations}
    found += [f"Click no longer says {text!r}" for text in sorted(CLICK - seen_in_click)]
    for message in wanted:
        if not message.id:
            continue
        entry = have.get(message.id)
        if entry is None or not entry.string or (isinstance(entry.string, tuple) and not all(entry.string)):
            found.append(f"not translated: {message.id!r} ({', '.join(sorted({p for p, _ in message.locations}))})")
            continue
        if entry.fuzzy:
            found.append(f"fuzzy: {message.id!r}")
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        for text in strings:
            if placeholders(text) != placeholders(ids[-1]):
                found.append(f"other placeholders: {message.id!r} / {text!r}")
            if "租户" in text:
                found.append(f"租户 is not our word: {text!r}")
            if HALF_WIDTH.search(text):
                found.append(f"half-width punctuation: {text!r}")
    known = {m.id if isinstance(m.id, str) else m.id[0] for m in wanted}
    extra = [m for m in [*have, *have.obsolete.values()] if m.id]
    found += [f"unused: {m.id!r}" for m in extra if (m.id if isinstance(m.id, str) else m.id[0]) not in known]
    if not found and (not MO.exists() or MO.read_bytes() != render(have)[1]):
        found.append(f"{MO.relative_to(ROOT)} is stale: tools/messages.py extract")
    return found


def main(arguments: list[str]) -> int:
    """`extract` or `check`."""
    match arguments:
        case ["extract"]:
            PO.parent.mkdir(parents=True, exist_ok=True)
            po, mo = render(merged())
            PO.write_bytes(po)
            MO.write_bytes(mo)
            missing = [fault for fault in faults() if fault.startswith("not translated")]
            print(f"{len(template())} sentences, {len(missing)} not translated")
            return 0
        case ["check"]:
            found = faults()
            print("\n".join(found) or "The catalogue is complete.")
            return 1 if found else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
