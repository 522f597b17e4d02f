"""Our few LDAP messages, byte for byte as ldap3's (pyasn1's) codec makes and reads them; broken ones never crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.drivers import directory_ber as ber
from control_plane.drivers.directory_session import ldap3

ldap3()
from ldap3.operation import add, delete, modify, modifyDn, search  # noqa: E402
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp  # noqa: E402
from ldap3.strategy.base import BaseStrategy  # noqa: E402
from ldap3.utils.asn1 import decoder, encode  # noqa: E402

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
values = st.dictionaries(
    st.sampled_from(["cn", "sn", "uid", "member"]), st.lists(text, min_size=1, max_size=4), min_size=1
)
unhurried = settings(deadline=None, derandomize=True, max_examples=60)


def theirs(number: int, kind: str, request: Any) -> bytes:
    message = LDAPMessage()
    message["messageID"] = MessageID(number)
    message["protocolOp"] = ProtocolOp().setComponentByName(kind, request)
    return bytes(encode(message))


@given(st.integers(0, 2**31 - 1), text, values)
@unhurried
def test_add(number: int, dn: str, attributes: Mapping[str, Sequence[str]]) -> None:
    request = add.add_operation(dn, attributes, False, None, None, False)
    ours = ber.message(number, ber.add_request(dn, attributes))
    assert decoder.decode(ours, asn1Spec=LDAPMessage())[1] == b""
    assert ours == theirs(number, "addRequest", request)


@given(text, values)
@unhurried
def test_modify(dn: str, attributes: Mapping[str, Sequence[str]]) -> None:
    names = {ber.ADD: "MODIFY_ADD", ber.DELETE: "MODIFY_DELETE", ber.REPLACE: "MODIFY_REPLACE"}
    changes = [(index % 3, name, list(items)) for index, (name, items) in enumerate(attributes.items())]
    listed = {name: [(names[what], items)] for what, name, items in changes}
    request = modify.modify_operation(dn, listed, False, None, None, False)
    assert ber.message(5, ber.modify_request(dn, changes)) == theirs(5, "modifyRequest", request)


@given(text, text, st.none() | text)
@unhurried
def test_rename_and_delete(dn: str, rdn: str, superior: str | None) -> None:
    request = modifyDn.modify_dn_operation(dn, rdn, True, superior)
    assert ber.message(5, ber.rename_request(dn, rdn, superior)) == theirs(5, "modDNRequest", request)
    assert ber.message(5, ber.delete_request(dn)) == theirs(5, "delRequest", delete.delete_operation(dn))


def test_search_and_filters() -> None:
    """Filters are compared in meaning through their escaped text."""
    value = "*)(uid=*\\\0é"
    escaped = "".join(f"\\{byte:02x}" for byte in value.encode())
    request = search.search_operation(
        "dc=test",
        f"(|(uid={escaped})(!(cn=x))(objectClass=*))",
        "SUBTREE",
        "NEVER",
        ["uid", "cn"],
        3,
        0,
        False,
        False,
        False,
    )
    criterion = ber.any_of((ber.equals("uid", value), ber.unless(ber.equals("cn", "x")), ber.present("objectClass")))
    ours = ber.message(5, ber.search_request("dc=test", ber.SUBTREE, criterion, ["uid", "cn"], 3))
    assert ours == theirs(5, "searchRequest", request)


def response(tag: int, content: bytes, controls: bytes = b"") -> bytes:
    return ber.message(77, ber.tlv(tag, content), controls)


def entry_bytes(dn: str, attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    listed = b"".join(
        ber.tlv(0x30, ber.octets(name) + ber.tlv(0x31, b"".join(map(ber.octets, items))))
        for name, items in attributes.items()
    )
    return response(ber.SEARCH_ENTRY, ber.octets(dn) + ber.tlv(0x30, listed))


binary = st.dictionaries(st.sampled_from(["cn", "uid", "x;lang-zh"]), st.lists(st.binary(max_size=300), max_size=5))


@given(text, binary)
@unhurried
def test_entries_read_as_theirs(dn: str, attributes: Mapping[str, Sequence[bytes]]) -> None:
    data = entry_bytes(dn, attributes)
    assert ber.message_end(data, 0) == len(data)
    assert all(ber.message_end(data[:cut], 0) in (None, len(data)) for cut in range(min(len(data), 10)))
    name, found = ber.read_entry(ber.read_message(data, 0, len(data)))
    raw = decoder.decode(data, asn1Spec=LDAPMessage())[0]["protocolOp"]["searchResEntry"]
    expected = {
        str(item["type"]): [bytes(value).decode(errors="backslashreplace") for value in item["vals"]]
        for item in raw["attributes"]
    }
    assert (name, found) == (str(raw["object"]), expected)
    assert BaseStrategy.compute_ldap_message_size(data) == len(data)


def test_results_controls_and_cookies() -> None:
    result = (
        ber.tlv(0x0A, b"\x20") + ber.octets("dc=test") + ber.octets("没有") + ber.tlv(0xA3, ber.octets("ldap://x/"))
    )
    data = response(ber.SEARCH_DONE, result, ber.control(b"1.2.3", None) + ber.paged(0, b"next"))
    found = ber.read_message(data, 0, len(data))
    assert ber.read_result(found) == ber.Result(32, "dc=test", "没有")
    assert ber.read_cookie(found) == b"next"
    assert [oid for oid, _ in ber.read_controls(found)] == [b"1.2.3", ber.PAGED]


SAMPLE = entry_bytes("uid=a,dc=test", {"cn": [b"a", b"b" * 200], "uid": [b"a"] * 3})


def read_all(data: bytes) -> None:
    """Read as a session does; only ValueError (BerError among them) may come out."""
    try:
        end = ber.message_end(data, 0)
        if end is None or end > len(data):
            return
        found = ber.read_message(data, 0, end)
    except ber.BerError:
        return
    for read in (ber.read_entry, ber.read_result, ber.read_cookie):
        with suppress(ValueError):
            read(found)


@given(st.binary(max_size=80), st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
@settings(deadline=None, derandomize=True, max_examples=1000)
def test_damaged_messages_are_errors_and_never_crash(noise: bytes, place: int, value: int) -> None:
    read_all(noise)
    read_all(SAMPLE[:place] + bytes((value,)) + SAMPLE[place + 1 :])


def test_every_truncation_is_noticed() -> None:
    for cut in range(len(SAMPLE)):
        end = ber.message_end(SAMPLE[:cut], 0)
        assert end is None or end > cut
