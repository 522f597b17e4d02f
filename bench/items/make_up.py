"""`gasp bringup`, all of `make up` but the installation of packages: again with the lab up, and after `gasp lab down`.

Every run measures the bench's own small lab. With `--full` also the whole estate of 104 hosts, cold (images built in a
cache of its own), after down, and again; it needs the lab called `lab` to be free.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bench.centre import GASP, STATE, Centre
from bench.measure import Failed, Timing, timed
from bench.results import Figure, Result

COLD, AGAIN, AFTER_DOWN = 8 * 60, 30, 90


def measure_small(centre: Centre, rounds: int = 3) -> Result:
    """The bench's lab, which is up: no target, for a machine that cannot spare half an hour."""
    again = [centre.gasp("bringup") for _ in range(rounds)]
    centre.gasp("lab", "down")
    after = [centre.gasp("bringup")]
    hosts = len(centre.addresses)
    result = Result("make_up_small", f"`make up` of {hosts} hosts without tenants")
    result.row("again, lab up", again)
    result.row("after make down", after)
    result.remarks.append("For comparison only: the targets are for the whole estate.")
    return result


def measure_full(state: Path = STATE) -> Result:
    """The reference estate on 104 hosts: cold, again, after down."""
    result = Result("make_up", "`make up` of the whole estate: 104 hosts")
    place = state.with_name(f"{state.name}-up")
    centre = Centre(place, "lab", Path(__file__).resolve().parents[2] / "tenants" / "qingdao")
    cache = place / "cache"
    env = {**centre.env, "GASP_CACHE": str(cache)}

    def gasp(*argv: str, codes: tuple[int, ...] = (0,)) -> Timing:
        return timed([str(GASP), *argv], env=env, codes=codes, timeout=3600)

    try:
        if place.exists():  # what a killed run left
            gasp("lab", "clean", "--yes", codes=(0, 1, 2, 4, 6))
            shutil.rmtree(place)
        place.mkdir(mode=0o700, parents=True)
        cold = gasp("bringup")
        phases = json.loads((place / "bringup.json").read_text())
        result.remarks.append(
            "Cold, by phase: " + ", ".join(f"{name} {took:.0f} s" for name, took in phases.items()) + "."
        )
        result.row("cold", [cold])
        again = [gasp("bringup") for _ in range(3)]
        gasp("lab", "down")
        after = [gasp("bringup")]
        middle_again, middle_after = result.row("again, lab up", again), result.row("after make down", after)
        result.figures += [
            Figure("`make up` cold", cold.seconds, "s", COLD),
            Figure("`make up` again, lab up", middle_again.seconds, "s", AGAIN),
            Figure("`make up` after `make down`", middle_after.seconds, "s", AFTER_DOWN),
        ]
        result.remarks.append("Without the installation of Debian and Python packages, which depends on their servers.")
    except Failed as error:
        result.missing = str(error).splitlines()[-1]
    finally:
        gasp("lab", "clean", "--yes", codes=(0, 1, 2, 4, 6))
        shutil.rmtree(place, ignore_errors=True)
    return result
