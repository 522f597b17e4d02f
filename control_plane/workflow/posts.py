"""Notices on departments' first home pages: written, changed, taken off, and made into a release with all of them.

A release of notices goes the way of any other release: stored, previewed, published. Works only while the site shows
its first home page, or one that was made here. Knows how pages look by the offering's `posting` only.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from control_plane.model.attachment import infected_problem
from control_plane.model.content_check import CheckState
from control_plane.model.errors import Invalid, NotFound, Problem, Rejected, StalePlan
from control_plane.model.file_kind import KINDS, file_kind, shown_name, size_problem
from control_plane.model.names import to_ascii
from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.run import Actor
from control_plane.model.site_post import (
    LARGEST_FILE,
    LARGEST_FILES,
    MOST_POSTS,
    Post,
    PostFile,
    Posting,
    post_problems,
)
from control_plane.model.text import Text, t, tn
from control_plane.model.windows import ZONE
from control_plane.store.estate_rows import SubscriptionRow
from control_plane.store.repository import Store
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.content_checks import Verdict
from control_plane.workflow.contents import Contents
from control_plane.workflow.sites import Sites

Json = dict[str, Any]
FILE_STATES: Mapping[CheckState, Text] = {
    CheckState.WAITING: t("It is not checked for malware yet, so nobody can open it and it is not published."),
    CheckState.CLEAN: t("It was checked for malware; nothing was found."),
    CheckState.INFECTED: t("Malware was found in it. Its content was deleted."),
}


@dataclass(frozen=True)
class Posts:
    """Implements `client_posts.PostsClient`."""

    store: Store
    catalogue: Catalogue
    sites: Sites
    contents: Contents
    clock: Callable[[], datetime]
    actor: Callable[[], Actor]

    def list(self, site: str) -> Json:
        """See `PostsClient.list`."""
        row, index, main, posting = self._found(site)
        source = row.spec["sites"][index].get("source") or {}
        why = self._why_not(row, main, source)
        posts = self.store.posts.list(row.tenant_id, main)
        return {
            "site": main,
            "tenant": row.code,
            "offering": row.offering,
            "columns": [{"id": id_, "zh": zh, "en": en} for id_, (zh, en) in posting.columns.items()],
            "takes": why is None,
            "why": str(why) if why else None,
            "shown": source.get("release"),
            "unpublished": why is None and bool(posts) and self._unpublished(row, main, source),
            "posts": [self._json(post) for post in posts],
        }

    def save(
        self, site: str, *, column: str, title: str, day: str, text: str, file: Path | None = None,
        file_name: str = "", post: int | None = None, version: int | None = None, drop_file: bool = False,
        once: str | None = None,
    ) -> Json:  # fmt: skip
        """See `PostsClient.save`."""
        row, index, main, posting = self._found(site)
        self._refuse(self._why_not(row, main, row.spec["sites"][index].get("source") or {}))
        title, text = " ".join(title.split()), text.replace("\r\n", "\n").replace("\r", "\n").strip()
        problems = post_problems(column, title, day.strip(), text, posting.columns, self._today())
        content, sent = self._read(file, file_name, problems)
        verdict: Verdict | str | None = None
        if content is not None and sent is not None and not problems:
            verdict = self.sites.checks.file(content)
            if isinstance(verdict, Verdict) and verdict.scan.found is not None:
                problems.append(infected_problem(sent.name, verdict.scan.found, "file"))
        staged = self.contents.files.staged(content) if content is not None else nullcontext()
        with staged as placing, self.store.transaction():
            before = self.store.posts.get(row.tenant_id, main, post) if post is not None else None
            if before is not None and version not in (None, before.version):
                raise StalePlan(t("This notice was changed by somebody else since you opened it."), t("Open it again."))
            kept = sent if sent or before is None or drop_file else before.file
            if not text and kept is None:
                remedy = t("Write a text, or choose a file.")
                said = t("The notice says nothing beside its title.")
                problems.append(Problem("no-content", said, remedy, field="text"))
            problems += self._beyond(row.tenant_id, main, post, sent)
            if problems:
                raise Invalid(problems)
            said_day, actor = date.fromisoformat(day.strip()), self.actor()
            if before is None:
                made = self.store.posts.add(row.tenant_id, main, column, title, said_day, text, kept, actor, once)
            else:
                made = self.store.posts.change(before, column, title, said_day, text, kept, actor)
            if placing is not None and sent is not None:
                self.sites.checks.keep(sent.sha256, verdict)
                placing.place()
            made = self.store.posts.get(row.tenant_id, main, made.id)  # with what is known of its file
        if before is not None and before.file is not None:
            self.contents.let_go_files([before.file.sha256])
        return self._json(made)

    def _beyond(self, tenant_id: str, main: str, post: int | None, sent: PostFile | None) -> builtins.list[Problem]:
        """Limits of the site that this notice (None: one more) with a file that was sent would break."""
        there, found = self.store.posts.list(tenant_id, main), builtins.list[Problem]()
        if post is None and len(there) >= MOST_POSTS:
            said = t("There are {count} notices; that is the most for one site.", count=MOST_POSTS)
            found.append(Problem("too-many-posts", said, t("Use content of your own: upload an archive.")))
        others = [p for p in there if not p.withdrawn and p.id != post]
        octets = sum(p.file.octets for p in others if p.file) + (sent.octets if sent else 0)
        if sent is not None and octets > LARGEST_FILES:
            said = t(
                "With this file all notices have {size} MiB of files; {limit} MiB are the most for one site.",
                size=octets >> 20,
                limit=LARGEST_FILES >> 20,
            )
            found.append(Problem("files-too-large", said, t("Take old notices off first."), field="file"))
        return found

    def withdraw(self, site: str, post: int) -> Json:
        """See `PostsClient.withdraw`."""
        row, _, main, _ = self._found(site)
        return self._json(self.store.posts.withdraw(self.store.posts.get(row.tenant_id, main, post), self.actor()))

    def build(self, site: str) -> Json:
        """See `PostsClient.build`."""
        row, index, main, _ = self._found(site)
        self._refuse(self._why_not(row, main, row.spec["sites"][index].get("source") or {}))
        posts = [post for post in self.store.posts.list(row.tenant_id, main) if not post.withdrawn]
        bad = [p.file for p in posts if p.file and p.file.check and p.file.check.state is CheckState.INFECTED]
        if bad:
            raise Invalid([infected_problem(f.name, str(f.check and f.check.found), "file") for f in bad])
        limits = (self.catalogue.offerings[row.offering].tiers or {}).get(row.tier, {})
        made = self._render(row, main, self.contents.files.get)
        newest = posts[0].title if posts else None
        note = (
            str(tn("{count} notice: {title}", "{count} notices, the newest: {title}", count=len(posts), title=newest))
            if newest
            else ""
        )
        with self.contents.releases.take_files(made, limits.get("storage_bytes")) as (checked, staged):
            new, _ = self.sites.keep(row, main, checked, staged, note, self.actor(), made_here=True)
        return {
            "release": checked.release_id,
            "site": main,
            "posts": len(posts),
            "new": new,
            "next": f"gasp sites preview {main} {checked.release_id[:8]}",
        }

    def file(self, site: str, post: int) -> tuple[str, str, bytes]:
        """See `PostsClient.file`."""
        row, _, main, _ = self._found(site)
        found = self.store.posts.get(row.tenant_id, main, post)
        if found.file is None:
            raise NotFound(t("Notice {id} has no file.", id=post))
        check = found.file.check
        if check is None or check.state is not CheckState.CLEAN:
            infected = check is not None and check.state is CheckState.INFECTED
            remedy = None if infected else t("Wait until it is checked; it is offered then.")
            raise Rejected(FILE_STATES[check.state if check else CheckState.WAITING], remedy)
        return found.file.name, KINDS[found.file.kind].type, self.contents.files.get(found.file.sha256)

    # parts ------------------------------------------------------------------------------------------------------
    def _found(self, site: str) -> tuple[SubscriptionRow, int, str, Posting]:
        row, index = self.sites.find(site)
        posting = self.catalogue.offerings[row.offering].posting
        if posting is None:
            raise NotFound(t("Notices are not posted to this kind of website."))
        return row, index, to_ascii(row.spec["sites"][index]["names"]["main"]), posting

    def _why_not(self, row: SubscriptionRow, main: str, source: Mapping[str, Any]) -> Text | None:
        """Why posts would not be seen; None when they would."""
        release = source.get("release")
        if release is None or self.store.posts.is_made(row.tenant_id, main, release):
            return None
        return t("{site} shows content of your own, not the first home page.", site=main)

    @staticmethod
    def _refuse(why: Text | None) -> None:
        if why is not None:
            raise Rejected(why, t("Put the notice into that content, or go back to the first home page first."))

    def _unpublished(self, row: SubscriptionRow, main: str, source: Mapping[str, Any]) -> bool:
        """Whether the first home page with all posts is another one than the site shows."""
        posts = [post for post in self.store.posts.list(row.tenant_id, main) if not post.withdrawn]
        release = source.get("release")
        if release is None:
            return bool(posts)
        known = {post.file_path: (post.file.octets, post.file.sha256) for post in posts if post.file and post.file_path}
        return bool(self.contents.releases.id_of(self._render(row, main, lambda _: b""), known) != release)

    def _render(self, row: SubscriptionRow, main: str, contents: Callable[[str], bytes]) -> Mapping[str, bytes]:
        view, estate = self._view(row)
        posting = self.catalogue.offerings[row.offering].posting
        assert posting is not None
        return posting.render(view, estate, main, self.store.posts.list(row.tenant_id, main), contents)

    def _view(self, row: SubscriptionRow) -> tuple[SubscriptionView, EstateView]:
        world = self.catalogue.world(tenants=frozenset([row.code]))
        if row.id in world.broken:
            raise Rejected(world.broken[row.id], t("Tell the centre; it corrects the form."))
        return world.subscriptions[row.id], world.estate

    def _read(
        self, path: Path | None, name: str, problems: builtins.list[Problem]
    ) -> tuple[bytes | None, PostFile | None]:
        """A file that was sent, if it is one that may be posted; what is wrong is added to `problems`."""
        if path is None:
            return None, None
        wrong = size_problem(path.stat().st_size, LARGEST_FILE, "file")
        content = b"" if wrong else path.read_bytes()
        kind = wrong or file_kind(content, name, "file")
        if isinstance(kind, Problem):
            problems.append(kind)
            return None, None
        return content, PostFile(shown_name(name, kind), kind.ending, len(content), hashlib.sha256(content).hexdigest())

    @staticmethod
    def _file(file: PostFile) -> Json:
        state = file.check.state if file.check else CheckState.WAITING
        return {
            "name": file.name,
            "kind": file.kind,
            "octets": file.octets,
            "state": state.value,
            "sentence": str(FILE_STATES[state]),
            "found": file.check.found if file.check else None,
            "why": file.check.error if file.check and state is CheckState.WAITING else None,
        }

    def _today(self) -> date:
        return self.clock().astimezone(ZONE).date()

    def _json(self, post: Post) -> Json:
        file = post.file
        return {
            "id": post.id,
            "site": post.site,
            "column": post.column,
            "title": post.title,
            "day": post.day.isoformat(),
            "text": post.text,
            "file": self._file(file) if file else None,
            "withdrawn": post.withdrawn,
            "version": post.version,
            "changed_at": post.changed_at.isoformat(),
            "changed_by": self.store.actors.name(post.changed_by),
            "page": f"https://{post.site}/{post.page}",
        }
