"""What a run that carried out a plan came to: its state, and one sentence for people. The worst is said first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from control_plane.model.plan import Plan
from control_plane.model.run import RunState
from control_plane.model.scope import parts_words
from control_plane.model.text import Text, t, tn


def verdict(plan: Plan, any_steps: bool, counts: Mapping[str, int], left: Sequence[str]) -> tuple[RunState, Text]:
    """State and sentence. `counts`: changes by outcome; `left`: what was still to do when the run looked again."""
    bad = sum(counts.get(state, 0) for state in ("failed", "refused", "unknown", "held"))
    done = counts.get("applied", 0) + counts.get("already", 0)
    conflicts = sum(1 for c in plan.changes if c.action == "conflict")
    if plan.unmeasured and not counts.get("failed", 0) + counts.get("refused", 0) + counts.get("unknown", 0):
        return RunState.COULD_NOT_MEASURE, tn(
            "{done} change done, {held} wait; not seen: {parts}.",
            "{done} changes done, {held} wait; not seen: {parts}.",
            count=done,
            done=done,
            held=counts.get("held", 0),
            parts=parts_words(u.part for u in plan.unmeasured),
        )
    if bad and not done:
        return RunState.FAILED, tn(
            "Nothing was changed; {bad} change failed.",
            "Nothing was changed; {bad} changes failed.",
            count=bad,
            bad=bad,
        )
    if bad or left:
        return RunState.PARTLY, tn(
            "{done} change done, {bad} not.",
            "{done} changes done, {bad} not.",
            count=done,
            done=done,
            bad=max(bad, len(left)),
        )
    if plan.broken:
        names = ", ".join(name for name, _ in plan.broken)
        return RunState.PARTLY, tn(
            "{done} change done; could not be computed: {names}.",
            "{done} changes done; could not be computed: {names}.",
            count=done,
            done=done,
            names=names,
        )
    if conflicts:
        return RunState.DONE_WITH_CONFLICTS, tn(
            "{done} change done; {conflicts} are blocked by what is not ours.",
            "{done} changes done; {conflicts} are blocked by what is not ours.",
            count=done,
            done=done,
            conflicts=conflicts,
        )
    return RunState.DONE, tn("{done} change done.", "{done} changes done.", count=done, done=done) if any_steps else t(
        "Nothing to change."
    )
