"""Content on a control plane elsewhere: releases of websites, notices, files of requests.

Each class is the part of `model.client.Client` with its name, as far as the interface for programs has it.
"""

from __future__ import annotations

import base64
import builtins
from pathlib import Path
from typing import Any

from control_plane.cli.remote_link import Area, Connection, Json, at
from control_plane.model.errors import NotFound
from control_plane.model.text import t


def place_of(link: Connection, site: str) -> str:
    """The address of a site there, by one of its names. Raises NotFound."""
    for row in link.rows("/sites"):
        if site in (row["site"], row.get("name"), *row["names"]):
            return at("/tenants/{}/sites/{}", row["tenant"], row["site"])
    raise NotFound(t("There is no site “{name}”.", name=site))


class Attachments(Area):
    """See `AttachmentsClient`."""

    def list(self, request: int | str) -> builtins.list[Json]:
        """See `AttachmentsClient.list`."""
        return self._at.rows(at("/requests/{}/attachments", request))

    def add(self, request: int | str, path: Path, *, name: str = "") -> Json:
        """See `AttachmentsClient.add`."""
        return self._at.act(at("/requests/{}/attachments", request), _file(path, name or path.name))

    def remove(self, request: int | str, attachment: int) -> builtins.list[Json]:
        """See `AttachmentsClient.remove`."""
        self._at.act(at("/requests/{}/attachments/{}/removals", request, attachment))
        return self.list(request)

    def fetch(self, request: int | str, attachment: int) -> builtins.tuple[str, str, bytes]:
        """See `AttachmentsClient.fetch`."""
        return _content(self._at.get(at("/requests/{}/attachments/{}/content", request, attachment)))


class Posts(Area):
    """See `PostsClient`."""

    def list(self, site: str) -> Json:
        """See `PostsClient.list`."""
        return self._at.get(f"{place_of(self._at, site)}/notice-board")

    def save(
        self, site: str, *, column: str, title: str, day: str, text: str, file: Path | None = None,
        file_name: str = "", post: int | None = None, version: int | None = None, drop_file: bool = False,
        once: str | None = None,
    ) -> Json:  # fmt: skip
        """See `PostsClient.save`; each call has a word of its own."""
        given: dict[str, Any] = {"column": column, "title": title, "day": day, "text": text}
        if file is not None:
            given["file"] = _file(file, file_name or file.name)
        where = f"{place_of(self._at, site)}/notices"
        if post is None:
            return self._at.act(where, given)
        if drop_file and file is None:
            given["file"] = None
        return self._at.change(f"{where}/{post}", given, f'"{version}"' if version is not None else "*")

    def withdraw(self, site: str, post: int) -> Json:
        """See `PostsClient.withdraw`."""
        return self._at.act(f"{place_of(self._at, site)}/notices/{post}/withdrawals")

    def build(self, site: str) -> Json:
        """See `PostsClient.build`."""
        return self._at.act(f"{place_of(self._at, site)}/notice-releases")

    def file(self, site: str, post: int) -> builtins.tuple[str, str, bytes]:
        """See `PostsClient.file`."""
        return _content(self._at.get(f"{place_of(self._at, site)}/notices/{post}/file"))


def _file(path: Path, name: str) -> Json:
    return {"name": name, "content": base64.b64encode(path.read_bytes()).decode("ascii")}


def _content(answer: Json) -> tuple[str, str, bytes]:
    return str(answer["name"]), str(answer["type"]), base64.b64decode(answer["content"])
