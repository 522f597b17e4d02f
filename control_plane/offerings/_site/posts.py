"""Notices on the first home page of a site: its columns, and all its files with the notices in them.

Pure: what was typed is text and nothing else wherever it is shown; what a file was called is not in its address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.site_post import Post, Posting
from control_plane.offerings._site import starter
from control_plane.offerings._site.kind import SiteKind
from control_plane.offerings._site.resources import starter_inputs


def posting_of(kind: SiteKind) -> Posting:
    """What one kind of site says of notices."""
    return Posting(starter.columns(kind.public), partial(_render, kind))


def _render(
    kind: SiteKind,
    subscription: SubscriptionView,
    estate: EstateView,
    main: str,
    posts: Sequence[Post],
    contents: Callable[[str], bytes],
) -> Mapping[str, bytes]:
    site = next(site for site in subscription.spec.sites if site.main == main)
    shown = sorted((p for p in posts if not p.withdrawn), key=lambda p: (p.day, p.id), reverse=True)
    files = starter.render(starter_inputs(kind, site, subscription, estate), [_row(post) for post in shown])
    files |= {post.file_path: contents(post.file.sha256) for post in shown if post.file and post.file_path}
    return dict(sorted(files.items()))


def _row(post: Post) -> dict[str, Any]:
    blocks = [block for block in post.text.replace("\r\n", "\n").split("\n\n") if block.strip()]
    file = post.file
    return {
        "page": post.page,
        "column": post.column,
        "title": post.title,
        "day": post.day.isoformat(),
        "paragraphs": [[line for line in block.split("\n") if line.strip()] for block in blocks],
        "file": {
            "path": post.file_path,
            "name": file.name,
            "ending": file.kind.upper(),
            "size": f"{max(1, round(file.octets / 1000)):,} kB",
        }
        if file
        else None,
    }
