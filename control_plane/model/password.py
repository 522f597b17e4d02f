"""What a new password must be: long, and not among the first that somebody would guess. No rule of composition.

Lengths, lists instead of rules, and words of the place: NIST SP 800-63B §5.1.1.2, OWASP ASVS 5.0.0 §6.2.
"""

from __future__ import annotations

from collections.abc import Iterable

from control_plane.model.errors import Problem
from control_plane.model.text import Text, t

SHORTEST, LONGEST = 12, 200
#: Characters that are judged; those after them only make a password better, and judging them takes long.
JUDGED = 72
#: Of the 0 to 4 of zxcvbn: 10^8 guesses and more.
ENOUGH = 3
#: Words of the product that nobody's password is made of.
OURS = ("gasp", "password", "口令", "密码")


def problems(old: str, new: str, again: str, login: str, words: Iterable[str]) -> list[Problem]:
    """All that is wrong with a change of a password. `words`: of the place and the person, which are guessed first."""
    found = []
    if not old:
        found.append(_wrong("old", t("The present password is missing."), t("Enter it once more.")))
    if len(new) < SHORTEST or not new.strip():
        longer = t("Take {count} characters or more; a sentence is fine.", count=SHORTEST)
        found.append(_wrong("new", t("The new password is too short."), longer))
    elif len(new) > LONGEST or any(c < " " or c == "\x7f" for c in new):
        text = t("The new password is too long or has characters that nobody can type.")
        found.append(_wrong("new", text, t("Take at most {count} characters from a keyboard.", count=LONGEST)))
    elif new == old or login.lower() in new.lower():
        text = t("The new password is the old one or has your name in it.")
        found.append(_wrong("new", text, t("Take another one.")))
    elif easy(new, (login, *words)):
        text = t("The new password is easy to guess: it is common, or made of names, dates or repeats.")
        found.append(_wrong("new", text, t("Take several words that do not belong together.")))
    if new != again:
        found.append(_wrong("again", t("The two new passwords differ."), t("Enter the same one twice.")))
    return found


def easy(password: str, words: Iterable[str] = ()) -> bool:
    """Whether somebody who knows these words, frequent passwords, names and dates would guess it soon."""
    from zxcvbn import zxcvbn

    known = [word for word in (*OURS, *words) if word]
    return bool(zxcvbn(password[:JUDGED], user_inputs=known, max_length=JUDGED)["score"] < ENOUGH)


def _wrong(field: str, text: Text, remedy: Text) -> Problem:
    return Problem(f"bad-{field}", text, remedy, field=field)
