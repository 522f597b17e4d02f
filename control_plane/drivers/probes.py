"""Measures promises from where they are made to: one command a vantage host, several hosts at a time.

A vantage point that cannot be reached, or an agent that breaks, makes its probes `unmeasured`, never failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Protocol

from control_plane.model.errors import TemporaryError
from control_plane.model.ports import Probe, ProbeResult
from control_plane.model.text import Text, t

PARALLEL_HOSTS = 8
#: A host with very many probes is given more time, up to this many seconds.
BASE_SECONDS, SECONDS_A_PROBE, MOST_SECONDS = 60.0, 0.5, 600.0
ARGV = ("python3", "-I", "-")


class Finished(Protocol):
    """How a remote command ended."""

    @property
    def rc(self) -> int:
        """Exit status."""

    @property
    def stdout(self) -> bytes:
        """What it printed."""

    @property
    def stderr(self) -> bytes:
        """What it complained of."""


class Runner(Protocol):
    """Runs a command on a host; raises TemporaryError when it cannot be reached."""

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Finished:
        """Run to the end."""


class SshProber:
    """See `ports.Prober`. `options` are passed to the agent (tests: other ports and authorities)."""

    def __init__(
        self,
        runner: Runner,
        clock: Callable[[], datetime],
        *,
        argv: Sequence[str] = ARGV,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._runner, self._clock, self._argv = runner, clock, tuple(argv)
        self._options = dict(options or {})

    def run(self, probes: Sequence[Probe]) -> list[ProbeResult]:
        """Measure all, grouped by vantage host; results in the order of `probes`."""
        by_host: dict[str, list[Probe]] = {}
        for probe in probes:
            by_host.setdefault(probe.vantage, []).append(probe)
        if not by_host:
            return []
        with ThreadPoolExecutor(min(PARALLEL_HOSTS, len(by_host))) as pool:
            results = {
                result.probe.id: result
                for found in pool.map(lambda item: self._host(*item), sorted(by_host.items()))
                for result in found
            }
        return [results[probe.id] for probe in probes]

    def _host(self, host: str, probes: Sequence[Probe]) -> list[ProbeResult]:
        request = json.dumps(
            {
                "probes": [{"id": p.id, "kind": p.kind, "spec": dict(p.spec)} for p in probes],
                "options": self._options,
            }
        )
        script = f"{_agent()}\n\nsys.exit(main({request!r}))\n"
        timeout = min(MOST_SECONDS, BASE_SECONDS + SECONDS_A_PROBE * len(probes))
        try:
            done = self._runner.run(host, self._argv, script.encode(), timeout)
            if done.rc != 0:
                raise ValueError(done.stderr.decode("utf-8", "replace").strip()[-200:] or f"exit status {done.rc}")
            answer: dict[str, Any] = json.loads(done.stdout)
        except TemporaryError as error:
            return self._unmeasured(probes, error.text)
        except (OSError, ValueError) as error:
            return self._unmeasured(
                probes, t("The measurement on {host} broke: {reason}.", host=host, reason=str(error).rstrip("."))
            )
        return [self._result(probe, answer.get(probe.id)) for probe in probes]

    def _result(self, probe: Probe, row: Any) -> ProbeResult:
        match row:
            case [("passed" | "warning" | "failed" | "unmeasured") as state, seconds, str(code), dict(words)]:
                took = None if seconds is None else round(seconds, 3)
                return ProbeResult(probe, state, self._clock(), took, sentence(code, words))
        return self._unmeasured([probe], t("The vantage point gave no answer."))[0]

    def _unmeasured(self, probes: Sequence[Probe], text: Text) -> list[ProbeResult]:
        now = self._clock()
        return [ProbeResult(probe, "unmeasured", now, None, text) for probe in probes]


@cache
def _agent() -> str:
    return resources.files("control_plane.drivers").joinpath("probe_agent.py").read_text("utf-8")


_SENTENCES: Mapping[str, Text] = {
    "page": t("Status {status} from {address}."),
    "no-page": t("No page: {reason}."),
    "wrong-status": t("Status {status} instead of {wanted}."),
    "wrong-target": t("It leads to {target} instead of {wanted}."),
    "slow": t("It took {seconds} s."),
    "open": t("It answered with status {status} from {address}."),
    "closed": t("Closed, as it should be."),
    "refused": t("Refused and explained, as it should be."),
    "not-refused": t("Status {status} instead of a refusal by the proxy."),
    "stopped": t("The gateway lets nothing through, as it should be."),
    "reached": t("{address} can be reached."),
    "names": t("{count} answers are right at every name server."),
    "no-name-server": t("The name server {server} does not answer."),
    "name-known": t("The name server {server} says {status} for {name}, which should be unknown."),
    "wrong-answer": t("The name server {server} answers {found} for {name} {type} instead of {wanted}."),
    "bad-tls": t("The TLS connection was refused: {reason}."),
    "no-connection": t("No connection: {reason}."),
    "no-directory": t("What answers there is no directory."),
    "directory": t("The directory answers."),
    "no-echo": t("{address} does not answer."),
    "echo": t("Every address answers."),
    "engine": t("The engine answers."),
    "no-engine": t("The engine does not answer: {reason}."),
    "no-tool": t("The vantage point has no {tool}."),
    "no-answer-of-tool": t("{tool} gave no result."),
    "unknown-kind": t("This version cannot measure “{kind}”."),
}


def sentence(code: str, words: Mapping[str, str]) -> Text:
    """The agent's finding as a sentence; a code from an agent of another version is shown as it is."""
    known = _SENTENCES.get(code)
    return Text(known.msgid, dict(words)) if known else t("{code}", code=code)
