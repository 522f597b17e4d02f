"""The few LDAP messages that move in bulk, as bytes: RFC 4511 in the subset of BER that it prescribes.

ldap3 spends 0.2 to 0.8 ms of CPU on a message, this some 20 microseconds. No I/O, no meaning, no other messages:
connecting, TLS, binding and passwords stay with ldap3. Malformed input raises BerError, never IndexError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

ADD, DELETE, REPLACE = 0, 1, 2
ASSERTION = b"1.3.6.1.1.12"
MANAGE_DSA_IT = b"2.16.840.1.113730.3.4.2"
PAGED = b"1.2.840.113556.1.4.319"
BASE, ONE_LEVEL, SUBTREE = 0, 1, 2
SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE = 0x64, 0x65, 0x73
INTERMEDIATE_RESPONSE = 0x79

RawEntry = tuple[str, dict[str, list[str]]]
"""DN and attributes (name → values) as the server wrote them; bytes that are no UTF-8 become `\\xNN`."""


class BerError(ValueError):
    """The bytes are not what RFC 4511 prescribes."""


@dataclass(frozen=True, slots=True)
class Result:
    """LDAPResult: code (RFC 4511 §4.1.9), matched DN, the server's diagnostic message."""

    code: int
    matched: str = ""
    diagnostic: str = ""


# writing ---------------------------------------------------------------------------------------------------------
def tlv(tag: int, content: bytes) -> bytes:
    """One element with a definite length."""
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def octets(value: str | bytes) -> bytes:
    """An OCTET STRING; text is sent as UTF-8."""
    return tlv(0x04, value.encode() if isinstance(value, str) else value)


def integer(value: int, tag: int = 0x02) -> bytes:
    """A non-negative INTEGER or ENUMERATED."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def equals(attribute: str, value: str) -> bytes:
    """The filter `(attribute=value)`; the value is bytes on the wire, so nothing in it needs escaping."""
    return tlv(0xA3, octets(attribute) + octets(value))


def present(attribute: str) -> bytes:
    """The filter `(attribute=*)`."""
    return tlv(0x87, attribute.encode())


def any_of(filters: Iterable[bytes]) -> bytes:
    """The filter `(|…)`."""
    return tlv(0xA1, b"".join(filters))


def control(oid: bytes, value: bytes | None, critical: bool = True) -> bytes:
    """One control."""
    flag = b"\x01\x01\xff" if critical else b""
    return tlv(0x30, octets(oid) + flag + (b"" if value is None else octets(value)))


def unless(criterion: bytes) -> bytes:
    """The filter `(!…)`."""
    return tlv(0xA2, criterion)


def asserting(dn: str, version: str) -> bytes:
    """The assertion control (RFC 4528) with `(|(entryCSN=version)(!(entryDN=dn)))`.

    The second half is for slapd's overlays: what they do to other entries on behalf of the request (unique's search,
    memberof's changes) carries the same control, and `(entryCSN=…)` alone would make it fail.
    """
    return control(ASSERTION, any_of((equals("entryCSN", version), unless(equals("entryDN", dn)))))


def paged(size: int, cookie: bytes) -> bytes:
    """The paged results control (RFC 2696)."""
    return control(PAGED, tlv(0x30, integer(size) + octets(cookie)))


def message(number: int, request: bytes, controls: bytes = b"") -> bytes:
    """An LDAPMessage."""
    return tlv(0x30, integer(number) + request + (tlv(0xA0, controls) if controls else b""))


def add_request(dn: str, attributes: Mapping[str, Sequence[str]]) -> bytes:
    """AddRequest."""
    listed = b"".join(
        tlv(0x30, octets(name) + tlv(0x31, b"".join(map(octets, values)))) for name, values in attributes.items()
    )
    return tlv(0x68, octets(dn) + tlv(0x30, listed))


def modify_request(dn: str, modifications: Iterable[tuple[int, str, Sequence[str]]]) -> bytes:
    """ModifyRequest; modifications are (ADD | DELETE | REPLACE, attribute, values)."""
    listed = b"".join(
        tlv(0x30, integer(what, 0x0A) + tlv(0x30, octets(name) + tlv(0x31, b"".join(map(octets, values)))))
        for what, name, values in modifications
    )
    return tlv(0x66, octets(dn) + tlv(0x30, listed))


def delete_request(dn: str) -> bytes:
    """DelRequest."""
    return tlv(0x4A, dn.encode())


def rename_request(dn: str, rdn: str, superior: str | None) -> bytes:
    """ModifyDNRequest; the old naming value is removed from the entry."""
    where = b"" if superior is None else tlv(0x80, superior.encode())
    return tlv(0x6C, octets(dn) + octets(rdn) + b"\x01\x01\xff" + where)


def search_request(base: str, scope: int, criterion: bytes, attributes: Iterable[str], size_limit: int = 0) -> bytes:
    """SearchRequest; aliases are never followed."""
    return tlv(
        0x63,
        octets(base)
        + integer(scope, 0x0A)
        + integer(0, 0x0A)
        + integer(size_limit)
        + integer(0)
        + b"\x01\x01\x00"
        + criterion
        + tlv(0x30, b"".join(map(octets, attributes))),
    )


# reading ---------------------------------------------------------------------------------------------------------
def _header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, start of the content and its end, of the element at `at`."""
    if at + 2 > end:
        raise BerError("an element is cut off")
    tag, size = data[at], data[at + 1]
    at += 2
    if size > 127:
        count = size & 0x7F
        if not 1 <= count <= 4 or at + count > end:
            raise BerError("a length is malformed")
        size = int.from_bytes(data[at : at + count], "big")
        at += count
    if at + size > end:
        raise BerError("an element is longer than what holds it")
    return tag, at, at + size


