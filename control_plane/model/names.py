"""Names: DNS names as people write them, as servers store them, and as screens show them.

IDNA 2008 with the UTS-46 mapping before it (case, full-width letters, the ideographic full stop);
non-transitional, so `faß` stays itself. Sources: RFC 1035, RFC 1123, RFC 5891, UTS #46.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import idna

from control_plane.model.errors import Problem
from control_plane.model.text import Text, t

MAX_NAME = 253
_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
_CODEPOINT = re.compile(r"U\+([0-9A-F]{4,6})")
RESERVED_LABELS = frozenset(
    {
        "intra",
        "core",
        "_gasp",
        "ns1",
        "ns2",
        "ldap",
        "gw",
        "why",
        "www",
        "mail",
        "ns",
        "dns",
        "admin",
        "api",
        "test",
    }
)
TENANT_CODE = re.compile(r"^[a-z][a-z0-9]{1,14}$")
UID = re.compile(r"^[a-z][a-z0-9._-]{2,31}$")
#: New groups of a department. Rules of other services name them, so they are simpler than what older forms allow.
GROUP = re.compile(r"^[a-z][a-z0-9-]{0,30}$")


class NoName(ValueError):
    """This is no DNS name; `text` says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


def to_ascii(name: str) -> str:
    """The lower-case A-label form without a final dot. Raises NoName."""
    text = name.strip()
    text = text[:-1] if text.endswith((".", "。")) else text
    try:
        mapped = idna.uts46_remap(text, std3_rules=True, transitional=False)
        labels = [idna.encode(label).decode() if not label.isascii() else label for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError) as error:
        raise NoName(_why(error)) from None
    result = ".".join(labels)
    for label in labels:
        if not _LABEL.match(label):
            raise NoName(
                t(
                    "the part “{label}” must have 1 to 63 letters, digits and hyphens, no hyphen at its ends",
                    label=label,
                )
            )
        if label[2:4] == "--" and not label.startswith("xn--"):
            raise NoName(t("the part “{label}” has hyphens in places 3 and 4", label=label))
        if label.startswith("xn--"):
            try:
                idna.decode(label)
            except (idna.IDNAError, UnicodeError) as error:
                raise NoName(_why(error)) from None
    if len(result) > MAX_NAME:
        raise NoName(t("it has {count} characters, {most} are allowed", count=len(result), most=MAX_NAME))
    return result


def _why(error: Exception) -> Text:
    """What the library says, in words for people: it speaks English only."""
    found = _CODEPOINT.search(str(error))
    if found is None:
        return t("it cannot be written as a domain name")
    character = chr(int(found[1], 16))
    if character.isspace():
        return t("there is a blank in it")
    if character.isprintable():
        return t("“{character}” cannot be in a name", character=character)
    return t("the character U+{code} cannot be in a name", code=found[1])


def to_unicode(name: str) -> str:
    """The readable form of an A-label name, for screens."""
    if "xn--" not in name:
        return name
    bare = name.lstrip(".")
    try:
        return name[: -len(bare)] + idna.decode(bare)
    except (idna.IDNAError, UnicodeError):
        return name


def name_both(name: str) -> str:
    """The readable form, with the A-label form beside it where that is another one: people compare it with what
    browsers and logs show."""
    shown = to_unicode(name)
    return name if shown == name else f"{shown} ({name})"


def url_both(url: str) -> str:
    """A web address likewise."""
    host = urlsplit(url).hostname or ""
    shown = to_unicode(host)
    return url if shown == host else f"{url.replace(host, shown, 1)} ({url})"


def check_name(name: str, field: str) -> tuple[str | None, list[Problem]]:
    """Validate one DNS name; returns its A-label form or the problem."""
    try:
        return to_ascii(name), []
    except NoName as error:
        return None, [
            Problem(
                "bad-name",
                t("“{name}” is no valid host name: {reason}.", name=name, reason=error.text),
                t("Use labels of letters, digits and hyphens (Chinese is allowed), such as fgw.qingdao.test."),
                field=field,
            )
        ]
