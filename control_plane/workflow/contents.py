"""Contents that people bring in, and the one rule of when they are there.

A content comes to its place in the transaction that writes the row which names it, and leaves it only here: in a
transaction that finds no such row. Both are alone among writers, so neither sees half of the other. Whoever is killed
in between leaves at most a content without a row, and the next sweep takes that.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass

from control_plane.model.content_check import releases_in
from control_plane.model.ports import FileStore, ReleaseStore
from control_plane.store.repository import Store


@dataclass(frozen=True)
class Contents:
    """Lets go of files and releases that nothing names."""

    store: Store
    files: FileStore
    releases: ReleaseStore

    def let_go_files(self, digests: Collection[str]) -> int:
        """Delete those of these files that no row names; how many. Never inside a transaction: it might be undone."""
        with self._alone():
            gone = set(digests) - self.store.contents.files(digests)
            for digest in gone:
                self.files.drop(digest)
        return len(gone)

    def let_go_releases(self, ids: Collection[str]) -> int:
        """The same with releases; what a website is to show stays, whatever became of its row."""
        with self._alone():
            gone = set(ids) - self.store.contents.releases(ids) - self.shown()
            for release in gone:
                self.releases.drop(release)
        return len(gone)

    def sweep(self) -> dict[str, int]:
        """Look at all that is there: {files, releases, begun} that were deleted. Looks first without stopping anybody,
        and again at what it found. A database that nothing was imported into knows of nothing, so nothing goes."""
        if self.store.estate.document() is None:
            return {"files": 0, "releases": 0, "begun": 0}
        for tenant_id in self.store.contents.ended_tenants():
            self.forget(tenant_id)
        self.store.attachments.expire()
        files, releases = set(self.files.names()), set(self.releases.names())
        return {
            "files": self.let_go_files(files - self.store.contents.files(files)),
            "releases": self.let_go_releases(releases - self.store.contents.releases(releases)),
            "begun": self.files.tidy() + self.releases.tidy(),
        }

    def forget(self, tenant_id: str) -> None:
        """Erase names and words of what a tenant that has ended brought in; hashes stay in the trail."""
        with self.store.transaction():
            self.store.attachments.forget(tenant_id)
            self.store.posts.forget(tenant_id)

    def _alone(self) -> AbstractContextManager[None]:
        if self.store.database.inside:
            raise RuntimeError("contents are let go of after the transaction that took their rows")
        return self.store.transaction()

    def shown(self) -> set[str]:
        """Releases that a form in force names as live or in preview."""
        return {release for row in self.store.estate.subscriptions() for release in releases_in(row.spec)}
