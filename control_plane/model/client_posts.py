"""What may be asked of notices on a department's first home page. Every answer is JSON-able."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any, Protocol

Json = dict[str, Any]


class PostsClient(Protocol):
    """`gasp posts`. `site` is a main name or alias; every method raises NotFound for one that is not there."""

    def list(self, site: str) -> Json:
        """{site, tenant, offering, columns: [{id, zh, en}], takes: bool, why: sentence | None, shown: release | None,
        unpublished: bool, posts: [{id, column, title, day, text, file: {name, kind, octets, state:
        waiting|clean|infected, sentence, found, why} | None, withdrawn, version, changed_at, changed_by, page}]},
        newest day first. `takes`: the site shows its first home page, so posts can be shown; else `why` not.
        `unpublished`: what is posted is not what the site shows."""
        ...

    def save(
        self, site: str, *, column: str, title: str, day: str, text: str, file: Path | None = None,
        file_name: str = "", post: int | None = None, version: int | None = None, drop_file: bool = False,
        once: str | None = None,
    ) -> Json:  # fmt: skip
        """Post a notice, or change `post`; nobody sees it before it is published. `once`: the form's own word; sent
        twice it is one post. Returns the post. Raises Invalid with all problems, StalePlan when `version` is old,
        Rejected when the site shows content of its own."""
        ...

    def withdraw(self, site: str, post: int) -> Json:
        """Take a notice off, from the next publication on. Returns the post."""
        ...

    def build(self, site: str) -> Json:
        """Make a release of the first home page with all posts, and store it; nothing live changes: {release, site,
        posts, new, next}."""
        ...

    def file(self, site: str, post: int) -> builtins.tuple[str, str, bytes]:
        """Name, type and content of a post's file. Raises NotFound."""
        ...
