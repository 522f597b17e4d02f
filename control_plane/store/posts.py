"""Posts of sites in the database. A new tenant under a former code never sees the former one's."""

from __future__ import annotations

import builtins
from datetime import date
from typing import Any

from sqlalchemy import delete, insert, select, update

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.content_check import CheckState, ContentCheck
from control_plane.model.errors import NotFound, StalePlan
from control_plane.model.run import Actor
from control_plane.model.site_post import Post, PostFile
from control_plane.model.text import t
from control_plane.store.audit import AuditRepository
from control_plane.store.database import Database
from control_plane.store.identity import Clock
from control_plane.store.portal_tables import content_checks, site_post_releases, site_posts

_CHECKS = content_checks.c
#: Posts with what is known of their files.
_LOOKED = select(site_posts, _CHECKS.state, _CHECKS.found, _CHECKS.error).outerjoin(
    content_checks, _CHECKS.name == site_posts.c.file_sha256
)


class PostRepository:
    """Keeps posts and which releases were made of them."""

    def __init__(self, database: Database, clock: Clock, audit: AuditRepository) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    def list(self, tenant_id: str, site: str | None = None) -> builtins.list[Post]:
        """Posts of a site (None: of all sites of the tenant), newest day first."""
        where = [site_posts.c.tenant_id == tenant_id] + ([site_posts.c.site == site] if site is not None else [])
        query = _LOOKED.where(*where).order_by(site_posts.c.day.desc(), site_posts.c.id.desc())
        with self._database.read() as connection:
            return [_post(row) for row in connection.execute(query)]

    def get(self, tenant_id: str, site: str, post: int) -> Post:
        """One post of a site. Raises NotFound."""
        where = (site_posts.c.id == post, site_posts.c.tenant_id == tenant_id, site_posts.c.site == site)
        with self._database.read() as connection:
            row = connection.execute(_LOOKED.where(*where)).one_or_none()
        if row is None:
            raise NotFound(
                t("There is no notice {id} on this site.", id=post), t("See gasp posts list {site}.", site=site)
            )
        return _post(row)

    def add(
        self, tenant_id: str, site: str, column: str, title: str, day: date, text: str, file: PostFile | None,
        actor: Actor, once: str | None,
    ) -> Post:  # fmt: skip
        """A new post; the same word `once` again is the post that it made."""
        with self._database.write() as connection:
            known = select(site_posts.c.id).where(site_posts.c.tenant_id == tenant_id, site_posts.c.once == once)
            found = connection.scalar(known) if once is not None else None
            if found is not None:
                return self.get(tenant_id, site, int(found))
            values = {"tenant_id": tenant_id, "site": site, "once": once, "withdrawn": False, "version": 0}
            content = _content(column, title, day, text, file)
            made = connection.execute(
                insert(site_posts).values(**values, **content, changed_at=self._clock(), actor_key=actor.key)
            )
            post = self.get(tenant_id, site, int(made.inserted_primary_key[0]))  # type: ignore[index]
            self._record(AuditAct.POST_SAVED, post, actor)
            return post

    def change(
        self, post: Post, column: str, title: str, day: date, text: str, file: PostFile | None, actor: Actor
    ) -> Post:
        """Other content of the post that was read; it is shown again. Raises StalePlan when somebody was faster."""
        return self._move(AuditAct.POST_SAVED, post, actor, withdrawn=False, **_content(column, title, day, text, file))

    def withdraw(self, post: Post, actor: Actor) -> Post:
        """Take the post that was read off; one that is off stays so."""
        return post if post.withdrawn else self._move(AuditAct.POST_WITHDRAWN, post, actor, withdrawn=True)

    def _move(self, act: AuditAct, post: Post, actor: Actor, **values: Any) -> Post:
        values |= {"version": post.version + 1, "changed_at": self._clock(), "actor_key": actor.key}
        where = (site_posts.c.id == post.id, site_posts.c.version == post.version)
        with self._database.write() as connection:
            if connection.execute(update(site_posts).where(*where).values(values)).rowcount != 1:
                raise StalePlan(t("This notice was changed by somebody else since you opened it."), t("Open it again."))
            moved = self.get(post.tenant_id, post.site, post.id)
            self._record(act, moved, actor)
            return moved

    def made(self, tenant_id: str, site: str, release: str) -> None:
        """Note that a release was made of posts (again: no effect)."""
        with self._database.write() as connection:
            if not self.is_made(tenant_id, site, release):
                values = {"tenant_id": tenant_id, "site": site, "release_id": release}
                connection.execute(insert(site_post_releases).values(values))

    def is_made(self, tenant_id: str, site: str, release: str) -> bool:
        """Whether a release was made of the first home page and posts."""
        columns = site_post_releases.c
        where = (columns.tenant_id == tenant_id, columns.site == site, columns.release_id == release)
        with self._database.read() as connection:
            return connection.execute(select(columns.site).where(*where)).first() is not None

    def forget(self, tenant_id: str) -> None:
        """Delete those of an ended tenant; that they were is in the audit trail."""
        with self._database.write() as connection:
            connection.execute(delete(site_posts).where(site_posts.c.tenant_id == tenant_id))

    def _record(self, act: AuditAct, post: Post, actor: Actor) -> None:
        about = [Subject("tenant", post.tenant_id), Subject("site", post.site), Subject("post", str(post.id))]
        digest = post.file.sha256 if post.file else None
        self._audit.record(act, actor, about, digest=digest, reason=post.title, detail={"version": post.version})


def _content(column: str, title: str, day: date, text: str, file: PostFile | None) -> dict[str, Any]:
    return {
        "area": column,
        "title": title,
        "day": day,
        "text": text,
        "file_name": file.name if file else None,
        "file_kind": file.kind if file else None,
        "file_bytes": file.octets if file else None,
        "file_sha256": file.sha256 if file else None,
    }


def _post(row: Any) -> Post:
    file = None
    if row.file_sha256:
        check = ContentCheck(row.file_sha256, CheckState(row.state or "waiting"), row.found, error=row.error)
        file = PostFile(row.file_name, row.file_kind, row.file_bytes, row.file_sha256, check)
    return Post(
        row.id, row.tenant_id, row.site, row.area, row.title, row.day, row.text, file, row.withdrawn, row.version,
        row.changed_at, row.actor_key,
    )  # fmt: skip
