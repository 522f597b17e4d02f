"""What antivirus does by itself: when a machine is scanned, when a new set of signatures goes out, and what waits.

Pure rules. A scan that ended counts for a while only, and one that was begun goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal

from control_plane.model.machine import Machine
from control_plane.model.text import Text, t
from control_plane.model.windows import ZONE, Calendar, window_at

#: What is scanned when nobody says: where people keep files, not what packages brought.
SCAN_PATHS = ("/home", "/root", "/srv", "/tmp", "/var/tmp", "/opt", "/usr/local")
#: A machine that did not answer is asked again after this long, one whose scan ended badly after `RETRY_FAILED`.
RETRY_SILENT, RETRY_FAILED = timedelta(minutes=10), timedelta(hours=1)
#: A scan that stood still for longer is begun anew: what it saw first is too long ago.
STALE_SCAN = timedelta(days=3)
#: The first attempt after a failed fetch, and the longest pause between two.
FETCH_AGAIN, FETCH_LATEST = timedelta(minutes=15), timedelta(hours=4)
#: While fetching fails, operators are told again after this long.
TELL_AGAIN = timedelta(days=1)
#: A rollout of signatures begins on working days between these hours, when workstations are on.
OPENS, CLOSES = time(9), time(15)
#: Clocks of machines may be ahead by this much.
AHEAD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ByItself:
    """Settings. `scan_every`, `fetch_every` None: not by itself. `scan_counts`: how long a finished scan says
    something. `scan_in_window`: only in the window of the machine's ring. `soak` in seconds, between two rings.
    `at_once`: a rollout begins at any hour."""

    scan_every: timedelta | None = timedelta(days=3)
    scan_counts: timedelta = timedelta(days=7)
    scan_in_window: bool = True
    fetch_every: timedelta | None = timedelta(days=1)
    soak: int = 3600
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class ScanRecord:
    """What is known of a machine's scans. `began_at` is None while none is under way; `cursor` says where that one is.
    `scanned_at`: when the last complete one ended, by the machine's clock; `ended_at` by ours. `silent`: the last
    attempt failed because the machine did not answer."""

    machine: str
    began_at: datetime | None = None
    cursor: str | None = None
    files: int = 0
    found: int = 0
    tried_at: datetime | None = None
    scanned_at: datetime | None = None
    ended_at: datetime | None = None
    silent: bool = False
    error: Text | None = None


def counts(scanned_at: datetime | None, now: datetime, counts_for: timedelta) -> bool:
    """Whether a scan that ended then says anything of now. One that ended in the future was dated by a wrong clock."""
    return scanned_at is not None and scanned_at - AHEAD <= now <= scanned_at + counts_for


ScanWord = Literal["now", "off", "later", "window", "again"]


@dataclass(frozen=True, slots=True)
class Due:
    """Whether a machine may be scanned now; else from when on it may be (None: not by itself)."""

    word: ScanWord
    at: datetime | None = None


def scan_due(machine: Machine, record: ScanRecord | None, now: datetime, calendar: Calendar, rules: ByItself) -> Due:
    """now: it is its turn, or its scan goes on. later: it was scanned. again: the last attempt failed.
    window: its ring's window is shut."""
    if rules.scan_every is None:
        return Due("off")
    if record is not None:
        if record.began_at is None and record.ended_at is not None and now < record.ended_at + rules.scan_every:
            return Due("later", record.ended_at + rules.scan_every)
        if record.error is not None and record.tried_at is not None:
            again = record.tried_at + (RETRY_SILENT if record.silent else RETRY_FAILED)
            if now < again:
                return Due("again", again)
    if rules.scan_in_window:
        window = window_at(machine.ring, now, calendar)
        if window is None or window.opens > now:
            return Due("window", window.opens if window else None)
    return Due("now")


def goes_on(record: ScanRecord | None, now: datetime) -> bool:
    """Whether a scan that was begun may be gone on with."""
    return record is not None and record.began_at is not None and now - record.began_at < STALE_SCAN


def urgency(record: ScanRecord | None) -> tuple[int, float]:
    """Who is scanned first: what is under way, who never was, who was longest ago."""
    if record is None or (record.began_at is None and record.ended_at is None):
        return 1, 0.0
    if record.began_at is not None:
        return 0, record.began_at.timestamp()
    return 2, record.ended_at.timestamp() if record.ended_at else 0.0


def fetch_due(succeeded_at: datetime | None, failed_at: datetime | None, failures: int, every: timedelta) -> datetime:
    """When signatures are fetched next; failed attempts in a row are repeated later and later."""
    long_ago = datetime.min.replace(tzinfo=ZONE)
    if failures and failed_at is not None:
        return failed_at + min(FETCH_AGAIN * (1 << min(failures - 1, 8)), FETCH_LATEST)
    return succeeded_at + every if succeeded_at is not None else long_ago


def rollout_begins(now: datetime, calendar: Calendar) -> datetime | None:
    """When a rollout of signatures may begin: None means now, else the next working day's morning."""
    local = now.astimezone(ZONE)
    if not calendar.day_off(local.date()) and OPENS <= local.time() < CLOSES:
        return None
    day = local.date() if local.time() < OPENS else local.date() + timedelta(days=1)
    while calendar.day_off(day):
        day += timedelta(days=1)
    return datetime.combine(day, OPENS, ZONE)


#: What goes on by itself → what it is, for lists.
TITLES = {"scans": t("Scans of machines"), "signatures": t("New signatures")}
