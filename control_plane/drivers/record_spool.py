"""Brings closed segments of the access record from a gateway: one command a batch, confirmed with the next one.

What a segment looks like is said in `playbooks/roles/gateway/files/access_spool.py`. A segment whose hash is wrong is
handed on as damaged, never as fewer lines. Must not confirm by itself: only the caller knows what is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from control_plane.drivers.ssh import Runner
from control_plane.model.errors import TemporaryError
from control_plane.model.record import FIELDS, Damaged, Gap, Segment, SpoolState
from control_plane.model.text import t

PROGRAM = "/usr/local/lib/gasp/access_spool.py"
CONFIG = "/etc/gasp/access.json"
FETCH_SECONDS = 120.0


class SpoolReader:
    """Implements `model.record.Spool` for a gateway that the role has prepared."""

    def __init__(self, runner: Runner, host: str, program: str = PROGRAM, config: str = CONFIG) -> None:
        self.host = host
        self._runner = runner
        self._argv = ["python3", "-B", program, "send", config]

    def fetch(
        self, confirmed: Sequence[tuple[int, str]] = (), skipped: Sequence[int] = (), limit: int = 64 << 20
    ) -> tuple[SpoolState, Sequence[Segment | Damaged]]:
        """See `Spool.fetch`."""
        order = [f"{sequence} {digest}" for sequence, digest in confirmed]
        order += [f"skip {sequence}" for sequence in skipped]
        done = self._runner.run(
            self.host, self._argv, "\n".join([*order, f"limit {limit}", ""]).encode(), FETCH_SECONDS
        )
        if done.rc != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise TemporaryError(
                t("The spool of the access record on {host}: {reason}", host=self.host, reason=(said or ["?"])[-1]),
                t("Set the gateway up again: gasp bringup."),
            )
        head, _, rest = done.stdout.partition(b"\n")
        try:
            return _state(head), _unpack(rest)
        except (ValueError, KeyError, TypeError) as error:
            raise TemporaryError(
                t("The spool of the access record on {host}: {reason}", host=self.host, reason=str(error)),
                t("Try again; nothing was deleted there."),
            ) from error


def _state(text: bytes) -> SpoolState:
    said = orjson.loads(text)
    return SpoolState(
        said["waiting"], said["octets"], said["free"], said["warn_octets"], said["running"], moment(said["at"])
    )


def _unpack(rest: bytes) -> list[Segment | Damaged]:
    found: list[Segment | Damaged] = []
    while rest:
        head, _, rest = rest.partition(b"\n")
        name, length = head.split()
        content, rest = rest[: int(length)], rest[int(length) :]
        if len(content) != int(length):
            raise ValueError("the answer ended early")
        found.append(read_segment(int(name), content))
    return found


def moment(text: str | float) -> datetime:
    """A time of the spool. Raises ValueError."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"no time: {text}") from error


def read_segment(sequence: int, content: bytes) -> Segment | Damaged:
    """Check a segment whole: form, numbers, count of lines, hash."""
    body, mark, tail = content.rpartition(b"\nS\t")
    body += b"\n"
    digest = hashlib.sha256(body).hexdigest()
    if not mark or tail != f"{digest}\n".encode():
        return Damaged(sequence, "hash", content)
    try:
        rows = body.decode("utf-8").split("\n")[:-1]
        head, last = rows[0].split("\t"), rows[-1].split("\t")
        if head[0] != "H" or head[1] != "1" or last[0] != "E" or int(head[3]) != sequence:
            return Damaged(sequence, "form", content)
        gaps, lines = [], []
        for row in rows[1:-1]:
            match row[:2]:
                case "L\t":
                    lines.append(_line(row[2:]))
                case "G\t":
                    _, source, begin, end, reason, detail = row.split("\t")
                    gaps.append(Gap(source, moment(begin), moment(end), reason, detail))
                case "B\t":
                    pass
                case _:
                    return Damaged(sequence, "form", content)
        if len(lines) != int(last[2]):
            return Damaged(sequence, "count", content)
        return Segment(
            head[2], sequence, head[4], digest, moment(head[6]), moment(last[1]), len(content), gaps, lines
        )  # fmt: skip
    except (ValueError, IndexError):
        return Damaged(sequence, "form", content)


def _line(text: str) -> str:
    fields = text.split("\t")
    if len(fields) != len(FIELDS):
        raise ValueError("number of fields")
    moment(fields[1])
    moment(fields[2] or 0)
    for at in (6, 8, 11, 12, 13):
        int(fields[at] or 0)
    return text
