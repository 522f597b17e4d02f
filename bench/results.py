"""Figures on file: one JSON with the newest result of each item, and the page made from it.

Must not measure. A partial run replaces its own items and leaves the others with their dates.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench.measure import Median, Timing

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Figure:
    """One measured quantity against its target.

    `value` and `target` in `unit` (`s`, `x` a ratio to the peer, `ms`, `MB`, or a count); `better`: whether the value
    must not exceed the target or must reach it. `target` None: shown, not judged.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["at most", "at least", "exactly"] = "at most"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        if self.better == "exactly":
            return self.value == self.target
        return self.value <= self.target if self.better == "at most" else self.value >= self.target


@dataclass(frozen=True)
class Row:
    """One measured work: who did it and its medians."""

    who: str
    runs: int
    seconds: float
    cpu: float
    peak_mb: float = 0.0


@dataclass
class Result:
    """What an item found: figures, the rows they come from, remarks for the reader; or why it was not measured."""

    item: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    missing: str = ""

    def row(self, who: str, timings: Sequence[Timing]) -> Median:
        """Add a row; returns its medians."""
        middle = Median.of(timings)
        self.rows.append(Row(who, middle.runs, middle.seconds, middle.cpu, middle.peak_mb))
        return middle


def load_now() -> float:
    """The one-minute load average."""
    return os.getloadavg()[0]


def machine() -> dict[str, Any]:
    """What this machine is, without its name."""
    cpus = [
        line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "cpu": cpus[0] if cpus else platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_mb": memory,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def keep(results: Iterable[Result], load: Mapping[str, tuple[float, float]], file: Path = FILE) -> dict[str, Any]:
    """Merge results into the file; `load`: item → load average before and after it. Returns the whole document."""
    document: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {"items": {}}
    document["machine"] = machine()
    for result in results:
        before, after = load.get(result.item, (0.0, 0.0))
        document["items"][result.item] = {
            **asdict(result),
            "figures": [{**asdict(f), "met": f.met} for f in result.figures],
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "load": [round(before, 1), round(after, 1)],
        }
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    temporary.rename(file)
    return document


HEAD = """\
# Benchmarks

<!-- Made by `python -m bench` from bench/results.json; do not edit. -->

`make bench` measures all but the first three rows in about a quarter of an hour; `make bench FULL=1` adds the whole
estate's `make up`, an Ansible role over all 94 tenants, and inventory and wave of all 94 machines. Every figure is a
median. A peer is measured alternately with the product in the same run, so a ratio holds on a busy machine too; wall
times are an upper bound. CPU seconds are those of the command and its children on this machine, not of the servers.
How each thing is measured stands in `bench/items/`.

Machine: {cpu}, {cores} cores, {memory_mb} MB, Linux {kernel}, Python {python}. The load given with each item is the
one-minute average before and after it: the servers measured against run on the same cores.
"""


def page(document: Mapping[str, Any], order: Sequence[str]) -> str:
    """The whole page."""
    items = [document["items"][name] for name in order if name in document["items"]]
    lines = [
        HEAD.format(**document["machine"]),
        "## Targets",
        "",
        "| what | measured | target | met |",
        "|---|---:|---:|---|",
    ]
    for item in items:
        if item["missing"]:
            lines.append(f"| {item['title']} | not measured: {item['missing']} | | |")
        lines += [_target_row(figure) for figure in item["figures"] if figure["target"] is not None]
    for item in items:
        lines += ["", f"## {item['title']}", "", f"{item['date']}, load {item['load'][0]} → {item['load'][1]}."]
        lines += [""] if item["remarks"] else []
        lines += [f"- {remark}" for remark in item["remarks"]]
        if item["missing"]:
            lines += ["", f"Not measured: {item['missing']}"]
        if item["rows"]:
            lines += ["", "| who | runs | seconds | CPU seconds | peak MB |", "|---|---:|---:|---:|---:|"]
            lines += [
                f"| {r['who']} | {r['runs']} | {_number(r['seconds'])} | {_number(r['cpu'])} |"
                f" {round(r['peak_mb']) if r['peak_mb'] else ''} |"
                for r in item["rows"]
            ]
        extra = [f for f in item["figures"] if f["target"] is None or f["note"]]
        lines += [""] if extra else []
        lines += [
            f"- {f['name']}: {_value(f['value'], f['unit'])}{'. ' + f['note'] if f['note'] else ''}" for f in extra
        ]
    return "\n".join(lines) + "\n"


def _target_row(figure: Mapping[str, Any]) -> str:
    sign = {"at most": "≤", "at least": "≥", "exactly": "="}[figure["better"]]
    return (
        f"| {figure['name']} | {_value(figure['value'], figure['unit'])} | {sign}"
        f" {_value(figure['target'], figure['unit'])} | {'yes' if figure['met'] else '**no**'} |"
    )


def _value(value: float, unit: str) -> str:
    if unit == "x":
        return f"{value:.0f}×" if value >= 100 else f"{value:.1f}×" if value >= 0.1 else f"{value:.1g}×"
    if unit in ("MB", "ms"):
        return f"{value:.0f} {unit}"
    return f"{_number(value)} {unit}".rstrip() if unit == "s" else f"{value:g} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def write_page(document: Mapping[str, Any], order: Sequence[str], path: Path = PAGE) -> None:
    """Write docs/benchmarks.md."""
    path.write_text(page(document, order), "utf-8")
