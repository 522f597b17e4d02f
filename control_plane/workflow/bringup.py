"""Day 0 in phases: from a bare machine to a verified estate. Each phase may be killed and repeated.

The phases themselves are given by `day_zero.py`; this module runs them in order, measures them and tells
how long the rest may take.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from control_plane.model.text import Text

Tell = Callable[[int, int, str], None]
"""A phase's own progress: done, total, what is being worked on."""


@dataclass(frozen=True)
class Phase:
    """One step of bring-up. `expected` is its usual length in seconds, until a measured one is known."""

    name: str
    title: Text
    expected: float
    run: Callable[[Tell], str | None]


@dataclass(frozen=True)
class Progress:
    """What to show: the phase, where it stands, seconds elapsed in all and probably remaining."""

    phase: Phase
    number: int
    phases: int
    done: int
    total: int
    message: str
    elapsed: float
    remaining: float
    finished: bool = False


def bring_up(phases: Sequence[Phase], history: Path, report: Callable[[Progress], None]) -> dict[str, float]:
    """Run all phases; returns seconds by phase name. Durations are remembered in `history` (JSON) for the
    next estimate. A phase that raises ends the bring-up; run it again to carry on."""
    usual = {p.name: p.expected for p in phases} | _read(history)
    begin = time.monotonic()
    took: dict[str, float] = {}
    for number, phase in enumerate(phases, 1):
        started = time.monotonic()
        later = sum(usual[p.name] for p in phases[number:])

        def tell(
            done: int, total: int, message: str, *, finished: bool = False,
            phase: Phase = phase, number: int = number, started: float = started, later: float = later,
        ) -> None:  # fmt: skip
            spent = time.monotonic() - started
            rest = spent / done * (total - done) if done and total else max(0.0, usual[phase.name] - spent)
            if finished:
                rest = 0.0
            elapsed = time.monotonic() - begin
            report(Progress(phase, number, len(phases), done, total, message, elapsed, rest + later, finished))

        tell(0, 0, "")
        message = phase.run(tell)
        took[phase.name] = time.monotonic() - started
        tell(1, 1, message or "", finished=True)
    _write(history, _read(history) | took)
    return took


def _read(history: Path) -> dict[str, float]:
    try:
        data = json.loads(history.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(k): float(v) for k, v in data.items()}


def _write(history: Path, took: dict[str, float]) -> None:
    history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = history.with_suffix(".tmp")
    temporary.write_text(json.dumps(took))
    temporary.rename(history)
