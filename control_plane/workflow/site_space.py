"""Room for releases: what a department's websites may store, and which old releases make room for new ones.

The rule is one sentence and is shown wherever releases are: of each website stay the live one, the one before it, the
one in preview, those that a request names, and the newest `keep`. All others are deleted when a new one is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.model.content_check import CheckState
from control_plane.model.errors import Invalid, Problem, Rejected
from control_plane.model.names import to_ascii
from control_plane.model.ports import CheckedArchive, Staged
from control_plane.model.request import EDITABLE, OPEN
from control_plane.model.run import Actor
from control_plane.model.text import Text, t
from control_plane.store.estate_rows import SubscriptionRow
from control_plane.store.holdings import ReleaseRow
from control_plane.store.repository import Store
from control_plane.workflow.contents import Contents

Json = dict[str, Any]


@dataclass(frozen=True)
class SiteSpace:
    """`limit`: octets of all releases of one department; `keep`: how many of the newest of each site stay."""

    store: Store
    contents: Contents
    limit: int
    keep: int

    @property
    def rule(self) -> Text:
        """What stays."""
        return t(
            "Of each website stay the live release, the one before it, the one in preview, those that a request names, "
            "and the newest {keep}. Older ones are deleted when a new one is stored.",
            keep=self.keep,
        )

    def used(self, tenant_id: str) -> int:
        """Octets that a department's releases need."""
        rows = self.store.releases.list(tenant_id=tenant_id)
        return sum(row.bytes for row in rows if row.check.state is not CheckState.INFECTED)  # their content is gone

    def facts(self, row: SubscriptionRow) -> Json:
        """What is used and what may be, with the rule: {used, limit, keep, rule}."""
        return {"used": self.used(row.tenant_id), "limit": self.limit, "keep": self.keep, "rule": str(self.rule)}

    def store_checked(
        self, row: SubscriptionRow, main: str, checked: CheckedArchive, staged: Staged, note: str, actor: Actor,
        checks: Callable[[], None], *, made_here: bool = False,
    ) -> tuple[bool, list[str]]:  # fmt: skip
        """Keep a checked archive as a release of a site and delete what is too old: whether it is new, and what went.
        Room is judged where the release is written, so of two uploads at once the second one sees the first. Raises
        Invalid with figures when there is none; nothing is kept and nothing deleted then. `checks` writes down what the
        antivirus engine has said of it; `made_here`: of notices."""
        with self.store.transaction():
            if made_here:
                self.store.posts.made(row.tenant_id, main, checked.release_id)
            known = self.store.releases.list(main, row.tenant_id)
            new = checked.release_id not in {release.id for release in known}
            old = self._old(row, main, known, self.keep - 1) if new else []
            after = self.used(row.tenant_id) - sum(release.bytes for release in old) + checked.bytes
            if new and after > self.limit:
                raise Invalid([self._full(row, checked.bytes, after)])
            if new:
                self.store.releases.add(
                    checked.release_id, main, row.tenant_id, checked.sha256, checked.bytes, checked.files, note, actor
                )
            for release in old:
                self.store.releases.delete(release, actor, str(self.rule))
            checks()
            staged.place()  # known before: mends what was lost on the disk
        gone = [release.id for release in old]
        if gone:
            self.contents.let_go_releases(gone)
        return new, gone

    def _full(self, row: SubscriptionRow, octets: int, after: int) -> Problem:
        return Problem(
            "no-room",
            t(
                "Your department stores {used} MiB of releases; with these {size} MiB it would be {after} of {limit} "
                "MiB.",
                used=_mib(self.used(row.tenant_id)),
                size=_mib(octets),
                after=_mib(after),
                limit=_mib(self.limit),
            ),
            t("Delete stored releases that you do not need, leave large files out, or ask the centre for more."),
            field="archive",
        )

    def prunable(self, row: SubscriptionRow, main: str) -> list[ReleaseRow]:
        """What the rule deletes of a site now."""
        return self._old(row, main, self.store.releases.list(main, row.tenant_id), self.keep)

    def prune(self, row: SubscriptionRow, main: str, actor: Actor) -> list[ReleaseRow]:
        """Delete it."""
        found = self.prunable(row, main)
        for release in found:
            self._delete(release, actor, str(self.rule))
        return found

    def drop(self, row: SubscriptionRow, main: str, release: str, actor: Actor) -> ReleaseRow:
        """Delete one release that nothing needs. Raises NotFound, Rejected."""
        found = self.store.releases.get(release, main)
        if found.id in self._needed(row, main):
            raise Rejected(
                t("Release {release} is live, was live before, is in preview, or a request names it.",
                  release=found.id[:8]),
                t("Publish another one first, or take the request back."),
            )  # fmt: skip
        self._delete(found, actor, "")
        return found

    def _delete(self, release: ReleaseRow, actor: Actor, reason: str) -> None:
        self.store.releases.delete(release, actor, reason)
        self.contents.let_go_releases([release.id])

    def _old(self, row: SubscriptionRow, main: str, known: list[ReleaseRow], keep: int) -> list[ReleaseRow]:
        needed = self._needed(row, main)
        return [release for release in known[max(keep, 0) :] if release.id not in needed]

    def _needed(self, row: SubscriptionRow, main: str) -> set[str]:
        """Releases that are shown, can be gone back to, or are asked for."""
        specs: list[Mapping[str, Any]] = [row.spec]
        for request in self.store.requests.list(tenants_=frozenset([row.code]), states=EDITABLE | OPEN, limit=None):
            if request.content.offering == row.offering and request.content.spec:
                specs.append(request.content.spec)
        found = {release for spec in specs for release in _named(spec, main)}
        now = _source(row.spec, main)
        for revision in reversed(self.store.estate.revisions(row.id)):
            before = _source(revision.spec or {}, main)
            if before is not None and before != now:
                found.add(before)
                break
        return found


def _source(spec: Mapping[str, Any], main: str) -> str | None:
    """The release that a form shows on a site; None for the first home page, or where the site is not in it."""
    for site in _sites(spec, main):
        source = site.get("source")
        release = source.get("release") if isinstance(source, Mapping) else None
        return str(release) if release else None
    return None


def _named(spec: Mapping[str, Any], main: str) -> set[str]:
    previews = {str(site["preview"]) for site in _sites(spec, main) if site.get("preview")}
    shown = _source(spec, main)
    return previews | ({shown} if shown else set())


def _sites(spec: Mapping[str, Any], main: str) -> list[Mapping[str, Any]]:
    """Entries of a site in a form, which may be a draft and hold anything."""
    found: list[Mapping[str, Any]] = []
    sites = spec.get("sites")
    for site in sites if isinstance(sites, list) else ():
        names = site.get("names") if isinstance(site, Mapping) else None
        name = names.get("main") if isinstance(names, Mapping) else None
        try:
            if isinstance(name, str) and to_ascii(name) == main:
                found.append(site)
        except ValueError:
            continue
    return found


def _mib(octets: int) -> str:
    return f"{octets / (1 << 20):,.1f}"
