"""Names: DNS names as people write them, as servers store them, and as screens show them.

IDNA 2008 with the UTS-46 mapping before it (case, full-width letters, the ideographic full stop);
non-transitional, so `faß` stays itself. Sources: RFC 1035, RFC 1123, RFC 5891, UTS #46.
"""

from __future__ import annotations

import re

import idna

from control_plane.model.errors import Problem
from control_plane.model.text import t

MAX_NAME = 253
_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
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


def to_ascii(name: str) -> str:
    """The lower-case A-label form without a final dot. Raises ValueError with an English reason."""
    text = name.strip()
    text = text[:-1] if text.endswith((".", "。")) else text
    try:
        mapped = idna.uts46_remap(text, std3_rules=True, transitional=False)
        labels = [idna.encode(label).decode() if not label.isascii() else label for label in mapped.split(".")]
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError(str(error)) from None
    result = ".".join(labels)
    for label in labels:
        if not _LABEL.match(label):
            raise ValueError(f"label “{label}” must have 1 to 63 of a-z, 0-9 and hyphen, no hyphen at its ends")
        if label[2:4] == "--" and not label.startswith("xn--"):
            raise ValueError(f"label “{label}” has hyphens in places 3 and 4")
        if label.startswith("xn--"):
            try:
                idna.decode(label)
            except (idna.IDNAError, UnicodeError) as error:
                raise ValueError(str(error)) from None
    if len(result) > MAX_NAME:
        raise ValueError(f"the name has {len(result)} octets, {MAX_NAME} are allowed")
    return result


def to_unicode(name: str) -> str:
    """The readable form of an A-label name, for screens."""
    if "xn--" not in name:
        return name
    try:
        return idna.decode(name)
    except (idna.IDNAError, UnicodeError):
        return name


def check_name(name: str, field: str) -> tuple[str | None, list[Problem]]:
    """Validate one DNS name; returns its A-label form or the problem."""
    try:
        return to_ascii(name), []
    except ValueError as error:
        return None, [
            Problem(
                "bad-name",
                t("“{name}” is no valid host name: {reason}.", name=name, reason=str(error).rstrip(".")),
                t("Use labels of letters, digits and hyphens (Chinese is allowed), such as fgw.qingdao.test."),
                field=field,
            )
        ]
