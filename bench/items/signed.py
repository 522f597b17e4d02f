"""From the last signature to the answer on the wire, by the worker as it runs in a centre; tenants as in W, but 100.

Each request asks for one more name of a department's internal website; it is live when every promise of the site was
measured. The name is asked of the primary name server, where it is published last.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dns.message
import dns.query
import dns.rdatatype

from bench import estates
from bench.centre import ROOT, Centre
from bench.measure import Failed, Timing
from bench.results import Figure, Result
from bench.visitors import percentile
from bench.web import family, memory_mb

OTHERS, TENANTS = 20, 100
PROCESSES = ("web", "worker")


def measure(centre: Centre, rounds: int = 7, busy_rounds: int = 3) -> Result:
    """Alone, with 20 others signed just before, and one of every tenant in a row; then the memory of what runs."""
    if not centre.has("signed"):
        centre.prepare("signed", estates.write_workload(centre.estates / "signed", TENANTS))
    centre.load("signed")
    centre.wipe()
    centre.gasp("apply", "estate", "--yes")
    centre.start()
    result = Result("signed", "From the last signature to the answer on the wire")
    codes = estates.codes(TENANTS)
    try:
        with office(centre) as ask:
            ask("hire", codes)
            alone = [_answered(centre, ask, [codes[number]], f"alone{number}")[0] for number in range(rounds)]
            result.row("signed → answer on the wire", [Timing(seconds, 0.0) for seconds in alone])
            busy: list[float] = []
            for number in range(busy_rounds):
                busy += _answered(centre, ask, codes[: OTHERS + 1], f"busy{number}")
            result.row(f"the same, {OTHERS} others in flight", [Timing(seconds, 0.0) for seconds in busy])
            _at_once(centre, ask, codes, result)
        held = memory_mb([pid for pid in map(_pid, PROCESSES, [centre] * len(PROCESSES)) for pid in family(pid)])
    finally:
        centre.stop()
    result.figures[:0] = [
        Figure("Signed to the answer on the wire", sorted(alone)[len(alone) // 2], "s", 3),
        Figure(f"Signed to the answer on the wire, p95 with {OTHERS} others in flight", percentile(busy, 0.95), "s", 5),
    ]
    result.figures.append(
        Figure(f"Memory of web server, worker and keeper, {TENANTS} tenants", round(held), "MB", 1000)
    )
    return result


@contextmanager
def office(centre: Centre) -> Iterator[Any]:
    """`ask("sign", …)` in one process as the web server is one."""
    argv = [sys.executable, "-m", "bench.signing"]
    environment = {**centre.env, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def ask(*order: Any) -> Any:
            print(json.dumps(order), file=process.stdin, flush=True)
            said = process.stdout.readline()  # type: ignore[union-attr]
            if not said:
                raise Failed(f"bench.signing ended while it was to {order[0]}")
            return json.loads(said)

        yield ask
        process.stdin.close()


def _answered(centre: Centre, ask: Any, codes: Sequence[str], label: str) -> list[float]:
    """Seconds of each from its last signature to its answer; the next round begins when all are live."""
    names = [f"{label}.{estates.main_name(code)}" for code in codes]
    numbers = [ask("ask", code, name) for code, name in zip(codes, names, strict=True)]
    watch = Watch(centre.addresses["ns1"], names)
    signed = ask("sign", numbers)
    at = watch.answered()
    _sound(ask("over", numbers, 120))
    return [at[name] - moment for name, moment in zip(names, signed, strict=True)]


def _at_once(centre: Centre, ask: Any, codes: Sequence[str], result: Result) -> None:
    """One request of each, all signed before the worker turns to any of them."""
    numbers = [ask("ask", code, f"once.{estates.main_name(code)}") for code in codes]
    centre.gasp("worker", "stop")
    signed = ask("sign", numbers)
    began = time.monotonic()
    centre.gasp("worker", "start")
    done = ask("over", numbers, 300)
    _sound(done)
    result.remarks.append(
        f"The {len(codes)} at once were signed within {signed[-1] - signed[0]:.1f} s while the worker was stopped;"
        " their time holds its start."
    )
    result.figures += [
        Figure(f"{len(codes)} approvals at once until all are live", done["at"] - began, "s", 30),
        Figure(f"Applies of {len(codes)} approvals at once", done["runs"], "", 10),
    ]


def _sound(done: dict[str, Any]) -> None:
    if done["wrong"]:
        raise Failed("; ".join(done["wrong"][:3]))


def _pid(name: str, centre: Centre) -> int:
    return int(json.loads((centre.state / f"{name}.json").read_text())["pid"])


class Watch:
    """Asks a name server for names in turn until each answers."""

    def __init__(self, server: str, names: Sequence[str], every: float = 0.02) -> None:
        self._server, self._every = server, every
        self._open = dict.fromkeys(names)
        self._at: dict[str, float] = {}
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        end = time.monotonic() + 180
        while self._open and time.monotonic() < end:
            for name in list(self._open):
                query = dns.message.make_query(name, dns.rdatatype.A)
                if dns.query.udp(query, self._server, timeout=10).answer:
                    self._at[name] = time.monotonic()
                    del self._open[name]
                time.sleep(self._every / len(self._open) if self._open else 0)

    def answered(self) -> dict[str, float]:
        """When each answered (monotonic seconds). Raises Failed when one never did."""
        self._thread.join()
        if self._open:
            raise Failed(f"never answered: {', '.join(list(self._open)[:3])}")
        return self._at
