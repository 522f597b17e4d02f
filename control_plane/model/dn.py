"""What offerings and the directory driver must agree on: DNs in one normal form, and what of an entry is ours.

Pure text work after RFC 4514 and RFC 4518; never joins an unescaped value into a DN, never talks to a server.

Attributes of a directory resource are `{"dn": <normal form>, "objectClass": [...], <name>: [values]}`: every value but
`dn` is a sorted list of strings, an attribute without a value is left out, `member` holds DNs in normal form. The
markers (`gaspOwner`, `gaspKey`) are not among them: the driver writes them from `Resource.owner` and `Resource.id`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

Rdn = tuple[tuple[str, str], ...]
"""One relative name: (type in lower case, value) pairs, more than one only for multi-valued RDNs."""

COMPARED: Mapping[str, tuple[str, ...]] = {
    "directory.unit": ("objectClass", "ou", "description"),
    "directory.person": (
        "objectClass",
        "uid",
        "cn",
        "sn",
        "givenName",
        "displayName",
        "mail",
        "title",
        "telephoneNumber",
        "employeeNumber",
        "departmentNumber",
        "preferredLanguage",
        "uidNumber",
        "gidNumber",
        "homeDirectory",
    ),
    "directory.service": ("objectClass", "uid", "description"),
    "directory.group": ("objectClass", "cn", "member", "gidNumber", "description"),
}
"""Attributes that are ours, by kind: compared, written, and removed when not declared. All others on our entries
(passwords, operational ones, what somebody added) are neither read nor touched."""

OBJECT_CLASSES = ("account", "gaspManaged", "groupOfNames", "inetOrgPerson", "organizationalUnit", "posixAccount")
"""Object classes that are ours; others on our entries are left alone."""

DN_VALUED = frozenset({"member"})

_SIMPLE = re.compile(r"[a-z][a-z0-9-]*=[a-z0-9._-]+(?:,[a-z][a-z0-9-]*=[a-z0-9._-]+)*")
_TYPE = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)\s*=[ ]*")
_PLAIN = re.compile(r'[^\\,+"<>;=\x00]+')
_SPECIAL = frozenset('\\,+"<>;=\x00')
_TO_ESCAPE = re.compile(r'[\\,+"<>;=\x00]')
_HEX = re.compile(r"[0-9A-Fa-f]{2}")


def escape_rdn_value(value: str) -> str:
    """`value` as it must stand in a DN (RFC 4514 §2.4). Special characters become `\\XX`, as slapd prints them."""
    escaped = _TO_ESCAPE.sub(lambda found: f"\\{ord(found[0]):02X}", value)
    if escaped[:1] in ("#", " "):
        escaped = f"\\{ord(escaped[0]):02X}{escaped[1:]}"
    if len(escaped) > 1 and escaped[-1] == " ":
        escaped = f"{escaped[:-1]}\\20"
    return escaped


def child_dn(kind: str, value: str, parent: str) -> str:
    """The DN, in normal form, of the entry `kind=value` below `parent`. Raises ValueError for an empty value."""
    if not value:
        raise ValueError(f"the value of {kind} in a DN is empty")
    return normalise_dn(f"{kind}={escape_rdn_value(value)},{parent}")


def split_dn(text: str) -> list[Rdn]:
    """Parse a DN, leaf first, values unescaped. Raises ValueError with a reason when it is none."""
    rdns: list[Rdn] = []
    pairs: list[tuple[str, str]] = []
    at = 0
    while text.strip():
        match = _TYPE.match(text, at)
        if not match:
            raise ValueError(f"“{text[at : at + 20]}” does not start with a type and =")
        value, at = _value(text, match.end())
        pairs.append((match[1].lower(), value))
        separator = text[at : at + 1]
        if separator != "+":
            rdns.append(tuple(pairs))
            pairs = []
        if not separator:
            break
        if separator not in (",", ";", "+"):
            raise ValueError(f"“{separator}” must be escaped")
        at += 1
    return rdns


def _value(text: str, at: int) -> tuple[str, int]:
    """One attribute value from `at` to the next separator; trailing blanks that are not escaped are dropped."""
    if text[at : at + 1] == "#":
        raise ValueError("values in hexadecimal (#…) are not supported")
    raw = bytearray()
    keep = 0
    while at < len(text):
        if text[at] == "\\":
            pair = text[at + 1 : at + 3]
            if _HEX.fullmatch(pair):
                raw.append(int(pair, 16))
                at += 3
            elif pair[:1] and (pair[0] in _SPECIAL or pair[0] in "# "):
                raw += pair[0].encode()
                at += 2
            else:
                raise ValueError(f"“\\{pair}” is no escape")
            keep = len(raw)
            continue
        match = _PLAIN.match(text, at)
        if not match:
            if text[at] == "=":
                raw += b"="
                keep = len(raw)
                at += 1
                continue
            break
        raw += match[0].encode()
        keep = max(keep, len(raw) - (len(match[0]) - len(match[0].rstrip(" "))))
        at = match.end()
    try:
        return raw[:keep].decode(), at
    except UnicodeDecodeError:
        raise ValueError("a value is not UTF-8") from None


def normal_value(value: str) -> str:
    """A naming value as the server compares it: lower case, composed, without insignificant blanks (RFC 4518)."""
    folded = unicodedata.normalize("NFC", value.lower())
    return re.sub(" +", " ", folded).strip(" ") or (" " if value else "")


def join_dn(rdns: Iterable[Rdn]) -> str:
    """Inverse of `split_dn`."""
    return ",".join("+".join(f"{kind}={escape_rdn_value(value)}" for kind, value in rdn) for rdn in rdns)


def normalise_dn(text: str) -> str:
    """The one spelling of a DN: equal for DNs that differ in case, blanks, order in an RDN or way of escaping.

    Raises ValueError when `text` is no DN.
    """
    if _SIMPLE.fullmatch(text):
        return text
    return join_dn(tuple(sorted((kind, normal_value(value)) for kind, value in rdn)) for rdn in split_dn(text))


def parent_dn(dn: str) -> str:
    """The DN above a DN in normal form; empty for a DN of one part."""
    return dn.partition(",")[2]


def rdn_of(dn: str) -> str:
    """The first part of a DN in normal form (commas in values are escaped there, so the first comma ends it)."""
    return dn.partition(",")[0]


def naming_value(rdn: Sequence[tuple[str, str]], kind: str) -> str | None:
    """The value of one type in an RDN."""
    return next((value for name, value in rdn if name == kind), None)
