"""Text on a terminal: columns, shapes, colour, and data that must not steer the terminal.

Names come from departments, so every piece of data passes `clean` before it is shown. Must not know what is shown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from numbers import Number
from os import environ
from typing import IO, Any

from rich.cells import cell_len

from control_plane.model.states import STATES, Tone
from control_plane.model.text import Text

#: C0 and C1 controls, line separators, marks that turn the direction of text, lone surrogates.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_BUT_LINES = re.compile(UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))
#: What is never torn apart: blanks, a word, or one wide character, each with the closing marks behind it.
_PIECE = re.compile(r"\s+|(?:[^\s\u2e80-\uffef“”]+|[\u2e80-\uffef]|“|”)[，。；：、）」”！？]*")
_STYLE_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36}
#: The centre's own clock; China has had no summer time since 1991.
SHANGHAI = timezone(timedelta(hours=8))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(text: str) -> str:
    """`text` on one line, with everything that could steer a terminal written as `\\x1b` or `\\u202e`."""
    return UNSAFE.sub(_escape, text)


def clean_lines(text: str) -> str:
    """As `clean`, but line feeds stay."""
    return _UNSAFE_BUT_LINES.sub(_escape, text)


def sentence(text: Text | str) -> str:
    """A sentence in the reader's language whose data cannot steer the terminal or fake further lines."""
    if isinstance(text, str):
        return clean(text)
    params = {k: v if isinstance(v, Number) else _param(v) for k, v in text.params.items()}
    return clean_lines(Text(text.msgid, params, text.plural).render())


def _param(value: Any) -> str:
    return sentence(value) if isinstance(value, Text) else clean(str(value))


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled with blanks to `width` terminal cells; a Chinese character takes two."""
    fill = " " * (width - cell_len(text))
    return fill + text if right else text + fill


def fold(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` cells, broken at blanks or between wide characters, never before closing marks."""
    line = ""
    for piece in _PIECE.findall(text):
        if line and cell_len(line) + cell_len(piece.rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += piece if line else piece.lstrip()
    if line.strip():
        yield line.rstrip()


def colourful(stream: IO[str], wanted: bool | None = None) -> bool:
    """Whether colour may be printed: on a terminal that can, and nobody asked for none."""
    if wanted is not None:
        return wanted
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def unicode_shapes(stream: IO[str]) -> bool:
    """Whether ● and ✖ can be printed there."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") in ("utf8", "gb18030")


def paint(text: str, style: str, colour: bool) -> str:
    """`text` in a style of one or more words (`bold red`), when colour is on."""
    codes = ";".join(str(_STYLE_CODES[word]) for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if colour and codes else text


@dataclass(frozen=True)
class Mark:
    """How a state is shown: never by colour alone, always with a shape and a word."""

    word: Text
    shape: str
    ascii: str
    style: str


#: Shape, its ASCII stand-in and style of each tone.
_LOOKS: Mapping[Tone, tuple[str, str, str]] = {
    "good": ("●", "o", "green"),
    "warn": ("▲", "!", "yellow"),
    "bad": ("✖", "x", "red"),
    "blind": ("◆", "?", "blue"),
    "busy": ("◌", "~", "cyan"),
    "held": ("■", "#", "dim"),
    "none": ("–", "-", "dim"),
}
#: One word for one state, everywhere on the command line.
MARKS: Mapping[str, Mark] = {state: Mark(word, *_LOOKS[tone]) for state, (tone, word) in STATES.items()}


def state_mark(state: str) -> tuple[str, str]:
    """`● passed` and its style; a word we do not know is shown as it is."""
    mark = MARKS.get(state)
    if mark is None:
        return clean(state), ""
    return f"{mark.shape if unicode_shapes(sys.stdout) else mark.ascii} {mark.word}", mark.style


def moment(value: str | None) -> str:
    """An ISO time with offset: in Asia/Shanghai, or in the time zone of the environment when `TZ` is set."""
    if not value:
        return "–"
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return clean(value)
    if at.tzinfo is None:
        return at.isoformat(timespec="seconds")
    return at.astimezone(None if environ.get("TZ") else SHANGHAI).isoformat(timespec="seconds")


def duration(seconds: float) -> str:
    """`0.4 s`, `00:07`, `1:02:03`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes:02}:{rest:02}"
