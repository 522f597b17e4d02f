"""The invented cost lines add up to the published totals; see the reference estate's provenance."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from control_plane.offerings import discover
from control_plane.offerings.costs import load_costs
from tests.unit.offerings.estates import REFERENCE

COUNTS = {
    "intranet": 82,
    "internet": 82,
    "public_site": 56,
    "approval": 46,
    "security": 62,
    "directory": 82,
    "mailbox": 63,
    "disclosure": 61,
}
QUANTITIES = {"account": 10000, "endpoint": 6200, "estate": 1}


def test_lines_reproduce_the_published_totals() -> None:
    sheets = [load_costs(offering.folder / "costs.yml", offering.id) for offering in discover().values()]
    sheets.append(load_costs(REFERENCE / "costs.yaml", "base"))
    total: Counter[tuple[str, str]] = Counter()
    for sheet in sheets:
        for line in sheet.lines:
            assert line.grade == "D"
            count = line.quantity or (COUNTS[sheet.offering] if line.unit == "tenant" else QUANTITIES[line.unit])
            total[line.when, line.side] += line.amount * count  # type: ignore[assignment]
    assert total["one_time", "standalone"] == 238_192_000
    assert total["one_time", "shared"] == 40_000_000
    assert total["one_time", "residual"] == 1_640_000
    assert total["yearly", "standalone"] == 27_900_000
    assert total["yearly", "shared"] == 8_200_000
    assert total["yearly", "residual"] == 328_000
    assert total["yearly", "benefit"] == 4_800_000


def test_weights_of_the_base_pool_sum_to_one() -> None:
    weights = [load_costs(o.folder / "costs.yml", o.id).base_weight for o in discover().values()]
    assert sum(w for w in weights if w is not None) == Decimal(1)
