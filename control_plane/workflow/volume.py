"""Marks of the month's internet volume are told to the department and to operators, each once.

Level-triggered: the gateway remembers what was reached, a notice's key what was told. Killed or away for days, the
next turn tells what is missing and nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from control_plane.model.client_internet import UsageReader
from control_plane.model.notice import Notice, NoticeKind
from control_plane.model.text import Text
from control_plane.model.volume import Mark, marks, month_end, rate_words, volume_words
from control_plane.model.windows import moment_words
from control_plane.store.repository import Store

KINDS = {"warned": NoticeKind.VOLUME_WARNED, "throttled": NoticeKind.VOLUME_THROTTLED}
#: Who hears of it, beside the department's contacts.
ROLES = ("clerk", "approver", "operator")


@dataclass(frozen=True)
class VolumeTeller:
    """Makes notices of marks."""

    store: Store
    usage: UsageReader

    def tick(self) -> list[str]:
        """One look at the gateway; keys of what is told now. Raises TemporaryError when the gateway says nothing."""
        used = self.usage()
        ids = {row.code: row.id for row in self.store.estate.tenants()}
        reached: dict[str, tuple[str, Mark]] = {
            mark.key(ids[code]): (ids[code], mark) for code in sorted(used.keys() & ids) for mark in marks(used[code])
        }
        known = self.store.mail.known(reached)
        fresh = [key for key in reached if key not in known]
        for key in fresh:
            tenant, mark = reached[key]
            self.store.mail.notify(Notice(key, KINDS[mark.mark], (), ROLES, (), tenant, _words(mark)))
        return fresh


def _words(mark: Mark) -> Mapping[str, str | Text]:
    return {
        "percent": str(mark.percent),
        "limit": volume_words(mark.month_octets),
        "rate": rate_words(mark.throttle_kbit),
        "since": moment_words(mark.at),
        "until": moment_words(month_end(mark.month)),
    }
