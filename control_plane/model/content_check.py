"""What the centre's antivirus engine has said of contents that may be published: releases of sites, files of notices.

A content is known by its name: the id of a release, the hash of a file. Whoever was never asked about is waiting, and
what waits is shown to nobody outside the centre's own pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from control_plane.model.attachment import shut
from control_plane.model.errors import Problem
from control_plane.model.text import Text, t

#: Octets of one file that the engine is given; of the files that it is given at once, and how many those are.
LARGEST_CHECKED, TOGETHER, TOGETHER_FILES = 128 << 20, 48 << 20, 2000
#: A release of so many octets and files is looked at while it is uploaded; a larger one waits for the worker.
AT_ONCE, AT_ONCE_FILES = 16 << 20, 2000


class CheckState(StrEnum):
    """Where a content is. Only what is clean is published."""

    WAITING = "waiting"
    CLEAN = "clean"
    INFECTED = "infected"


@dataclass(frozen=True, slots=True)
class ContentCheck:
    """`found` is what was found, `place` in which file of the release, `signatures` the set it was looked at with,
    `error` why it could not be looked at the last time."""

    name: str
    state: CheckState = CheckState.WAITING
    found: str | None = None
    place: str | None = None
    signatures: str | None = None
    error: str | None = None


#: What is said of a release in each state; of an infected one `infected_release` says more.
SENTENCES: Mapping[CheckState, Text] = {
    CheckState.WAITING: t("It is not checked for malware yet. It can be published once it is; that goes on by itself."),
    CheckState.CLEAN: t("It was checked for malware; nothing was found."),
    CheckState.INFECTED: t("Malware was found in it. It is never published."),
}
#: Why a request waits.
UNCHECKED = t("Its content is not checked for malware yet; it goes on by itself once it is.")
REMEDY = t("Clean your own copy, take that file out, and upload the archive again.")


def infected_release(release: str, check: ContentCheck) -> Text:
    """What is said of a release in which something was found."""
    if check.found is not None and shut(check.found):
        return t("The file {place} of release {release} cannot be checked for malware: it is encrypted, or packed too "
                 "deep or too large ({what}).",
                 place=check.place or "–", release=release[:8], what=check.found)  # fmt: skip
    return t("In the file {place} of release {release} malware was found: {what}.",
             place=check.place or "–", release=release[:8], what=check.found or "–")  # fmt: skip


def missing_release(release: str) -> Text:
    """What is said of a release that is named and not stored, so nobody can look at it."""
    return t("Release {release} is not stored, so it cannot be checked and is not published; store it again.",
             release=release[:8])  # fmt: skip


def infected_file(place: str, found: str) -> Problem:
    """What keeps an archive from being stored."""
    said = t("In the file {place} of the archive malware was found: {what}.", place=place, what=found)
    if shut(found):
        said = t("The file {place} of the archive cannot be checked for malware: it is encrypted, or packed too deep "
                 "or too large ({what}).", place=place, what=found)  # fmt: skip
    return Problem("archive-infected", said, REMEDY, field="archive")


def sentence_of(check: ContentCheck, release: str) -> Text:
    """The state of a release in one sentence."""
    return infected_release(release, check) if check.state is CheckState.INFECTED else SENTENCES[check.state]


def releases_in(spec: Any) -> set[str]:
    """Releases that a form, which may be a draft and hold anything, names as live or in preview."""
    sites = spec.get("sites") if isinstance(spec, Mapping) else None
    found: set[str] = set()
    for site in sites if isinstance(sites, list) else ():
        if isinstance(site, Mapping):
            source = site.get("source")
            named = (source.get("release") if isinstance(source, Mapping) else None, site.get("preview"))
            found |= {release for release in named if isinstance(release, str) and release}
    return found
