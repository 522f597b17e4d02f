"""A page as PDF, which carries its fonts. Pure: what it shows stands in it."""

from __future__ import annotations

from typing import Any, NoReturn


def as_pdf(html: str) -> bytes:
    """Takes a second or two. A page that would load something is refused: that is a fault of ours."""
    from weasyprint import HTML

    def refuse(url: str, *_: Any, **__: Any) -> NoReturn:
        raise ValueError(f"the page loads nothing: {url}")

    made: bytes = HTML(string=html, url_fetcher=refuse).write_pdf()
    return made
