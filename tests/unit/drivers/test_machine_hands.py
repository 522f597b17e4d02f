"""What the centre makes of a machine's answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from control_plane.drivers.machine_hands import MachineHands
from control_plane.model.machine import Machine, MachineState, Ring
from control_plane.model.machine_rules import overdue

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
LACKS = {
    "package": "demo", "installed": "1.0", "candidate": "1.1", "security": True, "advisories": ["LAB-1"], "held": False,
    "held_by": None, "kept_back": False, "phased": False,
}  # fmt: skip
ANSWER = {
    "is": "look", "fingerprint": {}, "offset": 0.0, "kernel": "6.1", "foreign": [], "refreshed": False, "disk_set": "s",
    "restart": [], "held": [], "packages": {"demo": "1.0"}, "pending": [LACKS], "lists_at": None, "set": None,
    "set_at": None, "engine": False, "faults": {},
}  # fmt: skip


class Link:
    """A way to a machine that lacks one package."""

    def ask(self, *words: Any) -> dict[str, Any]:
        return ANSWER


def test_a_deadline_ends_with_its_day_in_china() -> None:
    advisory = {"id": "LAB-1", "package": "demo", "fixed": "1.1"}
    hands = MachineHands(Link(), lambda: NOW, lambda: [advisory], lambda _: ("high", date(2026, 11, 30)))  # type: ignore[arg-type]
    machine = Machine("m_1", "fgw", "fgw", Ring.PILOT, "fgw", True, "centre", None, NOW)
    look = hands.measure([machine])["m_1"]
    assert isinstance(look, MachineState)
    midnight = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    assert overdue(look.pending, midnight - timedelta(seconds=2)) == 0
    assert overdue(look.pending, midnight) == 1
