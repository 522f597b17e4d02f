"""In which order changes of the directory are carried out: batches, each waiting for the one before.

slapd works on the requests of one connection side by side, so everything that depends on something else needs a
batch of its own. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from control_plane.model.plan import Change

STAGES = (
    "directory.units.written",
    "directory.leavers.removed",
    "directory.people.written",
    "directory.groups.written",
    "directory.units.removed",
)


@dataclass(frozen=True)
class Batch:
    """Changes that may go side by side. `prelude`: only make room for renames that follow (see `Writer.precede`)."""

    changes: Sequence[Change]
    prelude: bool = False


def batches(changes: Sequence[Change]) -> list[tuple[str, list[Batch]]]:
    """Units before what lies in them; leavers before those who take their names; renames before those who take the
    names so freed; groups after people; units last, deepest first, when all else has gone or moved out of them.
    """
    units = [c for c in changes if c.kind == "directory.unit"]
    groups = [c for c in changes if c.kind == "directory.group"]
    accounts = [c for c in changes if c.kind in ("directory.person", "directory.service")]
    renames = [c for c in accounts if renamed_by(c)]
    others = [c for c in accounts if c.action != "delete" and not renamed_by(c)]
    written = [c for c in groups if c.action != "delete"]
    people = [Batch(level) for level in _renames(renames)] + [Batch(others)]
    if renames:
        targets, sources = {_dn(c.after) for c in renames}, {_dn(c.before) for c in renames}
        moved = [
            c
            for c in written
            if c.before and c.after and (targets & set(c.after["member"]) or sources & set(c.before["member"]))
        ]
        people.insert(0, Batch(moved, prelude=True))
    plan = [
        [Batch(level) for level in _levels(c for c in units if c.action != "delete")],
        [Batch([c for c in groups if c.action == "delete"]), Batch([c for c in accounts if c.action == "delete"])],
        people,
        [Batch(written)],
        [Batch(level) for level in reversed(_levels(c for c in units if c.action == "delete"))],
    ]
    return [
        (stage, kept) for stage, listed in zip(STAGES, plan, strict=True) if (kept := [b for b in listed if b.changes])
    ]


def renamed_by(change: Change) -> bool:
    """Whether a change moves an entry to another DN."""
    return change.action == "update" and _dn(change.before) != _dn(change.after)


def _dn(attributes: Mapping[str, object] | None) -> str:
    return str((attributes or {}).get("dn", ""))


def _levels(changes: Iterable[Change]) -> list[list[Change]]:
    """By depth in the tree, shallow first (a comma in a value is escaped as \\2C, so commas count levels)."""
    levels: dict[int, list[Change]] = {}
    for change in changes:
        levels.setdefault(_dn(change.after or change.before).count(","), []).append(change)
    return [levels[depth] for depth in sorted(levels)]


def _renames(changes: Sequence[Change]) -> list[list[Change]]:
    """Renames in levels: who holds a name that another one wants goes first. A circle goes together, and is refused."""
    left = list(changes)
    levels: list[list[Change]] = []
    while left:
        held = {_dn(c.before) for c in left}
        free = [c for c in left if _dn(c.after) not in held] or left
        levels.append(free)
        gone = {c.id for c in free}
        left = [c for c in left if c.id not in gone]
    return levels
