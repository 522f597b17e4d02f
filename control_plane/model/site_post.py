"""Notices that a department posts to its first home page: title, date, text and at most one file, in a column.

Pure: what a post is, what is wrong with one, and what an offering says about its columns. Must not know how they look.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from control_plane.model.content_check import ContentCheck
from control_plane.model.errors import Problem
from control_plane.model.text import t

if TYPE_CHECKING:
    from control_plane.model.offering import EstateView, SubscriptionView

MOST_TITLE, MOST_TEXT, MOST_POSTS = 200, 20_000, 500
#: Octets of the file of one post.
LARGEST_FILE = 20 << 20
#: Octets of the files of all posts of one site: a release is made of all of them.
LARGEST_FILES = 100 << 20
EARLIEST = date(1990, 1, 1)


@dataclass(frozen=True, slots=True)
class PostFile:
    """The file of a post: what it is called, its ending (`model.file_kind`), octets, hash of its content, and what the
    antivirus engine has said of it (None: not kept yet)."""

    name: str
    kind: str
    octets: int
    sha256: str
    check: ContentCheck | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """One post. `column` is a path of the site, such as `notices/`; `changed_by` the key of the actor."""

    id: int
    tenant_id: str
    site: str
    column: str
    title: str
    day: date
    text: str
    file: PostFile | None
    withdrawn: bool
    version: int
    changed_at: datetime
    changed_by: str

    @property
    def page(self) -> str:
        """Its path on the site."""
        return f"{self.column}{self.id}.html"

    @property
    def file_path(self) -> str | None:
        """The path of its file on the site; what somebody called it is not in it."""
        return f"files/{self.id}-{self.file.sha256[:8]}.{self.file.kind}" if self.file else None


@dataclass(frozen=True)
class Posting:
    """What an offering says of posts: `columns` path → its names in Chinese and English; `render` makes all files of
    the first home page of one site (main name) with these posts; `contents` gives the file of a hash."""

    columns: Mapping[str, tuple[str, str]]
    render: Callable[[SubscriptionView, EstateView, str, Sequence[Post], Callable[[str], bytes]], Mapping[str, bytes]]


def post_problems(
    column: str, title: str, day: str, text: str, columns: Mapping[str, object], today: date
) -> list[Problem]:
    """Everything that is wrong with a post."""
    found = []
    if column not in columns:
        names = ", ".join(columns)
        found.append(
            Problem("no-column", t("There is no such column."), t("Use one of {names}.", names=names), field="column")
        )
    if not title:
        found.append(Problem("no-title", t("The title is missing."), t("Write one line."), field="title"))
    elif len(title) > MOST_TITLE:
        text_ = t("The title has {count} characters; {limit} are the most.", count=len(title), limit=MOST_TITLE)
        found.append(Problem("title-too-long", text_, t("Write the rest into the text."), field="title"))
    if any(_unseen(c) for c in title):
        found.append(_hidden("title"))
    if len(text) > MOST_TEXT:
        text_ = t("The text has {count} characters; {limit} are the most.", count=len(text), limit=MOST_TEXT)
        found.append(Problem("text-too-long", text_, t("Put the whole into a file."), field="text"))
    if any(_unseen(c) for c in text.replace("\n", "").replace("\t", "")):
        found.append(_hidden("text"))
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        remedy = t("Write it like {example}.", example=today.isoformat())
        found.append(Problem("no-date", t("This is no date."), remedy, field="day"))
    else:
        if not EARLIEST <= wanted <= today:
            remedy = t("Use the day on which it was issued, {today} at the latest.", today=today.isoformat())
            found.append(
                Problem("date-outside", t("A notice is not dated ahead, nor that long ago."), remedy, field="day")
            )
    return found


def _unseen(sign: str) -> bool:
    return (
        unicodedata.category(sign) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
        or sign in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
    )


def _hidden(field: str) -> Problem:
    text, remedy = t("There are signs in it that cannot be seen."), t("Type it anew, or paste it as plain text.")
    return Problem("hidden-sign", text, remedy, field=field)
