"""A pyinfra deploy: bring machines to exactly what the centre's package source offers them now.

The control plane runs it through `control_plane/drivers/pyinfra_child.py`; by hand: `pyinfra INVENTORY patch.py`. The
work is done by `patch_agent.py` on the machine, in one command a host, with an end to its time.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from pathlib import Path

import pyinfra
from pyinfra.api import StringCommand, operation

SECONDS = 1800
AGENT = (Path(__file__).parent / "patch_agent.py").read_bytes()


@operation(is_idempotent=False)
def follow_source(seconds: int = SECONDS) -> Generator[StringCommand, None, None]:
    """One command; it says itself whether it changed anything."""
    sent = base64.b64encode(AGENT).decode()
    yield StringCommand(f"echo {sent} | base64 -d | timeout -k 30 {int(seconds)} python3 -I -")


OPERATIONS = (follow_source,)

if pyinfra.is_cli:
    follow_source(name="follow the centre's package source")
