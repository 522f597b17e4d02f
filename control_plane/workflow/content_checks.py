"""Contents that may be published, looked at by the centre's antivirus engine: releases of sites, files of notices.

A small release is looked at while it is uploaded, a large one by the worker, and what nobody could look at waits.
`Applier` puts nothing on a host that has not passed. Could not be looked at is never clean. What is shown is looked at
again when signatures are new; what is found then is told, and stays until somebody of its department or of the centre
publishes something else: a site is not switched off because of a signature that may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.model.attachment import FileScanner, Scan
from control_plane.model.content_check import (
    AT_ONCE,
    AT_ONCE_FILES,
    LARGEST_CHECKED,
    REMEDY,
    TOGETHER,
    TOGETHER_FILES,
    CheckState,
    ContentCheck,
    infected_file,
    infected_release,
)
from control_plane.model.errors import Invalid, NotFound, Rejected, TemporaryError, told_of
from control_plane.model.ports import CheckedArchive, StagedRelease
from control_plane.model.text import t
from control_plane.store.repository import Store
from control_plane.workflow.contents import Contents

Json = dict[str, Any]
MOST_WAITING = 1000
AGAIN_AT_ONCE = 50
"""Releases that are looked at again in one turn of the worker."""


class Unreadable(TemporaryError):
    """The engine is well: this content is more than it takes, or what it cannot read."""


@dataclass(frozen=True)
class Verdict:
    """What the engine says of a release; `place`: the file in which it found something."""

    scan: Scan
    place: str | None = None


@dataclass(frozen=True)
class ContentChecks:
    """Asks the engine and writes down what it says."""

    store: Store
    contents: Contents
    scanner: Callable[[], FileScanner]

    # while it is brought in --------------------------------------------------------------------------------------
    def uploaded(self, checked: CheckedArchive, staged: StagedRelease) -> Verdict | str | None:
        """What is to be kept of an upload's check: a verdict, why there is none, or None for one that the worker looks
        at. Raises Invalid with the file in which malware was found."""
        known = self.store.content_checks.of([checked.release_id])[checked.release_id]
        if known.state is CheckState.CLEAN or checked.bytes > AT_ONCE or checked.files > AT_ONCE_FILES:
            return None
        try:
            verdict = self._verdict(staged.files())
        except TemporaryError as error:
            return str(error.text)
        if verdict.scan.found is not None:
            raise Invalid([infected_file(verdict.place or "–", verdict.scan.found)])
        return verdict

    def keep(self, name: str, said: Verdict | str | None) -> None:
        """Write down what `uploaded` or `file` said, in the transaction that writes the content's row."""
        self.store.content_checks.again(name)
        if isinstance(said, Verdict):
            self.store.content_checks.checked(name, said.scan, said.place)
        elif said is not None:
            self.store.content_checks.unseen(name, said)

    def file(self, content: bytes) -> Verdict | str:
        """What the engine says of one file, or why it could not look."""
        try:
            return Verdict(self.scanner().scan({"file": content})["file"])
        except TemporaryError as error:
            return str(error.text)

    # before it is shown ------------------------------------------------------------------------------------------
    def demand(self, release: str) -> None:
        """Have a stored release looked at unless it was. Raises Rejected when malware was found in it or a file is too
        large, TemporaryError when nobody could look at it."""
        check = self.store.content_checks.of([release])[release]
        if check.state is CheckState.WAITING:
            try:
                check = self._look(release)
            except Unreadable as error:
                raise Rejected(error.text, t("Take that file out, and upload the archive again.")) from error
            except TemporaryError as error:
                raise TemporaryError(
                    t("Release {release} is not checked for malware yet, so nobody is shown it: {why}",
                      release=release[:8], why=error.text),
                    t("It is tried again by itself; then give the command again."),
                ) from error  # fmt: skip
        if check.state is CheckState.INFECTED:
            raise Rejected(infected_release(release, check), REMEDY)

    # the worker --------------------------------------------------------------------------------------------------
    def look_at_files(self, *, due: bool = False) -> Json:
        """Have files of notices looked at: {clean, infected, odd, error}; `error`: why the engine does not answer."""

        def one(digest: str) -> ContentCheck:
            scan = self.scanner().scan({"file": self.contents.files.get(digest)})["file"]
            check = self.store.content_checks.checked(digest, scan)
            if check.state is CheckState.INFECTED:
                self.contents.let_go_files([digest])
            return check

        return self._each(self.store.content_checks.waiting_files(MOST_WAITING, due=due), one)

    def look_at_releases(self, *, due: bool = False) -> Json:
        """The same with stored releases."""
        return self._each(self.store.content_checks.waiting_releases(MOST_WAITING, due=due), self._look)

    def look_again(self) -> Json:
        """The same with what is live or in preview, when it passed with other signatures than today's. Raises
        TemporaryError when the engine does not answer."""
        shown = self.contents.shown()
        today = next(iter(self._nothing().values())).signatures if shown else ""
        return self._each(self.store.content_checks.older(shown, today, AGAIN_AT_ONCE), self._again)

    def _each(self, names: Iterable[str], look: Callable[[str], ContentCheck]) -> Json:
        found: Json = {"clean": 0, "infected": 0, "odd": 0, "error": None}
        for name in names:
            try:
                found[self._twice(look, name).state.value] += 1
            except (Unreadable, NotFound, OSError) as error:  # its trouble alone: no other waits for it
                self.store.content_checks.unseen(name, str(told_of(error)), odd=True)
                found["odd"] += 1
            except TemporaryError as error:
                self.store.content_checks.unseen(name, str(error.text))
                return {**found, "error": str(error.text)}
        return found

    def _twice(self, look: Callable[[str], ContentCheck], name: str) -> ContentCheck:
        """Once more when the engine answers after all: it may have come back just now. Raises Unreadable when it says
        nothing of this content alone, TemporaryError when it is away."""
        for _ in range(2):
            try:
                return look(name)
            except Unreadable:
                raise
            except TemporaryError as error:
                if not self._answers():
                    raise
                trouble = error
        raise Unreadable(trouble.text)

    def _again(self, release: str) -> ContentCheck:
        return self._look(release, passed=True)

    def _look(self, release: str, *, passed: bool = False) -> ContentCheck:
        """`passed`: it was clean before, so that it still is goes without saying."""
        verdict = self._verdict(self.contents.releases.files(release))
        recorded = not passed or verdict.scan.found is not None
        check = self.store.content_checks.checked(release, verdict.scan, verdict.place, recorded=recorded)
        if check.state is CheckState.INFECTED:
            self.contents.let_go_releases([release])
        return check

    def _answers(self) -> bool:
        """Whether the engine looks at something that is nothing: then it is the content that it cannot read."""
        try:
            return bool(self._nothing())
        except TemporaryError:
            return False

    def _verdict(self, files: Iterable[tuple[str, bytes]]) -> Verdict:
        """The first thing that is found in some files; of no file at all: nothing."""
        scan: Scan | None = None
        for batch in _batches(files):
            said = self.scanner().scan({str(number): content for number, (_, content) in enumerate(batch)})
            for number, (place, _) in enumerate(batch):
                scan = said[str(number)]
                if scan.found is not None:
                    return Verdict(scan, place)
        return Verdict(scan or next(iter(self._nothing().values())))

    def _nothing(self) -> Mapping[str, Scan]:
        return self.scanner().scan({"nothing": b"nothing"})


def _batches(files: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """What goes to the engine in one command each; it says nothing of empty files."""
    batch: list[tuple[str, bytes]] = []
    octets = 0
    for place, content in files:
        if len(content) > LARGEST_CHECKED:
            said = t("The file {place} is larger than the engine takes ({limit} MiB).",
                     place=place, limit=LARGEST_CHECKED >> 20)  # fmt: skip
            raise Unreadable(said)
        if not content:
            continue
        if batch and (len(batch) == TOGETHER_FILES or octets + len(content) > TOGETHER):
            yield batch
            batch, octets = [], 0
        batch.append((place, content))
        octets += len(content)
    if batch:
        yield batch
