"""Documents say what is there: links, paths, make targets, commands and options exist; lock files name no host.

Reads every Markdown file that people are meant to read; what is generated has a test of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from control_plane.cli.base import Group
from control_plane.cli.main import gasp
from control_plane.model.text import in_language

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("playbooks/*.md"), *ROOT.glob("control_plane/**/*.md")]
)
WRITTEN = [path for path in DOCUMENTS if path != ROOT / "docs/cli.md"]
ROOMS = ("control_plane", "lab", "playbooks", "tenants", "tests", "tools", "docs", "bench")
LOCKS = ("requirements.lock", "requirements-dev.lock")
#: Put together here, so that this file is not its own finding.
FORBIDDEN = ("/" + "work/", "/" + "tmp/gasp", "../" + "shared")

_BLOCK = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_COMMAND = re.compile(r"^(?:\.venv/bin/)?gasp ")
_PATH = re.compile(rf"^(?:{'|'.join(ROOMS)})/[\w./-]*$")
#: Words that stand for others, such as `gasp … -o json`.
_STANDS_FOR = re.compile(r"^(?:…|\.\.\.|[A-Z{<].*)$")


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """The text without blocks of code."""
    return _BLOCK.sub("", path.read_text("utf-8"))


def code(path: Path) -> Iterator[str]:
    """Every line of code, in blocks (comments taken off) and in the text."""
    text = path.read_text("utf-8")
    for block in _BLOCK.findall(text):
        yield from (re.sub(r"\s+# .*$", "", line).strip() for line in block.splitlines())
    yield from (line.strip() for line in text.splitlines() if line.startswith("    "))
    yield from (span.strip() for span in _SPAN.findall(prose(path)))


@cache
def anchors(path: Path) -> frozenset[str]:
    """Names of headings as GitHub makes them."""
    heads = _HEADING.findall(prose(path))
    return frozenset(re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads)


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for target in _LINK.findall(prose(document)):
        if re.match(r"^[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        found = (document.parent / place).resolve() if place else document
        page = found / "README.md" if found.is_dir() and anchor else found
        if not found.exists() or not found.is_relative_to(ROOT) or (anchor and anchor not in anchors(page)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_paths_of_the_repository_exist(document: Path) -> None:
    named = {span for span in _SPAN.findall(prose(document)) if _PATH.match(span)}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("document", WRITTEN, ids=by_name)
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {word for line in code(document) for word in re.findall(r"(?:^|&& )make ([a-z][a-z-]*)", line)}
    assert named - targets == set()


@pytest.mark.parametrize("document", WRITTEN, ids=by_name)
def test_commands_exist_with_their_options(document: Path) -> None:
    with in_language("en"):
        lines = (part.strip() for line in code(document) for part in re.split(r" (?:\||&&) ", line))
        faults = [f"{line}: {fault}" for line in lines if _COMMAND.match(line) for fault in command_faults(line)]
    assert faults == []


def command_faults(line: str) -> Iterator[str]:
    """What is wrong with a command line: a verb or an option that does not exist."""
    try:
        words = shlex.split(line.split(" -- ")[0])[1:]
    except ValueError as error:
        yield str(error)
        return
    command: click.Command = gasp
    context = click.Context(gasp, info_name="gasp")
    while isinstance(command, Group):
        if not words or words[0].startswith("-"):
            break
        if _STANDS_FOR.match(words[0]):
            return
        verb = words.pop(0)
        found = command.get_command(context, verb)
        if found is None:
            yield f"no {verb}"
            return
        command, context = found, click.Context(found, info_name=verb, parent=context)
    known = {name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {name for parameter in gasp.get_params(context) for name in parameter.opts}
    for word in words:
        if word.startswith("-") and word.split("=")[0] not in known:
            yield f"no {word}"


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs/adr"
    pages = {path.name for path in folder.glob("[0-9]*.md")}
    listed = set(_LINK.findall((folder / "README.md").read_text("utf-8")))
    assert pages == listed


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_have_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    pinned = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert pinned
    assert [line for line in pinned if "==" not in line] == []
    assert text.count("--hash=sha256:") >= len(pinned)


def test_nothing_names_a_place_outside_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    # CI runs beside the checkout and looks for a tool there; a clone without git has nothing to list.
    files = [ROOT / name for name in names if not name.startswith(".ci/") and (ROOT / name).is_file()]
    found = []
    for path in files:
        text = path.read_bytes().decode("utf-8", "ignore")
        found += [
            f"{by_name(path)}: {place}" for place in FORBIDDEN if re.search(rf"(?<![\w.~-]){re.escape(place)}", text)
        ]
    assert found == []
