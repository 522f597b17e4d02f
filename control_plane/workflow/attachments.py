"""Files that go with requests: checked by content and size, looked at by the centre's engine, part of the digest.

Could not be looked at is never clean: such a file is offered to nobody, and nobody signs a request that has one.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_plane.model.attachment import (
    LARGEST,
    LARGEST_ALL,
    MOST,
    Attachment,
    AttachmentState,
    FileScanner,
    Scan,
    infected_problems,
)
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected, TemporaryError
from control_plane.model.file_kind import KINDS, file_kind, shown_name, size_problem
from control_plane.model.ports import FileStore
from control_plane.model.request import Request, RequestEvent
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.repository import Store
from control_plane.workflow.requests import Requests

Json = dict[str, Any]
#: Files and octets that the engine is given at once, and files that are looked at in one go; so many failures end it.
BATCH, BATCH_OCTETS, MOST_WAITING, MOST_FAILURES = 20, 40 << 20, 1000, 2
STATES: dict[AttachmentState, Text] = {
    AttachmentState.WAITING: t("It is not checked for malware yet, so nobody can open it."),
    AttachmentState.CLEAN: t("It was checked for malware; nothing was found."),
    AttachmentState.INFECTED: t("Malware was found in it. Its content was deleted."),
}


@dataclass(frozen=True)
class Attachments:
    """Implements `client_attachments.AttachmentsClient`. `quota`: octets of all files of one department."""

    store: Store
    requests: Requests
    files: FileStore
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
        digest = hashlib.sha256(content).hexdigest()
        there = self.store.attachments.of(found.id)
        known = next((one for one in there if one.sha256 == digest), None)
        problems = [kind] if isinstance(kind, Problem) else infected_problems([known] if known else [])
        if known is not None and not problems:
            self.files.put(content)  # mends what was lost on the disk
            return self._json(known, found, True)
        problems += self._beyond(found, there, len(content))
        if isinstance(kind, Problem) or problems:
            raise Invalid(problems)
        self.files.put(content)
        with self.store.transaction():
            shown = shown_name(name or path.name, kind)
            made = self.store.attachments.add(found, shown, kind.ending, len(content), digest, self.actor())
            self._moved(found, {"attached": made.id})
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
                "With this file your department's requests have {size} MiB of files; {limit} MiB are the most.",
                size=used >> 20,
                limit=self.quota >> 20,
            )
            remedy = t("Take files of drafts away, or ask the centre for more.")
            problems.append(Problem("quota-used", text, remedy, field="file"))
        return problems

    def remove(self, request: int | str, attachment: int) -> builtins.list[Json]:
        """See `AttachmentsClient.remove`."""
        found = self.requests.may("save", request)
        one = self.store.attachments.get(found.id, attachment)
        with self.store.transaction():
            self.store.attachments.remove(one, found.reference, self.actor())
            self._moved(found, {"removed": one.id})
        self._drop(one.sha256)
        return self.list(found.id)

    def fetch(self, request: int | str, attachment: int) -> tuple[str, str, bytes]:
        """See `AttachmentsClient.fetch`."""
        found = self.requests.find(request)
        one = self.store.attachments.get(found.id, attachment)
        if one.state is not AttachmentState.CLEAN:
            raise Rejected(STATES[one.state], t("Wait until it is checked; it is offered then."))
        return one.name, KINDS[one.kind].type, self.files.get(one.sha256)

    def scan(self) -> Json:
        """See `AttachmentsClient.scan`."""
        counts, failed = {"clean": 0, "infected": 0}, builtins.list[str]()
        for batch in _batches(self.store.attachments.waiting(MOST_WAITING)):
            said = self._look(batch, failed)
            if said is None and len(batch) > 1:  # one of them may be what the engine cannot read
                said = {}
                for one in batch:
                    said |= self._look([one], failed) or {}
                    if len(failed) > MOST_FAILURES:
                        break
            for one in batch:
                if one.sha256 in (said or {}):
                    counts[self._checked(one, (said or {})[one.sha256])] += 1
            if len(failed) > MOST_FAILURES:
                break
        left = len(self.store.attachments.waiting(MOST_WAITING))
        return {**counts, "waiting": left, "error": failed[-1] if left and failed else None}

    def _look(self, batch: builtins.list[Attachment], failed: builtins.list[str]) -> dict[str, Scan] | None:
        """What the engine says of some; None when it could not look, of a single one with the reason in `failed`."""
        try:
            contents = {one.sha256: self.files.get(one.sha256) for one in batch}
            return dict(self.scanner().scan(contents))
        except (TemporaryError, NotFound) as error:
            if len(batch) == 1:
                failed.append(str(error.text))
                self.store.attachments.unseen([batch[0].id], failed[-1])
            return None

    def _checked(self, one: Attachment, scan: Scan) -> str:
        self.store.attachments.checked(one, self.store.requests.get(one.request).reference, scan)
        if scan.found is None:
            return "clean"
        self._drop(one.sha256)
        return "infected"

    def _drop(self, digest: str) -> None:
        if not self.store.attachments.in_use(digest):
            self.files.drop(digest)

    def _moved(self, found: Request, data: Json) -> None:
        """What the request says is another thing now; who looked at a preview looks again."""
        self.requests.journal.step(found, RequestEvent.SAVED, self.actor(), data, values={"note": found.note})

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
            "checked_at": one.checked_at.isoformat() if one.checked_at else None,
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
