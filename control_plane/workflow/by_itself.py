"""How that stands which goes on by itself: for people, and for `gasp doctor`. Changes nothing and asks no host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from control_plane.model.by_itself import TITLES, ByItself, counts
from control_plane.model.client_by_itself import Json
from control_plane.model.machine import MachineState
from control_plane.model.machine_rules import SIGNATURES_FAIL, SIGNATURES_WARN
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import moment_words
from control_plane.store.repository import Store
from control_plane.workflow.access_record import LONG_GAP
from control_plane.workflow.access_search import not_recorded
from control_plane.workflow.new_signatures import NewSignatures
from control_plane.workflow.scans import Scans

#: The doctor looks so far back for gaps of the access record.
LOOK_BACK = timedelta(days=7)
Checked = tuple[str, Text, Text | None]


class ByItselfStatus:
    """Implements `model.client_by_itself.ByItselfClient`."""

    def __init__(
        self, store: Store, scans: Scans, signatures: NewSignatures, rules: ByItself, clock: Callable[[], datetime]
    ) -> None:
        self.store, self.scans, self.signatures, self.rules, self.clock = store, scans, signatures, rules, clock

    def status(self) -> list[Json]:
        """See `ByItselfClient.status`."""
        return [_titled(self.scans.status()), _titled(self.signatures.status())]

    def failed(self) -> list[Json]:
        """See `ByItselfClient.failed`."""
        return [_titled(row) for row in (self.signatures.status(),) if row["state"] == "failed"]

    # lines of `gasp doctor` -----------------------------------------------------------------------
    def check_signatures(self) -> Checked:
        """How many machines work with old signatures. What was not seen is said, and never counted as good."""
        now = self.clock()
        machines = [m.id for m in self.store.machines.all() if m.managed]
        looks = {i: c.look for i, c in self.store.machines.contacts().items()}
        made = [look.signature_at if isinstance(look, MachineState) else None for look in map(looks.get, machines)]
        ages = [now - at for at in made if at is not None]
        old = sum(age > SIGNATURES_FAIL for age in ages)
        numbers = {
            "old": old,
            "aging": sum(age > SIGNATURES_WARN for age in ages) - old,
            "unknown": len(machines) - len(ages),
            "total": len(machines),
        }
        said = t(
            "Of {total} machines {old} have signatures older than 72 h, {aging} older than 48 h; of {unknown} it is"
            " not known.", **numbers,
        )  # fmt: skip
        if old:
            return "failed", said, t("See what they wait for: gasp security status")
        if numbers["aging"] or (machines and not ages):
            return "warning", said, t("See what they wait for: gasp security status")
        return "passed", said, None

    def check_scans(self) -> Checked:
        """How many machines were never scanned, or too long ago."""
        now, records = self.clock(), self.store.scans.all()
        machines = [m.id for m in self.store.machines.all() if m.managed]
        ends = [records[i].scanned_at if i in records else None for i in machines]
        never = sum(end is None for end in ends)
        long_ago = sum(end is not None and not counts(end, now, self.rules.scan_counts) for end in ends)
        words = {"total": len(machines), "never": never, "long_ago": long_ago, "days": self.rules.scan_counts.days}
        said = t(
            "Of {total} machines {never} were never scanned, {long_ago} longer than {days} days ago.", **words
        )  # fmt: skip
        if never or long_ago:
            return "warning", said, t("See what they wait for: gasp security status")
        return "passed", said, None

    def check_going(self) -> Checked:
        """Whether signatures move by themselves."""
        row = self.signatures.status()
        said = t("{sentence}", sentence=row["sentence"])
        if row["state"] == "failed":
            return "failed", said, t("Look at the repository host and its upstream: gasp snapshots sync")
        if row["state"] == "stuck":
            return "failed", said, t("Decide: gasp rollouts show {id}", id=row["rollout"])
        if row["state"] in ("off", "frozen", "waiting"):
            return "warning", said, None
        return "passed", said, None

    def check_record(self) -> Checked:
        """Gaps of the access record longer than an hour."""
        now, span = self.clock(), self.store.access.span()
        if span.first_at is None:
            return "warning", t("Nothing was recorded yet."), t("gasp record status")
        begin = max(now - LOOK_BACK, span.first_at)
        gaps = [gap for gap in not_recorded(self.store, begin, now) if gap.end - gap.begin > LONG_GAP]
        if not gaps:
            return "passed", t("In the last 7 days no gap of the access record is longer than 1 h."), None
        last = gaps[-1]
        words = {"count": len(gaps), "begin": moment_words(last.begin), "end": moment_words(last.end)}
        said = tn(
            "In the last 7 days {count} gap of the access record is longer than 1 h, from {begin} to {end}.",
            "In the last 7 days {count} gaps of the access record are longer than 1 h; the last from {begin} to {end}.",
            **words,
        )
        state = "failed" if now - last.end < LONG_GAP else "warning"
        return state, said, t("gasp record status says why; then: gasp record collect")


def _titled(row: Json) -> Json:
    return {**row, "title": str(TITLES[row["name"]])}
