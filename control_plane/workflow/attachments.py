"""Files that go with requests: checked by content and size, looked at by the centre's engine, part of the digest.

Could not be looked at is never clean: such a file is offered to nobody, and nobody signs a request that has one.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_plane.model.attachment import (
    KEPT_DAYS,
    LARGEST,
    LARGEST_ALL,
    MOST,
    Attachment,
    AttachmentState,
    FileScanner,
    Scan,
    infected_problems,
)
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected, TemporaryError, told_of
from control_plane.model.file_kind import KINDS, file_kind, shown_name, size_problem
from control_plane.model.request import Request, RequestEvent
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.repository import Store
from control_plane.workflow.contents import Contents
from control_plane.workflow.requests import Requests

Json = dict[str, Any]
#: Files and octets that the engine is given at once, and files that are looked at in one go; so many failures end it.
BATCH, BATCH_OCTETS, MOST_WAITING, MOST_FAILURES = 20, 40 << 20, 1000, 2
RULE = t(
    "Files count against your department's room while the request is open. Once it is live or refused they are kept "
    "for {days} days for the record and count no more; of a request that was taken back they are deleted at once.",
    days=KEPT_DAYS,
)
_CHECKED = frozenset(AttachmentState) - {AttachmentState.WAITING}
_Failed = tuple[Attachment, str]
STATES: dict[AttachmentState, Text] = {
    AttachmentState.WAITING: t("It is not checked for malware yet, so nobody can open it."),
    AttachmentState.CLEAN: t("It was checked for malware; nothing was found."),
    AttachmentState.INFECTED: t("Malware was found in it. Its content was deleted."),
    AttachmentState.EXPIRED: t("The request is over; its content was deleted by the rule for files."),
}


@dataclass(frozen=True)
class Attachments:
    """Implements `client_attachments.AttachmentsClient`. `quota`: octets of all files of one department's drafts and
    requests under way."""

    store: Store
    requests: Requests
    contents: Contents
    scanner: Callable[[], FileScanner]
    quota: int
    actor: Callable[[], Actor]

    def list(self, request: int | str) -> builtins.list[Json]:
        """See `AttachmentsClient.list`."""
        found = self.requests.find(request)
        files = self.store.attachments.of(found.id)
        mine = bool(files) and "save" in self.requests.acts(found)
        return [self._json(one, found, mine) for one in files]

    def add(self, request: int | str, path: Path, *, name: str = "") -> Json:
        """See `AttachmentsClient.add`."""
        found = self.requests.may("save", request)
        wrong = size_problem(path.stat().st_size, LARGEST, "file")
        content = b"" if wrong else path.read_bytes()
        kind = wrong or file_kind(content, name or path.name, "file")
        if isinstance(kind, Problem):
            raise Invalid([kind, *self._beyond(found, self.store.attachments.of(found.id), path.stat().st_size)])
        digest = hashlib.sha256(content).hexdigest()
        with self.contents.files.staged(content) as staged, self.store.transaction():
            found = self.requests.may("save", request)
            there = self.store.attachments.of(found.id)
            made = next((one for one in there if one.sha256 == digest), None)
            problems = infected_problems([made]) if made else self._beyond(found, there, len(content))
            if problems:
                raise Invalid(problems)
            if made is None:
                shown = shown_name(name or path.name, kind)
                made = self.store.attachments.add(found, shown, kind.ending, len(content), digest, self.actor())
                self._moved(found, {"attached": made.id})
            staged.place()  # known before: mends what was lost on the disk
        return self._json(made, found, True)

    def _beyond(self, found: Request, there: builtins.list[Attachment], octets: int) -> builtins.list[Problem]:
        """Limits of the request and of the department that one more file would break."""
        problems = []
        if len(there) >= MOST:
            text = t("There are {count} files already; that is the most for one request.", count=len(there))
            problems.append(Problem("too-many-files", text, t("Take one away first."), field="file"))
        whole = sum(one.octets for one in there) + octets
        if whole > LARGEST_ALL:
            text = t("With this file the request has {size} MiB; {limit} MiB are the most.",
                     size=whole >> 20, limit=LARGEST_ALL >> 20)  # fmt: skip
            problems.append(Problem("files-too-large", text, t("Take one away first."), field="file"))
        used = self.store.attachments.octets(found.content.tenant) + octets
        if used > self.quota:
            text = t(
                "With this file your department's open requests have {size} MiB of files; {limit} MiB are the most.",
                size=used >> 20,
                limit=self.quota >> 20,
            )
            remedy = t("Take files of drafts away, let open requests end, or ask the centre for more.")
            problems.append(Problem("quota-used", text, remedy, field="file"))
        return problems

    def remove(self, request: int | str, attachment: int) -> builtins.list[Json]:
        """See `AttachmentsClient.remove`."""
        found = self.requests.may("save", request)
        one = self.store.attachments.get(found.id, attachment)
        with self.store.transaction():
            self.store.attachments.remove(one, found.reference, self.actor())
            self._moved(found, {"removed": one.id})
        self.contents.let_go_files([one.sha256])
        return self.list(found.id)

    def fetch(self, request: int | str, attachment: int) -> tuple[str, str, bytes]:
        """See `AttachmentsClient.fetch`."""
        found = self.requests.find(request)
        one = self.store.attachments.get(found.id, attachment)
        if one.state is not AttachmentState.CLEAN:
            waits = one.state is AttachmentState.WAITING
            raise Rejected(STATES[one.state], t("Wait until it is checked; it is offered then.") if waits else None)
        return one.name, KINDS[one.kind].type, self.contents.files.get(one.sha256)

    def scan(self, *, due: bool = False) -> Json:
        """See `AttachmentsClient.scan`."""
        counts = {"clean": 0, "infected": 0, "odd": 0}
        failed = self._pass(self.store.attachments.waiting(MOST_WAITING, due=due), counts)
        if failed and self._answers():  # it may have come back just now
            failed = self._pass([one for one, _ in failed], counts)
        answers = not failed or self._answers()
        for one, reason in failed:
            self.store.attachments.unseen([one.id], reason, odd=answers)
        if answers:
            counts["odd"] += len(failed)
        left = len(self.store.attachments.waiting(MOST_WAITING))
        return {**counts, "waiting": left, "error": None if answers else failed[-1][1]}

    def _pass(self, waiting: Iterable[Attachment], counts: dict[str, int]) -> builtins.list[_Failed]:
        """Look at these, and count what became of them; those of which the engine says nothing, and why."""
        failed = builtins.list[_Failed]()
        for batch in _batches(waiting):
            contents = {}
            for one in batch:
                try:
                    contents[one.sha256] = self.contents.files.get(one.sha256)
                except (NotFound, OSError) as error:  # its trouble alone: no other waits for it
                    self.store.attachments.unseen([one.id], str(told_of(error)), odd=True)
                    counts["odd"] += 1
            there = [one for one in batch if one.sha256 in contents]
            said = self._look(there, contents, failed)
            for one in there:
                if one.sha256 in said:
                    counts[self._checked(one, said[one.sha256])] += 1
            if len(failed) > MOST_FAILURES:
                break
        return failed

    def _look(
        self, batch: builtins.list[Attachment], contents: Mapping[str, bytes], failed: builtins.list[_Failed]
    ) -> dict[str, Scan]:
        """What the engine says of some. When it cannot look at all of them together, at each alone: one of them may be
        what it cannot read."""
        try:
            return dict(self.scanner().scan({one.sha256: contents[one.sha256] for one in batch})) if batch else {}
        except TemporaryError as error:
            if len(batch) == 1:
                failed.append((batch[0], str(told_of(error))))
                return {}
        said: dict[str, Scan] = {}
        for one in batch:
            said |= self._look([one], contents, failed)
            if len(failed) > MOST_FAILURES:
                break
        return said

    def _answers(self) -> bool:
        """Whether the engine looks at something that is nothing: then it is the files that it cannot read."""
        try:
            return bool(self.scanner().scan({"nothing": b"nothing"}))
        except TemporaryError:
            return False

    def _checked(self, one: Attachment, scan: Scan) -> str:
        self.store.attachments.checked(one, self.store.requests.get(one.request).reference, scan)
        if scan.found is None:
            return "clean"
        self.contents.let_go_files([one.sha256])
        return "infected"

    def _moved(self, found: Request, data: Json) -> None:
        """What the request says is another thing now; who looked at a preview looks again."""
        self.requests.asked(found, RequestEvent.SAVED, data, {"note": found.note})

    def _json(self, one: Attachment, request: Request, mine: bool) -> Json:
        return {
            "id": one.id,
            "request": request.reference,
            "name": one.name,
            "kind": one.kind,
            "type_title": str(KINDS[one.kind].title),
            "octets": one.octets,
            "sha256": one.sha256,
            "state": one.state.value,
            "sentence": str(STATES[one.state]),
            "found": one.found,
            "why": one.error if one.state is AttachmentState.WAITING else None,
            "checked_at": one.checked_at.isoformat() if one.checked_at and one.state in _CHECKED else None,
            "by": one.actor.name,
            "at": one.at.isoformat(),
            "mine": mine,
        }


def _batches(waiting: Iterable[Attachment]) -> Iterator[list[Attachment]]:
    """What goes to the engine in one command each."""
    batch: list[Attachment] = []
    for one in waiting:
        if batch and (len(batch) == BATCH or sum(b.octets for b in batch) + one.octets > BATCH_OCTETS):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch
