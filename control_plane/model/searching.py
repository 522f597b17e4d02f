"""Text that is looked for in the rows of a list, the same on pages and for programs: only in what people read.

Random ids and digests are nobody's words; each is found by the whole of it, never by a part. Chinese words are found by
their pinyin too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from control_plane.model.pinyin import sounds

#: Opaque ids as the store makes them, and digests.
_OPAQUE = re.compile(r"\b(?:[a-z]{1,2}_[a-z2-7]{12}|(?=[0-9]*[a-f])[0-9a-f]{16,})\b")


def holds(row: Mapping[str, Any], text: str) -> bool:
    """Whether this text, letter case aside, stands in a value of the row or sounds like it; in any, when empty."""
    text = text.casefold()
    return not text or any(_holds(value, text) for value in _values(row))


def _values(row: Mapping[str, Any]) -> Iterator[str]:
    for value in row.values():
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, str | int) and not isinstance(one, bool):
                yield str(one).casefold()


def _holds(value: str, text: str) -> bool:
    stands = text in value and (text in _OPAQUE.findall(value) or text in _OPAQUE.sub("\n", value))
    return stands or sounds(value, text)
