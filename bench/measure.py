"""Running one command and saying what it cost: wall time, CPU of it and its children, peak memory.

Knows nothing of the product. Peers alternate in the same run, so that a busy machine hurts both.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Timing:
    """One run. `seconds` from exec to exit, `cpu` seconds (user and system, children too), `peak_mb` of the
    largest process (0: less than this process has, which cannot be told), `out` what it printed."""

    seconds: float
    cpu: float
    peak_mb: float = 0.0
    out: bytes = b""


class Failed(RuntimeError):
    """A measured command did not end as it must; its figure would be worth nothing."""


def timed(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float = 1800.0,
    codes: Sequence[int] = (0,),
    cwd: Path | None = None,
) -> Timing:
    """Run to the end. Raises `Failed` for an exit status that is not in `codes`, or after `timeout` seconds.

    Byte code is kept between runs, of whoever is measured, as on any machine that something is installed on.
    """
    environment = {k: v for k, v in (os.environ if env is None else env).items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as wrong:
        fed.write(stdin)
        fed.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(list(argv), stdin=fed, stdout=said, stderr=wrong, env=environment, cwd=cwd)
        timer = threading.Timer(timeout, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        wrong.seek(0)
        out = said.read()
        if process.returncode not in codes:
            words = (wrong.read() + out).decode("utf-8", "replace")[-3000:]
            raise Failed(f"{' '.join(argv)[:200]} ended with {process.returncode} after {seconds:.1f} s:\n{words}")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # a child begins with the peak of its parent
    peak = usage.ru_maxrss if usage.ru_maxrss > own else 0
    return Timing(seconds, usage.ru_utime + usage.ru_stime, peak / 1024, out)


def timed_call(work: Callable[[], object]) -> Timing:
    """The same for a function in this process; memory is not measured."""
    before, began = _cpu(), time.perf_counter()
    work()
    return Timing(time.perf_counter() - began, _cpu() - before)


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def alternate(rounds: int, works: Mapping[str, Callable[[], Timing]]) -> dict[str, list[Timing]]:
    """Every work once a round, the order turned round by round, so that none is always first."""
    found: dict[str, list[Timing]] = {name: [] for name in works}
    for number in range(rounds):
        names = list(works)
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(works[name]())
    return found


@dataclass(frozen=True, slots=True)
class Median:
    """Medians of several runs."""

    runs: int
    seconds: float
    cpu: float
    peak_mb: float

    @classmethod
    def of(cls, timings: Sequence[Timing]) -> Median:
        """Medians; at least one run is needed."""
        return cls(
            len(timings),
            median(t.seconds for t in timings),
            median(t.cpu for t in timings),
            median(t.peak_mb for t in timings),
        )


def line_fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: (constant, slope) of y over x."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return mean_y - slope * mean_x, slope
