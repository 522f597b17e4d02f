"""The fast reader gives what dnspython gives on the same bytes, and nothing for bytes that are no message."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest

from control_plane.drivers.dns_wire import (
    DecodeError,
    canonical_value,
    decode,
    name_to_wire,
    type_name,
    value_to_wire,
)

RECORDS = [
    ("qingdao.test.", "SOA", "ns1.core.qingdao.test. hostmaster.qingdao.test. 4294967295 3600 600 86400 60"),
    ("qingdao.test.", "NS", "ns1.core.qingdao.test."),
    ("qingdao.test.", "MX", "10 mail.QINGDAO.test."),
    ("qingdao.test.", "MX", "0 ."),
    ("qingdao.test.", "CAA", '0 issue "ca.qingdao.test"'),
    ("qingdao.test.", "CAA", '128 iodef "mailto:a\\"b;c\\\\d@qingdao.test"'),
    ("qingdao.test.", "CAA", '0 issue ""'),
    ("fgw.qingdao.test.", "A", "198.51.100.80"),
    ("fgw.qingdao.test.", "A", "0.0.0.0"),
    ("FGW.Qingdao.Test.", "AAAA", "fd94:0:1:1::80"),
    ("fgw.qingdao.test.", "AAAA", "::ffff:1.2.3.4"),
    ("fgw.qingdao.test.", "AAAA", "2001:db8:0:1:1:1:1:1"),
    ("www.fgw.qingdao.test.", "CNAME", "fgw.qingdao.test."),
    ("_ldap._tcp.fgw.qingdao.test.", "SRV", "0 5 389 directory.core.qingdao.test."),
    ("1.0.94.10.qingdao.test.", "PTR", "host.fgw.qingdao.test."),
    ("*.jw.qingdao.test.", "A", "203.0.113.20"),
    ("a\\.b\\032c\\007\\195.qingdao.test.", "TXT", '"odd name"'),
    ("t.qingdao.test.", "TXT", '"v=spf1 ip4:192.0.2.0/24 -all"'),
    ("t.qingdao.test.", "TXT", '""'),
    ("t.qingdao.test.", "TXT", '"say \\"hello\\"; then \\\\ stop"'),
    ("t.qingdao.test.", "TXT", '"two" "strings"'),
    ("t.qingdao.test.", "TXT", '"\\255\\254"'),
    ("h.qingdao.test.", "HINFO", '"cpu" "os"'),
    ("h.qingdao.test.", "TLSA", "3 1 1 " + "0f" * 32),
    ("h.qingdao.test.", "SVCB", "1 svc.qingdao.test. alpn=h2"),
    ("h.qingdao.test.", "TYPE65280", "\\# 3 010203"),
    (("a" * 63 + ".") * 3 + "b" * 48 + ".qingdao.test.", "A", "192.0.2.1"),
]


def message_of(records: Iterable[tuple[str, str, str]], compress: bool = True) -> bytes:
    message = dns.message.QueryMessage(id=7)
    message.flags = dns.flags.QR | dns.flags.AA
    for name, rtype, text in records:
        rdata = dns.rdata.from_text("IN", rtype, text)
        message.answer.append(dns.rrset.from_rdata(dns.name.from_text(name), 300, rdata))
    if compress:
        return message.to_wire(max_size=65535)
    pieces = [struct.pack("!HHHHHH", 7, int(message.flags), 0, len(message.answer), 0, 0)]
    for rrset in message.answer:
        rdata_wire = rrset[0].to_wire() or b""
        head = struct.pack("!HHIH", rrset.rdtype, 1, rrset.ttl, len(rdata_wire))
        pieces.append((rrset.name.to_wire() or b"") + head + rdata_wire)
    return b"".join(pieces)


def by_dnspython(wire: bytes) -> list[tuple[str, str, int, bytes]]:
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    return [
        (
            rrset.name.canonicalize().to_text(omit_final_dot=True) if rrset.name != dns.name.root else "",
            dns.rdatatype.to_text(rrset.rdtype),
            rrset.ttl,
            rrset[0].to_digestable(),
        )
        for rrset in message.answer
    ]


def by_us(wire: bytes) -> list[tuple[str, str, int, bytes]]:
    found = []
    for name, number, ttl, value, stored, rdata in decode(wire).answer:
        rtype = type_name(number)
        assert (stored is None) == (rdata is None)
        octets = rdata if rdata is not None else value_to_wire(rtype, value)
        digestable = dns.rdata.from_wire("IN", number, octets, 0, len(octets)).to_digestable()
        found.append((name, rtype, ttl, digestable))
    return found


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r[1]} {r[2][:20]}")
def test_each_type_reads_as_in_dnspython(record: tuple[str, str, str], compress: bool) -> None:
    wire = message_of([record], compress)
    assert by_us(wire) == by_dnspython(wire)


def test_a_message_of_all_types_with_compression() -> None:
    wire = message_of(RECORDS * 3)
    assert by_us(wire) == by_dnspython(wire)
    assert len(wire) < len(message_of(RECORDS * 3, compress=False))


def test_damaged_messages_are_refused_or_read_as_dnspython_reads_them() -> None:
    """1,500 mutations: cut, flipped, pointers bent. Never another answer than dnspython's, never another error."""
    random.seed(94)
    original = message_of(RECORDS)
    refused = accepted = 0
    for number in range(1500):
        wire = bytearray(original)
        for _ in range(1 + number % 3):
            spot = random.randrange(12, len(wire))
            wire[spot] = random.choice((0, 0xC0, 0xFF, random.randrange(256)))
        if number % 5 == 0:
            del wire[random.randrange(12, len(wire)) :]
        try:
            values = [record[3] for record in decode(bytes(wire)).answer]
        except DecodeError:
            refused += 1
            continue
        try:
            theirs = by_dnspython(bytes(wire))
        except dns.exception.DNSException:
            assert any(value.startswith("\\# ") for value in values), "only rare types may be read as octets"
            continue
        assert by_us(bytes(wire)) == theirs
        accepted += 1
    assert refused > 200
    assert accepted > 100


