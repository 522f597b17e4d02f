"""Rollouts: what goes out in waves, how a wave is judged, and the one sentence of each state.

Pure rules: `judge` decides from facts and thresholds alone. Errors are judged before success, and what cannot be
evaluated never counts as passed.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.machine import Ring
from control_plane.model.scope import RINGS
from control_plane.model.states import state_word
from control_plane.model.text import Text, t, tn

RolloutKind = Literal["patches", "signatures", "configuration"]
KINDS: Mapping[str, Text] = {
    "patches": t("patches"),
    "signatures": t("signatures"),
    "configuration": t("configuration"),
}
#: States of items whose words mean something else elsewhere.
ITEM_STATES: Mapping[str, str] = {"off": "unanswered", "removed": "removed_from"}
#: In which order rings get a change.
ORDER = (Ring.CENTRE, Ring.PILOT, Ring.BROAD, Ring.ALL, Ring.SERVERS)


class RolloutState(StrEnum):
    """Where a rollout is."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    SOAKING = "soaking"
    PAUSED = "paused"
    WAITING = "waiting"
    STOPPED = "stopped"
    ABORTED = "aborted"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    CATCHING_UP = "catching_up"
    DONE = "done"


#: States in which `tick` has something to do.
MOVING = frozenset(
    {
        RolloutState.SCHEDULED,
        RolloutState.RUNNING,
        RolloutState.SOAKING,
        RolloutState.ROLLING_BACK,
        RolloutState.CATCHING_UP,
    }
)
#: What a person may do in which state.
ACTS: Mapping[str, frozenset[RolloutState]] = {
    "release": frozenset({RolloutState.DRAFT, RolloutState.WAITING, RolloutState.STOPPED, RolloutState.SOAKING}),
    "pause": MOVING - {RolloutState.ROLLING_BACK},
    "resume": frozenset({RolloutState.PAUSED}),
    "abort": frozenset(RolloutState) - {RolloutState.DONE, RolloutState.ABORTED, RolloutState.ROLLED_BACK},
    "rollback": frozenset(RolloutState)
    - {RolloutState.DRAFT, RolloutState.SCHEDULED, RolloutState.ROLLED_BACK, RolloutState.ROLLING_BACK},
}


def ring_words(ring: Ring) -> Text:
    """A ring as people call it: `1 pilot`."""
    return RINGS[ring.name.lower()]


def items_of(kind: str, count: int) -> Text:
    """So many of what a rollout of this kind touches, in words."""
    if kind == "configuration":
        return tn("{count} department", "{count} departments", count=count)
    return tn("{count} machine", "{count} machines", count=count)


def refuse_by_state(act: str, rollout_id: int, state: RolloutState) -> None:
    """Raises Rejected for an act that this state does not allow."""
    if state not in ACTS[act]:
        raise Rejected(
            t("Rollout {id} is {state}; that cannot be done now.", id=rollout_id, state=state_word(state)),
            t("See gasp rollouts show {id}.", id=rollout_id),
        )


class ItemState(StrEnum):
    """What became of one machine (or subscription) of a rollout."""

    PENDING = "untouched"
    TOUCHING = "touching"
    INSTALLED = "installed"
    OK = "ok"
    FAILED = "failed"
    UNMEASURED = "unmeasured"
    OFF = "off"
    REMOVED = "removed"
    RETURNED = "returned"


ITEM_SENTENCES: Mapping[ItemState, Text] = {
    ItemState.PENDING: t("It was not touched yet."),
    ItemState.TOUCHING: t("It is being changed, or was when the worker ended; it is done again."),
    ItemState.INSTALLED: t("It was changed and is not measured yet."),
    ItemState.OK: t("Measured: it has what it should."),
    ItemState.FAILED: t("It said no."),
    ItemState.UNMEASURED: t("It was changed and could not be measured; that is no success."),
    ItemState.OFF: t("It does not answer; it catches up when it is back."),
    ItemState.REMOVED: t("It was retired or ended during the rollout."),
    ItemState.RETURNED: t("It has again what it had before."),
}


