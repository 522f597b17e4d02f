"""Security faults of packages and until when a machine must have their update.

Pure: the table of deadlines is data (`patch_deadlines.yml`), read once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any, Literal

Severity = Literal["critical", "high", "medium", "low"]
SEVERITIES: Sequence[Severity] = ("critical", "high", "medium", "low")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """One fault of one package, cured by version `fixed` and all later ones. `total_control`: whoever uses it has
    the whole machine."""

    id: str
    package: str
    fixed: str
    severity: Severity
    published: date
    known_exploited: bool = False
    automatable: bool = False
    total_control: bool = False
    cves: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Advisory:
        """From a row of `Repository.advisories`. Raises KeyError and ValueError."""
        return cls(
            str(row["id"]),
            str(row["package"]),
            str(row["fixed"]),
            row["severity"],
            date.fromisoformat(str(row["published"])[:10]),
            bool(row.get("known_exploited", False)),
            bool(row.get("automatable", False)),
            bool(row.get("total_control", False)),
            tuple(row.get("cves", ())),
        )


@cache
def deadline_table() -> Sequence[Mapping[str, Any]]:
    """Rows of `patch_deadlines.yml`, in order."""
    import yaml

    text = resources.files("control_plane.model").joinpath("patch_deadlines.yml").read_text("utf-8")
    rows: Sequence[Mapping[str, Any]] = yaml.load(text, Loader=yaml.CSafeLoader)["rows"]
    return rows


def deadline(advisory: Advisory, exposed: bool, table: Sequence[Mapping[str, Any]] | None = None) -> date | None:
    """The last day on which a machine may lack the update; None: no day of its own, with the next upgrade.

    `exposed`: the machine is reached from outside the centre.
    """
    facts = {
        "exposed": exposed,
        "known_exploited": advisory.known_exploited,
        "automatable": advisory.automatable,
        "total_control": advisory.total_control,
        "severity": advisory.severity,
    }
    for row in deadline_table() if table is None else table:
        if all(facts[name] == wanted for name, wanted in row.items() if name != "days"):
            return None if row["days"] is None else advisory.published + timedelta(days=row["days"])
    return None


def worst(advisories: Sequence[Advisory]) -> Severity | None:
    """The worst severity among them; None when there are none."""
    return next((s for s in SEVERITIES if any(a.severity == s for a in advisories)), None)