def answer(body: bytes, count: int = 1) -> bytes:
    return struct.pack("!HHHHHH", 1, 0x8400, 0, count, 0, 0) + body


A_TAIL = struct.pack("!HHIH", 1, 1, 60, 4) + b"\1\2\3\4"
BROKEN = {
    "empty": b"",
    "half a header": b"\0\1\x84\0\0\0",
    "no record": answer(b""),
    "pointer to itself": answer(b"\xc0\x0c" + A_TAIL),
    "two pointers at each other": answer(b"\xc0\x0e\xc0\x0c" + A_TAIL),
    "pointer forwards": answer(b"\xc0\x20" + A_TAIL),
    "label type 01": answer(b"\x41a\0" + A_TAIL),
    "name without end": answer(b"\x05hello"),
    "name of 256 octets": answer((b"\x3f" + b"a" * 63) * 4 + b"\0" + A_TAIL),
    "record cut off": answer(b"\0" + A_TAIL[:-1]),
    "A of 3 octets": answer(b"\0" + struct.pack("!HHIH", 1, 1, 60, 3) + b"\1\2\3"),
    "AAAA of 4 octets": answer(b"\0" + struct.pack("!HHIH", 28, 1, 60, 4) + b"\1\2\3\4"),
    "text longer than its record": answer(b"\0" + struct.pack("!HHIH", 16, 1, 60, 3) + b"\5ab"),
    "text without a string": answer(b"\0" + struct.pack("!HHIH", 16, 1, 60, 0)),
    "target longer than its record": answer(b"\0" + struct.pack("!HHIH", 5, 1, 60, 1) + b"\1a\0"),
    "target shorter than its record": answer(b"\0" + struct.pack("!HHIH", 5, 1, 60, 4) + b"\1a\0\0"),
    "MX without target": answer(b"\0" + struct.pack("!HHIH", 15, 1, 60, 2) + b"\0\1"),
    "CAA of one octet": answer(b"\0" + struct.pack("!HHIH", 257, 1, 60, 1) + b"\0"),
    "class CH": answer(b"\0" + struct.pack("!HHIH", 1, 3, 60, 4) + b"\1\2\3\4"),
    "rubbish behind": answer(b"\0" + A_TAIL + b"x"),
    "signature in the answer": answer(b"\0" + struct.pack("!HHIH", 250, 255, 0, 0)),
}