def expect(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Start and end of the content of the element at `at`, which must have this tag."""
    found, start, stop = _header(data, at, end)
    if found != tag:
        raise BerError(f"tag {found:#x} where {tag:#x} belongs")
    return start, stop


def message_end(data: bytes | bytearray, at: int) -> int | None:
    """Where the message that starts at `at` ends; None while not enough of it is there to tell."""
    have = len(data) - at
    if have < 2:
        return None
    if data[at] != 0x30:
        raise BerError("no LDAP message")
    size = data[at + 1]
    if size <= 127:
        return at + 2 + size
    count = size & 0x7F
    if not 1 <= count <= 4:
        raise BerError("a length is malformed")
    if have < 2 + count:
        return None
    return at + 2 + count + int.from_bytes(data[at + 2 : at + 2 + count], "big")


@dataclass(frozen=True, slots=True)
class Message:
    """One received message: its number, the tag of its operation, and where content and controls lie in `data`."""

    data: bytes
    number: int
    tag: int
    start: int
    stop: int
    end: int


def read_message(data: bytes, at: int, end: int) -> Message:
    """Open the message in `data[at:end]`."""
    start, stop = expect(data, at, end, 0x30)
    first, last = expect(data, start, stop, 0x02)
    tag, body, body_end = _header(data, last, stop)
    return Message(data, int.from_bytes(data[first:last], "big"), tag, body, body_end, stop)


class _Names(dict[bytes, str]):
    """Attribute descriptions as text, each decoded once."""

    def __missing__(self, raw: bytes) -> str:
        self[raw] = name = raw.decode(errors="replace")
        return name


def read_entry(found: Message, names: Mapping[bytes, str] = _Names()) -> RawEntry:
    """A SearchResultEntry. The hot loop of every look, therefore unrolled: short lengths are read in place."""
    data, stop = found.data, found.stop
    start, at = expect(data, found.start, stop, 0x04)
    dn = data[start:at].decode()
    at, _ = expect(data, at, stop, 0x30)
    attributes: dict[str, list[str]] = {}
    try:
        while at < stop:
            at = at + 2 if data[at + 1] < 128 else _header(data, at, stop)[1]
            end = at + 2 + data[at + 1]  # an attribute description is shorter than 128 octets
            name = names[data[at + 2 : end]]
            size = data[end + 1]
            at, last = (end + 2, end + 2 + size) if size < 128 else _header(data, end, stop)[1:]
            values = []
            while at < last:
                size = data[at + 1]
                at, end = (at + 2, at + 2 + size) if size < 128 else _header(data, at, last)[1:]
                raw = data[at:end]
                try:
                    values.append(raw.decode())
                except UnicodeDecodeError:
                    values.append(raw.decode(errors="backslashreplace"))
                at = end
            if at != last:
                raise BerError("a value is longer than its attribute")
            attributes[name] = values
    except IndexError:
        raise BerError("an entry is cut off") from None
    if at != stop:
        raise BerError("an attribute is longer than its entry")
    return dn, attributes


def read_result(found: Message) -> Result:
    """The LDAPResult in any response that ends an operation."""
    data = found.data
    start, at = expect(data, found.start, found.stop, 0x0A)
    code = int.from_bytes(data[start:at], "big")
    start, at = expect(data, at, found.stop, 0x04)
    matched = data[start:at].decode(errors="replace")
    start, at = expect(data, at, found.stop, 0x04)
    return Result(code, matched, data[start:at].decode(errors="replace"))


def read_controls(found: Message) -> Iterator[tuple[bytes, bytes]]:
    """(OID, value) of the controls of a response."""
    if found.stop == found.end:
        return
    data = found.data
    at, end = expect(data, found.stop, found.end, 0xA0)
    while at < end:
        first, stop = expect(data, at, end, 0x30)
        start, oid_end = expect(data, first, stop, 0x04)
        oid, value, inner = data[start:oid_end], b"", oid_end
        while inner < stop:
            tag, start, last = _header(data, inner, stop)
            value = data[start:last] if tag == 0x04 else value
            inner = last
        yield oid, value
        at = stop


def read_cookie(found: Message) -> bytes:
    """Cookie of the paged results control in a SearchResultDone; empty on the last page."""
    for oid, value in read_controls(found):
        if oid == PAGED:
            at, end = expect(value, 0, len(value), 0x30)
            _, at = expect(value, at, end, 0x02)
            start, stop = expect(value, at, end, 0x04)
            return value[start:stop]
    return b""
