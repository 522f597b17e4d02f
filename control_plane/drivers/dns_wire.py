"""DNS bytes: a fast reader of answers and the encoder of what we write, for the record types in use.

Reading a zone with dnspython's objects costs 25 times this; it is still used for the rare types.
Must not: guess. A message that does not decode to its last octet raises `DecodeError`.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6, inet_ntop
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, TSIG, CAA = 1, 2, 5, 6, 12, 15, 16, 28, 33, 250, 257
CLASS_IN, CLASS_NONE, CLASS_ANY = 1, 254, 255
MAX_TTL = 2**31 - 1

_HEADER = struct.Struct("!HHHHHH").unpack_from
_RR = struct.Struct("!HHIH").unpack_from
_PLAIN_LABEL = re.compile(rb"[a-z0-9_*/-]+\Z").match
_PLAIN_NAME = re.compile(r"(?:[a-z0-9_*/-]{1,63}\.)*[a-z0-9_*/-]{1,63}\Z").match
_PLAIN_TEXT = re.compile(rb"[ !#-\[\]-~]*\Z").match
_TARGETS = frozenset({NS, CNAME, PTR})
_META = frozenset({41, TSIG})


class DecodeError(ValueError):
    """The bytes are no well-formed DNS message."""


Record = tuple[str, int, int, str, str | None, bytes | None]
"""One record of an answer, a plain tuple for speed: name, type, ttl, value, stored, rdata.