@pytest.mark.parametrize("wire", BROKEN.values(), ids=BROKEN.keys())
def test_broken_messages_are_refused(wire: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(wire)


def test_random_bytes_never_raise_anything_else() -> None:
    random.seed(1)
    for size in range(0, 600):
        with pytest.raises(DecodeError):
            decode(struct.pack("!HHHHHH", 1, 0x8400, 0, 3, 0, 0) + random.randbytes(size))


TEXTS = {
    "DKIM": "v=DKIM1; k=rsa; p=" + "A" * 392,
    "spaces": "v=spf1 ip4:192.0.2.0/24 -all",
    "quotes": 'say "hello"; then \\ stop',
    "cut inside a character": "x" + "青" * 100,
    "255": "y" * 255,
    "256": "y" * 256,
    "510": "z" * 510,
    "empty": "",
    "control characters": "a\tb\nc\0d",
    "backslash escapes are text": '\\255 \\" \\\\',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_text_comes_back_octet_for_octet_as_one_record(text: str) -> None:
    rdata = value_to_wire("TXT", text)
    found = dns.rdata.from_wire("IN", "TXT", rdata, 0, len(rdata))
    assert b"".join(found.strings) == text.encode()
    assert all(len(piece) <= 255 for piece in found.strings)
    head = b"\0" + struct.pack("!HHIH", 16, 1, 60, len(rdata))
    assert decode(answer(head + rdata)).answer == [("", 16, 60, text, None, None)]


@pytest.mark.parametrize(
    ("rdata", "value"),
    [(b"\1a\1b", "ab"), (b"\2ab\0", "ab"), (b"\2\xff\xfe", "\\xff\\xfe"), (b"\xff" + b"a" * 255 + b"\0", "a" * 255)],
)
def test_a_text_stored_another_way_is_told_apart(rdata: bytes, value: str) -> None:
    head = b"\0" + struct.pack("!HHIH", 16, 1, 60, len(rdata))
    ((_, _, _, text, stored, octets),) = decode(answer(head + rdata)).answer
    assert text == value
    assert octets == rdata
    assert stored is not None
    assert stored.startswith('"')


@pytest.mark.parametrize(
    ("rtype", "value", "canonical"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
        ("CNAME", "WWW.Qingdao.test.", "www.qingdao.test."),
        ("MX", "010 mail.qingdao.test.", "10 mail.qingdao.test."),
        ("CAA", "0 issue ca.test", '0 issue "ca.test"'),
        ("SRV", "0 0 443 Web.qingdao.test.", "0 0 443 web.qingdao.test."),
    ],
)
def test_values_have_one_form(rtype: str, value: str, canonical: str) -> None:
    assert canonical_value(rtype, value) == canonical
    assert canonical_value(rtype, canonical) == canonical


@pytest.mark.parametrize(
    ("rtype", "value"),
    [
        ("A", "192.0.2.256"),
        ("A", "192.0.2.01"),
        ("A", "::1"),
        ("AAAA", "192.0.2.1"),
        ("CNAME", "a..b."),
        ("CNAME", "x" * 64 + "."),
        ("MX", "70000 mail.qingdao.test."),
        ("MX", "mail.qingdao.test."),
        ("CAA", "issue"),
        ("HINFO", "one"),
    ],
)
def test_values_of_another_type_are_refused(rtype: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        canonical_value(rtype, value)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".test", ".".join(["a" * 49] * 6), "", "."])
def test_impossible_names(name: str) -> None:
    if name in ("", "."):
        assert name_to_wire(name) == b"\0"
    else:
        with pytest.raises(ValueError, match=r"\w"):
            name_to_wire(name)


def test_names_are_encoded_as_dnspython_does() -> None:
    for name in ("fgw.qingdao.test", "*.jw.qingdao.test.", "a\\.b.test", "x" * 63 + ".test"):
        assert name_to_wire(name) == dns.name.from_text(name.rstrip(".") + ".").to_wire()
