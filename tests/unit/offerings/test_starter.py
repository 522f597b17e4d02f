"""The starter site: complete, linked, accessible in what can be read from its text, and inert to what is typed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from control_plane.offerings._site import starter

MARKS = {
    "organiser": "市示例局",
    "mark_id": "CA370000000600000001",
    "icp": "鲁ICP备05000001号-1",
    "police": "鲁公网安备 37020200000001号",
    "site_code": "3702000001",
}
VOID = {"meta", "link", "br", "img", "use", "path", "rect"}


def inputs(kind: str = "public_site", **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "main": "example.qingdao.test",
        "title_zh": "市示例局",
        "title_en": "Example Bureau",
        "tenant_zh": "市示例局",
        "tenant_en": "Example Bureau",
        "portal_zh": "青岛市电子政务",
        "portal_en": "Qingdao e-government",
        "marks": MARKS,
    } | more


class Page(HTMLParser):
    """Checks nesting, and collects links, headings and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.attributes.append((tag, values))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        if "id" in values:
            self.ids.append(str(values["id"]))
        for name in ("href", "src"):
            if values.get(name):
                self.links.append(str(values[name]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("kind", ["public_site", "intranet"])
def test_every_page_is_sound_and_every_link_leads_somewhere(kind: str) -> None:
    files = starter.render(inputs(kind))
    pages = {path: content.decode() for path, content in files.items() if path.endswith(".html")}
    assert {"index.html", "en/index.html", "404.html", "notices/index.html", "en/notices/index.html"} <= set(pages)
    for path, text in pages.items():
        page = Page(text)
        assert len(page.ids) == len(set(page.ids))
        assert page.headings[0] == "h1"
        assert page.headings.count("h1") == 1
        assert text.startswith("<!doctype html>")
        lang = "en" if path.startswith("en/") else "zh-CN"
        assert f'<html lang="{lang}">' in text
        assert 'name="viewport"' in text
        assert "<title></title>" not in text
        assert 'href="#content"' in text
        assert "style=" not in text
        assert "<script" not in text
        for value in MARKS.values():
            assert value in text
        for link in page.links:
            link = link.removeprefix("https://example.qingdao.test").split("#")[0]
            if not link:
                continue
            target = link.lstrip("/")
            assert target in files or f"{target}index.html" in files, (path, link)
    assert "{{" not in "".join(pages.values())


def test_what_is_typed_is_shown_and_never_run() -> None:
    evil = "<script>alert(1)</script>\"'{{ 7919*7907 }}&"
    files = starter.render(inputs(title_zh=evil, title_en=evil, tenant_zh=evil, tenant_en=evil))
    text = files["index.html"].decode()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "62615533" not in text
    Page(text)


def test_a_site_without_marks_has_no_empty_ones() -> None:
    text = starter.render(inputs(marks={"organiser": "局"}))["index.html"].decode()
    assert "ICP" not in text
    assert "SiteIDCode" not in text


def test_rendering_is_deterministic_and_colours_have_contrast() -> None:
    assert starter.render(inputs()) == starter.render(inputs())
    for dark, light in starter.COLOURS:
        assert contrast(dark, "#ffffff") >= 4.5
        assert contrast(light, "#12171d") >= 4.5


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)