class RolloutEvent(StrEnum):
    """Every boundary of a rollout, in the order in which they can occur. Fault tests kill at each of them."""

    CREATED = "rollout.created"
    RELEASED = "rollout.released"
    STARTED = "wave.started"
    PUBLISHING = "wave.publishing"
    PUBLISHED = "wave.published"
    TOUCHING = "item.touching"
    ITEM = "item.done"
    MEASURED = "wave.measured"
    JUDGED = "wave.judged"
    SETTLED = "wave.settled"
    FINISHED = "wave.finished"
    CAUGHT_UP = "item.caught_up"
    OPENED = "wave.opened"
    JOINED = "item.joined"
    PAUSED = "rollout.paused"
    RESUMED = "rollout.resumed"
    WAITING = "rollout.waiting"
    STOPPED = "rollout.stopped"
    ABORTED = "rollout.aborted"
    ROLLING_BACK = "rollback.started"
    UNPUBLISHED = "rollback.published"
    RETURNED = "rollback.item"
    ENDED = "rollout.ended"


_SHARE = re.compile(r"\d{1,3}(\.\d{1,3})?\s*%?")


def parse_share(text: str) -> Decimal:
    """A share in per cent: `5`, `5 %` and `５％` are the same. Raises ValueError for anything else than 0 to 100."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not _SHARE.fullmatch(plain):
        raise ValueError(text)
    share = Decimal(plain.rstrip("% "))
    if share > 100:
        raise ValueError(text)
    return share


def parse_count(text: str) -> int:
    """A number of machines, 0 or more. Raises ValueError for anything else."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if not re.fullmatch(r"\d{1,6}", plain):
        raise ValueError(text)
    return int(plain)


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_seconds(text: str) -> int:
    """A time span: `90`, `90 s`, `30m`, `24h`, `2d`. Raises ValueError for anything else or more than 60 days."""
    found = re.fullmatch(r"(\d{1,7})\s*([smhd]?)", unicodedata.normalize("NFKC", text).strip())
    seconds = int(found[1]) * _UNITS[found[2]] if found else -1
    if not 0 <= seconds <= 60 * 86400:
        raise ValueError(text)
    return seconds


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a wave goes on. Shares in per cent of the wave's machines that were reached.

    `errors` and `error_count`: more failures than either stop. `success`: less than this share measured as good does
    not go on by itself. `reached`: when less than this share of the wave answered, a person decides. `soak`: seconds
    between the last measurement of a wave and the one that lets the next begin.
    """

    success: Decimal = Decimal(90)
    errors: Decimal = Decimal(2)
    error_count: int = 10
    reached: Decimal = Decimal(50)
    soak: int = 86400

    def as_json(self) -> dict[str, str]:
        """Storable form."""
        return {
            "success": f"{self.success}",
            "errors": f"{self.errors}",
            "error_count": f"{self.error_count}",
            "reached": f"{self.reached}",
            "soak": f"{self.soak}",
        }


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "success": parse_share,
    "errors": parse_share,
    "error_count": parse_count,
    "reached": parse_share,
    "soak": parse_seconds,
}
_REMEDIES: Mapping[Callable[[str], Any], Text] = {
    parse_share: t("Write a share from 0 to 100, such as 5 or 5 %."),
    parse_count: t("Write a number of machines, such as 3."),
    parse_seconds: t("Write a time such as 90s, 30m, 24h or 2d, at most 60d."),
}


def read_thresholds(texts: Mapping[str, Any]) -> Thresholds:
    """Thresholds from what was typed or stored; what is not given has its default. Raises Invalid with all faults."""
    values: dict[str, Any] = {}
    problems = []
    for name, text in texts.items():
        parse = _PARSERS.get(name)
        try:
            if parse is None:
                raise ValueError(name)
            values[name] = parse(str(text))
        except ValueError:
            problem = t("“{text}” is no threshold for {name}.", text=text, name=name)
            problems.append(Problem("bad-threshold", problem, _REMEDIES[parse] if parse else None, field=name))
    if problems:
        raise Invalid(problems)
    return Thresholds(**values)


@dataclass(frozen=True, slots=True)
class WaveFacts:
    """What is known of a wave: machines by state, and when the last of them that answers was measured."""

    states: Mapping[ItemState, int]
    settled_at: datetime | None = None

    @classmethod
    def of(cls, states: Iterable[ItemState], settled_at: datetime | None = None) -> WaveFacts:
        """Facts from the states of all machines."""
        return cls(Counter(states), settled_at)

    def count(self, *states: ItemState) -> int:
        """How many machines are in one of these states."""
        return sum(self.states.get(state, 0) for state in states)

    @property
    def total(self) -> int:
        """Machines that still belong to the wave."""
        return sum(self.states.values()) - self.count(ItemState.REMOVED)

    @property
    def open(self) -> int:
        """Machines that are still to be touched or measured."""
        return self.count(ItemState.PENDING, ItemState.TOUCHING, ItemState.INSTALLED)

    @property
    def reached(self) -> int:
        """Machines that answered: good, failed, or touched and then not measurable."""
        return self.count(ItemState.OK, ItemState.FAILED, ItemState.UNMEASURED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now. stop: by threshold. person: nobody but a person may decide. work: machines are left to do.
    soak: wait until `until`. next: go on. `text` says why."""

    act: Literal["stop", "person", "work", "soak", "next"]
    text: Text
    until: datetime | None = None


