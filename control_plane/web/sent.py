"""A file that came with a form, kept for as long as it is looked at; and a file that is sent back.

What somebody called it never becomes part of a path, and never more than a quoted word in a header.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from flask import Response, request


@contextmanager
def sent_file(field: str) -> Iterator[tuple[Path | None, str]]:
    """Path and name of what was sent in a field; no path when nothing was chosen."""
    sent = request.files.get(field)
    if sent is None or not sent.filename:
        yield None, ""
        return
    with tempfile.TemporaryDirectory(prefix="gasp-upload-") as folder:
        path = Path(folder) / "sent"
        with sent.stream:
            sent.save(path)
        yield path, sent.filename[:500]


def download(name: str, kind: str, content: bytes) -> Response:
    """A file to be saved, never to be shown by the browser as a page of ours."""
    response = Response(content, mimetype=None, content_type=kind)
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{stem}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Download-Options"] = "noopen"
    return response
