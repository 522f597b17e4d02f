"""What stands on paper: the words of a PDF that Chromium printed, page by page, and what a sheet would cut off."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator

from playwright.sync_api import Page

#: A sheet of A4 without its margins of 15 mm, in pixels of 1/96 inch.
SHEET = 680
#: Parts of a page that are there for eyes and not on paper, and those that are wider than the sheet or scroll.
LOST = """() => {
  const found = [];
  for (const part of document.querySelectorAll("main *")) {
    if (part.closest(".d-print-none, .visually-hidden, [hidden], head, script, template, svg")) continue;
    const box = part.getBoundingClientRect(), style = getComputedStyle(part);
    const name = `${part.tagName}.${part.className} ${part.textContent.trim().slice(0, 40)}`;
    if (!part.checkVisibility({ visibilityProperty: true })) found.push(`unseen: ${name}`);
    else if (box.right > innerWidth + 1) found.push(`too wide: ${name}`);
    else if (style.overflowX !== "visible" && part.scrollWidth > part.clientWidth + 1) found.push(`cut: ${name}`);
  }
  return found;
}"""
#: Every word that is to stand on paper, folded or not.
WORDS = """() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    if (walker.currentNode.parentElement.closest(".d-print-none, .visually-hidden, [hidden], .ago")) continue;
    found.push(...walker.currentNode.data.split(/\\s+/).filter(Boolean));
  }
  return found;
}"""
_OBJECT = re.compile(rb"(\d+) 0 obj\b(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"/Length (\d+).*?stream\r?\n", re.DOTALL)
_SHOWN = re.compile(rb"/(F\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)> Tj|\[((?:<[0-9A-Fa-f]*>|[-\d. ])*)\] ?TJ|ET")


def lost_on_paper(page: Page) -> list[str]:
    """What of a page would not be on the sheet, or not whole. Leaves the page as it would be printed."""
    page.set_viewport_size({"width": SHEET, "height": 1000})
    page.emulate_media(media="print")
    found: list[str] = page.evaluate(LOST)
    return found


def missing_on_paper(page: Page) -> list[str]:
    """Words of a page that the PDF which Chromium prints of it does not have."""
    printed = words_of(page.pdf(format="A4", prefer_css_page_size=True))
    words: list[str] = page.evaluate(WORDS)
    assert words
    return [word for word in words if plain(word) not in printed]


def words_of(pdf: bytes) -> str:
    """The words of a PDF of Chromium's, without blanks and ligatures: glyphs by the maps that their fonts carry."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    fonts: dict[str, dict[int, str]] = {}
    for body in objects.values():
        for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", body):
            unicode = re.search(rb"/ToUnicode (\d+) 0 R", objects.get(int(number), b""))
            if unicode:
                fonts[name.decode()] = _glyphs(_unpacked(objects[int(unicode[1])]))
    streams = (_unpacked(body) for body in objects.values() if b"stream" in body)
    return plain("".join(text for stream in streams for text in _texts(stream, fonts)))


def plain(text: str) -> str:
    """Without ligatures and other forms of the same letters."""
    return unicodedata.normalize("NFKC", text)


def _unpacked(body: bytes) -> bytes:
    found = _STREAM.search(body)
    if found is None:
        return b""
    content = body[found.end() : found.end() + int(found[1])]
    return zlib.decompress(content) if b"/FlateDecode" in body[: found.end()] else content


def _glyphs(text: bytes) -> dict[int, str]:
    """A map of a font: `<0003> <0020>`, or a range from one glyph to another."""
    found: dict[int, str] = {}
    for section in re.findall(rb"beginbfchar(.*?)endbfchar", text, re.DOTALL):
        for glyph, word in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", section):
            found[int(glyph, 16)] = bytes.fromhex(word.decode()).decode("utf-16-be")
    for section in re.findall(rb"beginbfrange(.*?)endbfrange", text, re.DOTALL):
        for low, high, word in re.findall(rb"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", section):
            first = int(word, 16)
            found |= {int(low, 16) + n: chr(first + n) for n in range(int(high, 16) - int(low, 16) + 1)}
    return found


def _texts(stream: bytes, fonts: dict[str, dict[int, str]]) -> Iterator[str]:
    font: dict[int, str] = {}
    for name, one, many in _SHOWN.findall(stream):
        if name:
            font = fonts.get(name.decode(), {})
        for run in [one] if one else re.findall(rb"<([0-9A-Fa-f]*)>", many):
            codes = (int(run[at : at + 4], 16) for at in range(0, len(run), 4))
            yield "".join(font.get(code, "") for code in codes).replace(" ", "")
