"""Chinese words found by how they sound: `shifazhan` and `sfz` both find 市发展和改革委员会.

Any reading of a sign will do (行 is hang and xing), so no dictionary of phrases is needed, which would take four times
the memory. The readings are loaded when somebody first looks for letters in Chinese words. Tones are not asked for.
"""

from __future__ import annotations

import os
import re
from functools import cache

_LETTERS = re.compile(r"[a-z]{2,}")
#: Signs that pypinyin may know, as many as follow each other.
_SIGNS = re.compile(r"[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")


def sounds(text: str, asked: str) -> bool:
    """Whether `asked`, in small letters, are syllables in `text` (the last one may be begun only), or the initials of
    signs that follow each other."""
    letters = asked.replace(" ", "").replace("'", "").replace("ü", "v")
    if text.isascii() or not _LETTERS.fullmatch(letters):
        return False
    first = letters[0]
    return any(
        first in _initials(sign) and (_syllables(signs, at, letters) or _signs(signs, at, letters))
        for signs in _SIGNS.findall(text)
        for at, sign in enumerate(signs)
    )


def _syllables(text: str, at: int, letters: str) -> bool:
    said = {0}
    while said and at < len(text):
        further = set()
        for count in said:
            rest = letters[count:]
            for syllable in _readings(text[at]):
                if rest == syllable or (count and syllable.startswith(rest)):
                    return True
                if rest.startswith(syllable):
                    further.add(count + len(syllable))
        said, at = further, at + 1
    return False


def _signs(text: str, at: int, letters: str) -> bool:
    signs = text[at : at + len(letters)]
    return len(signs) == len(letters) and all(a in _initials(sign) for a, sign in zip(letters, signs, strict=True))


@cache
def _initials(sign: str) -> str:
    return "".join({reading[0] for reading in _readings(sign)})


@cache
def _readings(sign: str) -> tuple[str, ...]:
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin import Style, pinyin

    found = pinyin(sign, style=Style.NORMAL, heteronym=True, errors="ignore")
    return tuple(found[0]) if found else ()
