"""The way to machines: one command each, several at a time, and sentences for what the agents there say.

The agents are sent along with each request and leave nothing on the machine. Must not decide what an answer means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import orjson

from control_plane.drivers.agents import ARGV, pieces
from control_plane.drivers.ssh import Runner
from control_plane.model.errors import CouldNotMeasureError, TemporaryError
from control_plane.model.text import Text, t

PARALLEL = 24
"""Machines at a time: enough to hide waiting, few enough for two cores."""
FILES = ("host_state", "machine_files")
MEASURE = (*FILES, "machine_measure")
ACTS = (*MEASURE, "machine_acts")
Answer = dict[str, Any]
Item = TypeVar("Item")
Result = TypeVar("Result")

WORDS: Mapping[str, Text] = {
    "manifest-garbled": t("The list of what we manage on {host} cannot be read ({path}: {detail})."),
    "moved": t("It changed since the plan was made. Plan again."),
    "foreign": t("{path} on {host} is not ours. Move it away, and plan again."),
    "busy": t("Another change is at work on {host}; try again when it has ended."),
    "service-refused": t("The service manager of {host} refused “{path}”: {detail}"),
    "engine-silent": t("The antivirus engine of {host} did not start with the new settings: {detail}"),
    "no-baseline": t("Nothing of the centre is on {host} yet. Plan and apply its tenant first."),
    "no-signatures": t("{host} could not fetch signatures from {path}: {detail}"),
    "bad-set": t(
        "The set of signatures at {path} is not whole or not the centre's, so {host} did not take it: {detail}"
    ),
    "no-set": t("The engine of {host} has no signatures of the centre, so it cannot scan."),
    "engine-dead": t("The antivirus engine of {host} does not answer: {detail}"),
    "exchanged": t("The machine that answers as {host} is not the one that was enrolled; it was not scanned."),
    "no-path": t("{path} is no folder and no plain file on {host}; nothing was scanned."),
    "not-loaded": t("The engine of {host} did not load the set {path}."),
    "no-space": t("The disk of {host} is full."),
    "os-error": t("{host} could not write or read {path}: {detail}"),
    "internal": t("The agent on {host} failed: {detail}"),
}


def sentence(answer: Mapping[str, Any], host: str) -> Text:
    """The sentence for an agent's error."""
    word = WORDS.get(answer.get("code", ""), WORDS["internal"])
    detail = str(answer.get("detail") or answer.get("code") or "?").rstrip(".")
    return Text(word.msgid, {"host": host, "path": str(answer.get("path", "")), "detail": detail})


class Link:
    """Asks machines. `options` of a host go to the agents there (tests: another root)."""

    def __init__(self, runner: Runner, options: Callable[[str], Mapping[str, Any]] = lambda _: {}) -> None:
        self._runner, self._options = runner, options

    def _request(self, host: str, agent: tuple[str, ...], request: Mapping[str, Any]) -> list[bytes]:
        return pieces(agent, {**request, "options": self._options(host)})

    def ask(self, host: str, agent: tuple[str, ...], request: Mapping[str, Any], seconds: float) -> Answer:
        """The one answer; an agent's complaint is `{is: error}`. Raises CouldNotMeasureError without an answer."""
        try:
            done = self._runner.run(host, ARGV, b"".join(self._request(host, agent, request)), seconds)
        except TemporaryError as error:
            raise CouldNotMeasureError(error.text, error.hint) from error
        lines = done.stdout.splitlines()
        try:
            answer: Answer = orjson.loads(lines[-1])
        except (IndexError, orjson.JSONDecodeError):
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise CouldNotMeasureError(
                t("Host {host} gave no answer: {reason}", host=host, reason=words[-1] if words else done.rc)
            ) from None
        return answer

    def stream(self, host: str, agent: tuple[str, ...], request: Mapping[str, Any], seconds: float) -> Iterator[Answer]:
        """Answers as they come. Raises CouldNotMeasureError when the machine is lost."""
        try:
            for line in self._runner.lines(host, ARGV, self._request(host, agent, request), seconds):
                yield orjson.loads(line)
        except TemporaryError as error:
            raise CouldNotMeasureError(error.text, error.hint) from error
        except orjson.JSONDecodeError:
            raise CouldNotMeasureError(t("Host {host} gave half an answer.", host=host)) from None


def side_by_side(
    items: Sequence[Item], work: Callable[[Item], Result], before: Callable[[Item], bool] = lambda _: True
) -> Iterator[tuple[Item, Result | None]]:
    """Results as they come, at most `PARALLEL` at a time. `before` is asked in this thread right before each begins:
    False begins no more, and those not begun yield None. What it raises is raised when those begun have ended."""
    left = list(items)
    running: dict[Future[Result], Item] = {}
    stopped, error = False, None
    with ThreadPoolExecutor(max(1, min(PARALLEL, len(left))), thread_name_prefix="machine") as pool:
        while running or (left and not stopped):
            while left and not stopped and len(running) < PARALLEL:
                try:
                    stopped = not before(left[0])
                except Exception as raised:
                    stopped, error = True, raised
                if not stopped:
                    item = left.pop(0)
                    running[pool.submit(work, item)] = item
            if running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
    if error is not None:
        raise error
    for item in left:
        yield item, None
