"""`python -m bench [--full] [--only ITEM …]`: measures, keeps bench/results.json, writes docs/benchmarks.md.

Uses a lab of its own, `labb`, so that it can run beside the others.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from bench import results
from bench.centre import Centre
from bench.items import (
    access_record,
    change,
    console,
    digest,
    gateway,
    large,
    machines,
    make_up,
    people,
    records,
    signed,
    staff,
    start,
    wave,
    workload,
)
from bench.measure import Failed
from bench.results import Result

Item = Callable[[Centre], Result]
ORDER = (
    "make_up",
    "make_up_small",
    "workload",
    "change",
    "signed",
    "console",
    "people",
    "staff",
    "records",
    "large",
    "digest",
    "start",
    "gateway",
    "machines",
    "wave",
    "access_record",
)


def items_with_tenants(full: bool) -> tuple[dict[str, Item], dict[str, Item]]:
    """Items that need tenants with workstations: those of the small estate, and those of the whole one."""
    internet: dict[str, Item] = {"gateway": gateway.measure}
    of_machines: dict[str, Item] = {"machines": machines.measure, "wave": wave.measure}
    return (internet, of_machines) if full else ({**internet, **of_machines}, {})


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what was asked for. Exit status 1 when an item could not be measured; a missed target is no error."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--full",
        action="store_true",
        help="the whole estate's make up, Ansible over all 94 tenants, inventory and wave over all 94 machines",
    )
    parser.add_argument("--only", nargs="+", choices=ORDER, help="these items; the others keep their last figures")
    parser.add_argument("--page", action="store_true", help="write the page from the figures on file, measure nothing")
    chosen = parser.parse_args(argv)
    if chosen.page:
        results.write_page(results.keep((), {}), ORDER)
        return 0
    wanted = chosen.only or [item for item in ORDER if item != "make_up" or chosen.full]
    failed = 0
    reads: list[int] = []

    def workload_item(centre: Centre) -> Result:
        found = workload.measure(centre, full=chosen.full)
        reads.extend(int(f.value) for f in found.figures if f.name.startswith("Logical reads"))
        return found

    in_lab: dict[str, Item] = {
        "make_up_small": make_up.measure_small,
        "workload": workload_item,
        "change": change.measure,
        "signed": signed.measure,
        "people": people.measure,
        "staff": staff.measure,
        "records": records.measure,
        "large": lambda centre: large.measure(centre, reads_of_w=reads[0] if reads else None),
    }

    def run(name: str, work: Callable[[], Result]) -> None:
        nonlocal failed
        began, load = time.monotonic(), results.load_now()
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            found = work()
        except (Failed, RuntimeError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
            return
        document = results.keep([found], {found.item: (load, results.load_now())})
        results.write_page(document, ORDER)
        for figure in found.figures:
            verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
            print(
                f"  {figure.name}: {figure.value:.3g} {figure.unit} (target {figure.target}) {verdict}", file=sys.stderr
            )
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    for name, work in (
        ("start", start.measure),
        ("digest", digest.measure),
        ("access_record", access_record.measure),
        ("console", console.measure),
    ):
        if name in wanted:
            run(name, work)
    if any(item in wanted for item in in_lab):
        with Centre().up() as centre:
            for name, item in in_lab.items():
                if name in wanted:
                    run(name, lambda item=item: item(centre))  # type: ignore[misc]
    few, all_of_them = items_with_tenants(chosen.full)
    for items, centre_of in ((few, Centre.served), (all_of_them, Centre.whole)):
        if any(item in wanted for item in items):
            with centre_of().up() as centre:
                for name, item in items.items():
                    if name in wanted:
                        run(name, lambda item=item: item(centre))  # type: ignore[misc]
    if "make_up" in wanted:
        run("make_up", make_up.measure_full)
    return failed


if __name__ == "__main__":
    sys.exit(main())
