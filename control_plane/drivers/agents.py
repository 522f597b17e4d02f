"""Agents: programs of ours that are sent to a host with each request and leave nothing of themselves there.

One way to send them, one way to hear a look and the outcomes of a write. Must not know what any of them does.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import orjson

from control_plane.drivers.ssh import Runner
from control_plane.model.errors import TemporaryError
from control_plane.model.ports import Notice, Outcome
from control_plane.model.resource import CouldNotMeasure
from control_plane.model.text import Text, t

LOADER = (
    "import sys,types,zlib,json;i=sys.stdin.buffer;p=json.loads(zlib.decompress(i.read(int(i.readline()))))\n"
    "for n,s in p:m=sys.modules[n]=types.ModuleType(n);exec(compile(s,n,'exec'),m.__dict__)\n"
    "m.serve(i)"
)
ARGV = ("python3", "-I", "-S", "-c", LOADER)
STATES = frozenset({"applied", "already", "refused", "failed", "unknown"})
Sentence = Callable[[Mapping[str, Any], str], Text]
"""The sentence for an agent's answer with `code`, `path` and `detail`, and the host's name."""


@cache
def bundle(names: tuple[str, ...]) -> bytes:
    """The source of these modules as the loader reads it, in the order of their imports; the last one serves."""
    package = resources.files("control_plane.drivers")
    modules = [(f"control_plane.drivers.{name}", package.joinpath(f"{name}.py").read_text("utf-8")) for name in names]
    packed = zlib.compress(orjson.dumps(modules), 6)
    return b"%d\n%s" % (len(packed), packed)


def pieces(names: tuple[str, ...], request: Mapping[str, Any]) -> list[bytes]:
    """What goes to the standard input of `ARGV`: the agent itself, and the request."""
    header = orjson.dumps(request)
    return [bundle(names), b"%d\n" % len(header), header]


def ask_look(
    runner: Runner, part: str, now: datetime, sent: Iterable[bytes], seconds: float, sentence: Sentence
) -> Mapping[str, Any] | CouldNotMeasure:
    """The agent's one complete look at the host of `part` (`resources`, `foreign`), or why there is none."""
    host = part.partition(":")[2]
    try:
        done = runner.run(host, ARGV, b"".join(sent), seconds)
        rows = [orjson.loads(line) for line in done.stdout.splitlines()]
    except TemporaryError as error:
        return CouldNotMeasure(part, now, error.text)
    except orjson.JSONDecodeError:
        return CouldNotMeasure(part, now, t("Host {host} gave half an answer.", host=host))
    for row in rows:
        if row["is"] == "error":
            return CouldNotMeasure(part, now, sentence(row, host))
    if [row["is"] for row in rows] != ["look", "end"]:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return CouldNotMeasure(
            part, now, t("Host {host} gave no answer: {reason}", host=host, reason=words[-1] if words else done.rc)
        )
    look: Mapping[str, Any] = rows[0]
    return look


def attributes_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of one thing that was seen, with what a look adds when it is not as we left it."""
    return {**row["attributes"], **{extra: row[extra] for extra in ("hand_made", "unfinished") if row.get(extra)}}


def ask_outcomes(
    runner: Runner,
    host: str,
    sent: Iterable[bytes],
    ids: Iterable[str],
    stages: Sequence[str],
    seconds: float,
    sentence: Sentence,
) -> Iterator[Outcome | Notice]:
    """Let the agent write, and hear it: exactly one outcome for each of `ids`, `unknown` for those it did not tell."""
    open_ids = dict.fromkeys(ids)
    lost = t("Host {host} gave no answer; only a new look can tell.", host=host)
    try:
        for line in runner.lines(host, ARGV, sent, seconds):
            answer = orjson.loads(line)
            if answer["is"] == "outcome" and answer["id"] in open_ids:
                del open_ids[answer["id"]]
                yield _outcome(answer, host, sentence)
            elif answer["is"] in stages:
                yield Notice(answer.pop("is"), {"host": host, **answer})
            elif answer["is"] == "error":
                lost = sentence(answer, host)
    except TemporaryError as error:
        lost = error.text
    except orjson.JSONDecodeError:
        lost = t("Host {host} gave half an answer.", host=host)
    for id_ in open_ids:
        yield Outcome(id_, "unknown", lost)


def _outcome(answer: Mapping[str, Any], host: str, sentence: Sentence) -> Outcome:
    text = sentence(answer, host) if answer.get("code") else None
    assert answer["state"] in STATES
    return Outcome(answer["id"], answer["state"], text, answer.get("path") or None, answer.get("line") or None)