def judge(facts: WaveFacts, thresholds: Thresholds | None, now: datetime, kind: str) -> Verdict:
    """Judge one wave. `thresholds` None: they could not be read, which means stop. `now` matters for the soak only,
    `kind` of the rollout for the words only."""
    if thresholds is None:
        return Verdict("stop", t("A threshold cannot be read, so nothing may go on."))
    failed = facts.count(ItemState.FAILED)
    base = facts.total if facts.open else facts.reached
    if failed > thresholds.error_count:
        said = t(
            "{things} failed; more than {limit} may not.", things=items_of(kind, failed), limit=thresholds.error_count
        )
        return Verdict("stop", said)
    if failed and 100 * failed > thresholds.errors * base:
        share = _percent(failed, base)
        said = t(
            "{failed} of {things} failed: {share} % is over {limit} %.",
            failed=failed, things=items_of(kind, base), share=share, limit=_number(thresholds.errors),
        )  # fmt: skip
        return Verdict("stop", said)
    if not facts.total:
        return Verdict("person", t("Nobody is left in this wave; that is no success."))
    if facts.open:
        things = items_of(kind, facts.total)
        return Verdict("work", t("Of {things}, {open} left to do.", open=facts.open, things=things))
    good = facts.count(ItemState.OK)
    if not facts.reached:
        things = items_of(kind, facts.total)
        return Verdict("person", t("0 of {things} answered; that is no success.", things=things))
    if 100 * facts.reached < thresholds.reached * facts.total:
        said = t(
            "Only {reached} of {things} answered; at least {limit} % must.",
            reached=facts.reached, things=items_of(kind, facts.total), limit=_number(thresholds.reached),
        )  # fmt: skip
        return Verdict("person", said)
    reached = items_of(kind, facts.reached)
    if not good or 100 * good < thresholds.success * facts.reached:
        said = tn(
            "{good} of {things} was measured as good: {share} % is under {limit} %.",
            "{good} of {things} were measured as good: {share} % is under {limit} %.",
            good=good, count=facts.reached, things=reached, share=_percent(good, facts.reached),
            limit=_number(thresholds.success),
        )  # fmt: skip
        return Verdict("person", said)
    if facts.settled_at is None:
        return Verdict("work", t("All answered; the last measurement is not written yet."))
    until = facts.settled_at + timedelta(seconds=thresholds.soak)
    if now < until:
        said = tn(
            "{things} is good; it is watched.",
            "{things} are good; it is watched.",
            count=good,
            things=items_of(kind, good),
        )
        return Verdict("soak", said, until)
    if failed:
        said = t(
            "{good} of {things} are good; {failed} failed: {share} % is not over {limit} %.",
            good=good, things=reached, failed=failed, share=_percent(failed, facts.reached),
            limit=_number(thresholds.errors),
        )  # fmt: skip
        return Verdict("next", said)
    return Verdict(
        "next",
        tn(
            "{good} of {things} is good.",
            "{good} of {things} are good.",
            good=good,
            count=facts.reached,
            things=reached,
        ),
    )


