"""Tables of what departments bring in: posts of sites, attachments of requests, and what was found in contents."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, ForeignKey, Index, Integer, String, Table, Text, text

from control_plane.store.requests_tables import requests
from control_plane.store.tables import Instant, metadata

site_posts = Table(
    "site_posts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("site", String(260), nullable=False),
    Column("once", String(100)),
    Column("area", String(40), nullable=False),
    Column("title", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("text", Text, nullable=False),
    Column("file_name", Text),
    Column("file_kind", String(10)),
    Column("file_bytes", Integer),
    Column("file_sha256", String(64)),
    Column("withdrawn", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_site_posts_site", site_posts.c.tenant_id, site_posts.c.site)
Index("uq_site_posts_once", site_posts.c.tenant_id, site_posts.c.once, unique=True)

#: Releases that were made of the first home page and posts, not uploaded.
site_post_releases = Table(
    "site_post_releases",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("site", String(260), primary_key=True),
    Column("release_id", String(80), primary_key=True),
)

#: What the antivirus engine said of a content by its name: id of a release, or hash of the file of a post.
content_checks = Table(
    "content_checks",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("state", String(10), nullable=False),
    Column("found", Text),
    Column("place", Text),
    Column("signatures", String(80)),
    Column("error", Text),
    Column("checked_at", Instant),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", ForeignKey(requests.c.id), nullable=False),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("found", Text),
    Column("signatures", String(80)),
    Column("error", Text),
    Column("checked_at", Instant),
    Column("actor_key", ForeignKey("actors.key"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("removed_at", Instant),
    sqlite_autoincrement=True,
)
_THERE = text("removed_at IS NULL")
#: The same content is attached to one request once.
Index(
    "uq_attachments_content",
    attachments.c.request_id,
    attachments.c.sha256,
    unique=True,
    sqlite_where=_THERE,
)
