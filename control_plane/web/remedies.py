"""Remedies as the reader of a page can follow them.

Sentences are shared with the command line, which departments do not have: for those who do not see the estate, what
names a command or a setting is left out.
"""

from __future__ import annotations

import re

from flask import g, url_for
from markupsafe import Markup

from control_plane.model.people import Act
from control_plane.model.text import Text, t
from control_plane.workflow import access

_COMMAND = re.compile(r"\bgasp [a-z]|\bmake up\b|(?<!\S)--[a-z]|\bGASP_[A-Z]")
_BREAK = re.compile(r"(?<=[。；：])\s*|(?<=[.;:])\s+")
_REFERENCE = re.compile(r"\bR-\d{4}-\d{4,}\b")
#: What is narrower only leads to the command (“See:”, “请查看：”); a Chinese character is two wide.
_LEAD = 12
ASK_THE_CENTRE = t("Ask the centre, and tell it what stands here.")


def remedy(said: Text | str) -> str:
    """What to do, in the language of the page. A request that it names can be opened."""
    text = str(said)
    found = _REFERENCE.search(text) if _is_cut(text) else None
    if found is None:
        return remedy_words(said)
    address = url_for("requests.request_page", reference=found[0])
    label = t("Open {request}", request=found[0])
    return Markup('{0} <a href="{1}">{2}</a>').format(without_commands(text), address, label)


def remedy_words(said: Text | str) -> str:
    """The same without a link."""
    text = str(said)
    return without_commands(text) or str(ASK_THE_CENTRE) if _is_cut(text) else text


def without_commands(text: str) -> str:
    """The clauses of a sentence that name no command; empty where nothing is left to go by."""
    kept = [clause for clause in _BREAK.split(text) if clause and not _COMMAND.search(clause)]
    if kept and kept[-1][-1] in ":：" and _width(kept[-1]) < _LEAD:
        kept.pop()
    if not kept:
        return ""
    ends = {":": ".", ";": ".", "：": "。", "；": "。"}
    kept[-1] = kept[-1][:-1] + ends.get(kept[-1][-1], kept[-1][-1])
    return "".join(clause if clause[-1] in "。；：" else f"{clause} " for clause in kept).strip()


def _width(text: str) -> int:
    return sum(1 if character.isascii() else 2 for character in text)


def _is_cut(text: str) -> bool:
    """Whether it names a command to somebody of a department. While the database is away nobody is known, and operators
    have to read what helps."""
    session = g.get("session")
    known = session is not None and not access.allows(session.person, Act.SEE_ESTATE)
    return known and _COMMAND.search(text) is not None