def _percent(part: int, whole: int) -> str:
    return _number(Decimal(100 * part) / max(whole, 1))


def _number(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.1')):f}".removesuffix(".0")


def sentence(
    state: RolloutState,
    *,
    wave: int = 0,
    waves: int = 0,
    why: Text | None = None,
    until: str = "",
    past: bool = False,
    left: int = 0,
    touched: bool = True,
) -> Text:
    """What goes on, what it waits for, and until when: one sentence a state.

    `wave` of `waves` is the present one (0: none was begun), `why` the verdict, a person's reason, or what is in the
    way, `until` a time for people (`past`: it has come) or when it ended, `left` the number of machines or services
    that are not there yet, `touched` whether one of them had been touched.
    """
    at, reason = {"wave": wave, "waves": waves}, why if why is not None else t("no reason was given")
    match state:
        case RolloutState.DRAFT:
            return t("Nothing goes on yet; it waits for a person to release it, with no time set.")
        case RolloutState.SCHEDULED if until and not past:
            return t("Nothing goes on yet; it waits for its time and begins at {until}.", until=until)
        case RolloutState.SCHEDULED:
            return t("Nothing goes on yet; it waits for the worker, which begins it within seconds.")
        case RolloutState.RUNNING if why is not None:
            return t("Wave {wave} of {waves} is held up with {left} still open and goes on by itself when this is over:"
                     " {why}", **at, left=left, why=why)  # fmt: skip
        case RolloutState.RUNNING if until:
            return t("Wave {wave} of {waves} goes on; {left} still open wait for their window, which opens at {until}.",
                     **at, left=left, until=until)  # fmt: skip
        case RolloutState.RUNNING if left:
            return t(
                "Wave {wave} of {waves} goes on; it ends when the {left} still open are measured.", **at, left=left
            )
        case RolloutState.RUNNING:
            return t("Wave {wave} of {waves} goes on; all of it is measured, and it is judged within seconds.", **at)
        case RolloutState.SOAKING if past:
            return t("Wave {wave} of {waves} was watched until {until} and waits to be measured once more: {why}",
                     **at, until=until, why=reason)  # fmt: skip
        case RolloutState.SOAKING:
            return t("Wave {wave} of {waves} is installed and watched; it is measured once more at {until}: {why}",
                     **at, until=until, why=reason)  # fmt: skip
        case RolloutState.PAUSED if not wave:
            return t("Paused before its first wave; it waits for a person to resume it, with no time set: {why}",
                     why=reason)  # fmt: skip
        case RolloutState.PAUSED:
            return t("Paused in wave {wave} of {waves} with {left} still open; it waits for a person to resume it, with"
                     " no time set: {why}", **at, left=left, why=reason)  # fmt: skip
        case RolloutState.WAITING:
            return t("Wave {wave} of {waves} stands still; it waits for a person to release, abort or roll back, with"
                     " no time set: {why}", **at, why=reason)  # fmt: skip
        case RolloutState.STOPPED:
            return t("Stopped by itself in wave {wave} of {waves}; it waits for a person to release, abort or roll"
                     " back, with no time set: {why}", **at, why=reason)  # fmt: skip
        case RolloutState.ABORTED:
            return t("Ended by a person at {until}; what is installed stays: {why}", until=until, why=reason)
        case RolloutState.ROLLING_BACK:
            return t("It goes back to what was before; it ends when the {left} still open have that: {why}",
                     left=left, why=reason)  # fmt: skip
        case RolloutState.ROLLED_BACK if not touched:
            return t("Ended at {until}; nothing had been touched, so everything is as it was: {why}",
                     until=until, why=reason)  # fmt: skip
        case RolloutState.ROLLED_BACK:
            return t("Ended at {until}; everything that was touched has again what it had before: {why}",
                     until=until, why=reason)  # fmt: skip
        case RolloutState.CATCHING_UP:
            return t("All waves are done; {left} that were off or not measured are waited for, with no time set, and"
                     " catch up when they are back.", left=left)  # fmt: skip
        case RolloutState.DONE:
            return t("Ended at {until}; all waves are done.", until=until)