The name is lower case without a final dot; the value is the readable form (TXT: the joined text).
Stored form and octets are None, but where the value alone cannot give the octets back: a TXT cut in
an unusual way or not in UTF-8.
"""


class Message(NamedTuple):
    """A decoded message: its answer section and where its TSIG record starts (-1: unsigned)."""

    id: int
    flags: int
    answer: list[Record]
    tsig_start: int

    @property
    def rcode(self) -> int:
        """The response code of the header."""
        return self.flags & 0xF

    @property
    def is_response(self) -> bool:
        """The QR bit."""
        return bool(self.flags & 0x8000)


def type_name(number: int) -> str:
    """`1` → `A`; unknown types as in RFC 3597 (`TYPE65280`)."""
    return _TYPE_NAMES.get(number) or dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))


_TYPE_NAMES = {
    A: "A", NS: "NS", CNAME: "CNAME", SOA: "SOA", PTR: "PTR", MX: "MX", TXT: "TXT", AAAA: "AAAA", SRV: "SRV",
    CAA: "CAA",
}  # fmt: skip
TYPE_NUMBERS = {name: number for number, name in _TYPE_NAMES.items()}


def type_number(name: str) -> int:
    """`A` → 1, for all types. Raises ValueError."""
    try:
        return TYPE_NUMBERS.get(name) or int(dns.rdatatype.from_text(name))
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"record type “{name}”") from None


def decode(wire: bytes) -> Message:
    """Decode a whole message. Raises `DecodeError` for anything malformed, also compression loops."""
    try:
        return _decode(wire)
    except (IndexError, struct.error, UnicodeError, dns.exception.DNSException, ValueError) as error:
        raise DecodeError(str(error) or type(error).__name__) from None


def _decode(wire: bytes) -> Message:
    ident, flags, questions, answers, authorities, additionals = _HEADER(wire)
    names: dict[int, str] = {}
    size = len(wire)
    pos = 12
    for _ in range(questions):
        pos = read_name(wire, pos, names)[1] + 4
    records: list[Record] = []
    add = records.append
    tsig = -1
    texts: dict[bytes, str] = {}
    for number in range(answers + authorities + additionals):
        start = pos
        name: str | None = None
        if wire[pos] >= 0xC0:
            name = names.get((wire[pos] & 0x3F) << 8 | wire[pos + 1])
        if name is None:
            name, pos = read_name(wire, pos, names)
        else:
            pos += 2
        rtype, rclass, ttl, length = _RR(wire, pos)
        pos += 10
        end = pos + length
        if end > size:
            raise DecodeError("the message ends inside a record")
        if number >= answers:
            if rtype == TSIG:
                if number != answers + authorities + additionals - 1:
                    raise DecodeError("the signature is not the last record")
                tsig = start
            pos = end
            continue
        if rclass != CLASS_IN:
            raise DecodeError(f"a record of class {rclass}")
        stored = rdata = None
        if rtype == TXT:
            if length and wire[pos] == length - 1:
                octets = wire[pos + 1 : end]
                try:
                    value = octets.decode()
                except UnicodeDecodeError:
                    value, stored, rdata = _text(wire[pos:end])
            else:
                value, stored, rdata = _text(wire[pos:end])
        elif (rtype == A and length == 4) or (rtype == AAAA and length == 16):
            octets = wire[pos:end]
            found = texts.get(octets)
            if found is None:
                found = texts[octets] = inet_ntop(AF_INET if length == 4 else AF_INET6, octets)
            value = found
        elif rtype in _TARGETS:
            value = _target(wire, pos, end, names)
        elif rtype == MX:
            (preference,) = struct.unpack_from("!H", wire, pos)
            value = f"{preference} {_target(wire, pos + 2, end, names)}"
        elif rtype == SRV:
            priority, weight, port = struct.unpack_from("!HHH", wire, pos)
            value = f"{priority} {weight} {port} {_target(wire, pos + 6, end, names)}"
        else:
            octets = wire[pos:end]
            found = _caa(octets) if rtype == CAA else None
            if found is None:
                found = _generic(wire, pos, length, rtype)
            value = found
        add((name, rtype, ttl if ttl <= MAX_TTL else 0, value, stored, rdata))
        pos = end
    if pos != size:
        raise DecodeError(f"{size - pos} octets after the last record")
    return Message(ident, flags, records, tsig)


def read_name(wire: bytes, pos: int, known: dict[int, str]) -> tuple[str, int]:
    """The name at `pos` (lower case, escaped as in RFC 4343, no final dot) and the offset behind it.

    `known` maps offsets of this message to names already read. Pointers must lead backwards.
    """
    labels: list[str] = []
    starts: list[int] = []
    end = -1
    bound = at = pos
    while True:
        length = wire[at]
        if length == 0:
            name = ""
            end = at + 1 if end < 0 else end
            break
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | wire[at + 1]
            end = at + 2 if end < 0 else end
            if target >= bound:
                raise DecodeError("a compressed name does not lead backwards")
            bound = target
            found = known.get(target)
            if found is not None:
                name = found
                break
            at = target
            continue
        if length > 63:
            raise DecodeError(f"a label of type {length >> 6}")
        label = wire[at + 1 : at + 1 + length].lower()
        if len(label) != length:
            raise DecodeError("the message ends inside a name")
        starts.append(at)
        labels.append(
            label.decode() if _PLAIN_LABEL(label) else dns.name.Name((label, b"")).to_text(omit_final_dot=True)
        )
        at += 1 + length
    for start, text in zip(reversed(starts), reversed(labels), strict=True):
        name = known[start] = f"{text}.{name}" if name else text
    if len(name) > 253:
        dns.name.from_text(name + ".")  # raises NameTooLong; an escaped name may be longer as text
    return name, end


def _target(wire: bytes, pos: int, end: int, names: dict[int, str]) -> str:
    if wire[pos] >= 0xC0 and pos + 2 == end:
        found = names.get((wire[pos] & 0x3F) << 8 | wire[pos + 1])
        if found is not None:
            return found + "."
    name, behind = read_name(wire, pos, names)
    if behind != end:
        raise DecodeError("a record is longer than its name")
    return name + "."


def _text(rdata: bytes) -> tuple[str, str | None, bytes | None]:
    strings: list[bytes] = []
    pos = 0
    while pos < len(rdata):
        length = rdata[pos]
        strings.append(rdata[pos + 1 : pos + 1 + length])
        pos += 1 + length
    if pos != len(rdata) or not strings:
        raise DecodeError("a text record is cut off")
    joined = b"".join(strings)
    try:
        value = joined.decode()
        if _cut(joined) == rdata:
            return value, None, None
    except UnicodeDecodeError:
        value = joined.decode(errors="backslashreplace")
    stored = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.TXT, rdata, 0, len(rdata)).to_text()
    return value, stored, rdata


def _caa(rdata: bytes) -> str | None:
    tag_end = 2 + rdata[1]
    tag, value = rdata[2:tag_end], rdata[tag_end:]
    if not tag.isalnum() or not _PLAIN_TEXT(value):
        return None
    return f'{rdata[0]} {tag.decode()} "{value.decode()}"'


def _generic(wire: bytes, pos: int, length: int, rtype: int) -> str:
    """dnspython's text; RFC 3597's for content that dnspython finds fault with and the server does not."""
    if rtype in _META:
        raise DecodeError(f"a record of type {rtype} in an answer")
    try:
        number = dns.rdatatype.RdataType.make(rtype)
        return dns.rdata.from_wire(dns.rdataclass.IN, number, wire, pos, length).to_text()
    except dns.exception.DNSException:
        if rtype in _TYPE_NAMES:
            raise
        return f"\\# {length} {wire[pos : pos + length].hex()}".rstrip()


def _cut(octets: bytes) -> bytes:
    """Character-strings of at most 255 octets, each with its length in front (RFC 1035 §3.3.14)."""
    if len(octets) < 256:
        return bytes((len(octets),)) + octets
    pieces = [octets[i : i + 255] for i in range(0, len(octets), 255)]
    return b"".join(bytes((len(piece),)) + piece for piece in pieces)


@lru_cache(maxsize=1 << 16)
def name_to_wire(name: str) -> bytes:
    """Uncompressed wire form of an absolute name (with or without final dot). Raises ValueError."""
    text = name[:-1] if name.endswith(".") else name
    if _PLAIN_NAME(text) and len(text) <= 253:
        return b"".join(bytes((len(label),)) + label.encode() for label in text.split(".")) + b"\0"
    try:
        return dns.name.from_text(text + ".", idna_codec=dns.name.IDNA_2008).to_wire() or b""
    except dns.exception.DNSException as error:
        raise ValueError(f"“{name}”: {error}") from None


def value_to_wire(rtype: str, value: str) -> bytes:
    """The rdata octets of a value in the form of `Record.value`. Raises ValueError with an English reason."""
    return _cut(value.encode()) if rtype == "TXT" else _value_to_wire(rtype, value)


@lru_cache(maxsize=1 << 14)
def _value_to_wire(rtype: str, value: str) -> bytes:
    if rtype == "A":
        return IPv4Address(value).packed
    if rtype == "AAAA":
        return IPv6Address(value).packed
    if rtype in ("CNAME", "NS", "PTR") and value.endswith("."):
        return name_to_wire(value)
    try:
        number = dns.rdatatype.from_text(rtype)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, number, value, idna_codec=dns.name.IDNA_2008)
        return rdata.to_wire() or b""
    except (dns.exception.DNSException, ValueError, OverflowError) as error:
        raise ValueError(f"{rtype} “{value}”: {error or type(error).__name__}") from None


@lru_cache(maxsize=1 << 14)
def canonical_value(rtype: str, value: str) -> str:
    """The form in which `value` will be read back. Raises ValueError if it is none of that type."""
    if rtype == "TXT":
        return value
    rdata = value_to_wire(rtype, value)
    number = type_number(rtype)
    head = struct.pack("!HHHHHH", 0, 0x8000, 0, 1, 0, 0)
    return decode(head + b"\0" + struct.pack("!HHIH", number, CLASS_IN, 0, len(rdata)) + rdata).answer[0][3]
