"""Look at all systems at once. A look that fails is `CouldNotMeasure`, whatever the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

from control_plane.model.errors import told_of
from control_plane.model.ports import Driver
from control_plane.model.resource import CouldNotMeasure, Look
from control_plane.model.scope import Scope


def parts_of(drivers: Iterable[Driver], scope: Scope) -> list[tuple[Driver, str]]:
    """All parts that can matter for the scope, each with its driver."""
    return [(driver, part) for driver in drivers for part in driver.parts() if scope.covers_part(part)]


@contextmanager
def looking(
    parts: Sequence[tuple[Driver, str]],
    tenants: frozenset[str] | None,
    clock: Callable[[], datetime],
) -> Iterator[Callable[[], list[Look]]]:
    """Begin to look at the parts side by side; call what is yielded for the looks, when they are needed.

    `tenants` limits the looks where a driver can do so.
    """

    def look(item: tuple[Driver, str]) -> Look:
        driver, part = item
        try:
            return driver.observe(part, tenants)
        except Exception as error:  # a fault in a driver must never read as "nothing there"
            return CouldNotMeasure(part, clock(), told_of(error))

    with ThreadPoolExecutor(max_workers=max(1, min(16, len(parts))), thread_name_prefix="look") as pool:
        begun = [pool.submit(look, item) for item in parts]
        yield lambda: [one.result() for one in begun]


def observe(
    parts: Sequence[tuple[Driver, str]],
    tenants: frozenset[str] | None,
    clock: Callable[[], datetime],
) -> list[Look]:
    """Look at the parts side by side and wait for all looks; see `looking`."""
    with looking(parts, tenants, clock) as looks:
        return looks()
