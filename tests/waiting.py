"""The one way a test waits: for a condition, with a deadline at least ten times the expected time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], deadline_seconds: float, what: str = "") -> T:
    """Poll until `condition()` is true and return its value; fails after `deadline_seconds`."""
    end = time.monotonic() + deadline_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline_seconds} s: {what or condition}")
        time.sleep(0.05)
