"""What people of a department brought in, at its end: archived with it, then forgotten (`contents`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from control_plane.model.attachment import HELD
from control_plane.model.errors import NotFound
from control_plane.store.repository import Store
from control_plane.workflow.contents import Contents


@dataclass(frozen=True)
class Brought:
    """Notices and files of requests of one tenant."""

    store: Store
    contents: Contents

    def archived(self, tenant_id: str) -> Iterator[tuple[str, bytes]]:
        """Names and contents for the archive: lists as JSON, and each file once, by its hash."""
        posts, attachments = self.store.posts.list(tenant_id), self.store.attachments.of_tenant(tenant_id)
        rows: list[dict[str, Any]] = [
            {
                "id": post.id,
                "site": post.site,
                "column": post.column,
                "title": post.title,
                "day": post.day.isoformat(),
                "text": post.text,
                "withdrawn": post.withdrawn,
                "file": post.file.name if post.file else None,
                "sha256": post.file.sha256 if post.file else None,
            }
            for post in posts
        ]
        yield "posts.json", json.dumps(rows, ensure_ascii=False).encode()
        rows = [
            {
                "request": self.store.requests.get(one.request).reference, "name": one.name, "kind": one.kind,
                "sha256": one.sha256, "state": one.state.value, "found": one.found, "at": one.at.isoformat(),
            }
            for one in attachments
        ]  # fmt: skip
        yield "attachments.json", json.dumps(rows, ensure_ascii=False).encode()
        kinds = {post.file.sha256: post.file.kind for post in posts if post.file}
        kinds |= {one.sha256: one.kind for one in attachments if one.state in HELD}
        for digest, kind in sorted(kinds.items()):
            try:
                yield f"files/{digest}.{kind}", self.contents.files.get(digest)
            except NotFound:
                continue
