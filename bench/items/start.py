"""How long `gasp --help` takes, beside the bare interpreter."""

from __future__ import annotations

import os
import sys

from bench.centre import GASP
from bench.measure import alternate, timed
from bench.results import Figure, Result


def measure(rounds: int = 15) -> Result:
    """Exec to exit."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GASP_")}
    found = alternate(
        rounds,
        {
            "gasp --help": lambda: timed([str(GASP), "--help"], env=env),
            "python -c pass": lambda: timed([sys.executable, "-c", "pass"], env=env),
        },
    )
    result = Result("start", "Start")
    for who, timings in found.items():
        result.row(who, timings)
    result.figures.append(Figure("`gasp --help`", round(result.rows[0].seconds * 1000), "ms", 300))
    return result
