"""The certificate authority: made once, keys private, certificates that clients accept, renewal at two thirds."""

from __future__ import annotations

import stat
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification

from control_plane.drivers.authority import ISSUER, Authority
from control_plane.model.errors import PermanentError

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class Row:
    names: Sequence[str]
    issuer: str
    key_type: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    pem: str


class Records:
    """What `store.certificates` promises, in memory."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def record(
        self,
        names: Sequence[str],
        issuer: str,
        key_type: str,
        fingerprint: str,
        not_before: datetime,
        not_after: datetime,
        pem: str,
    ) -> None:
        self.rows.append(Row(tuple(names), issuer, key_type, fingerprint, not_before, not_after, pem))

    def current(self, names: Sequence[str]) -> Row | None:
        return next((r for r in reversed(self.rows) if set(r.names) == set(names)), None)

    def by_fingerprint(self, fingerprints: Collection[str]) -> dict[str, Row]:
        return {r.fingerprint: r for r in self.rows if r.fingerprint in fingerprints}

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def authority(tmp_path: Path, records: Records) -> Authority:
    made = Authority(tmp_path, records)
    made.create(NOW)
    return made


def leaf(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def fingerprint(pem: bytes) -> str:
    return leaf(pem).fingerprint(hashes.SHA256()).hex()


def verify(authority: Authority, pem: bytes, name: str, at: datetime = NOW) -> None:
    store = verification.Store([leaf(authority.ca_pem())])
    verifier = verification.PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(name))
    verifier.verify(leaf(pem), [])


def test_it_is_made_once_and_its_files_are_private(tmp_path: Path, authority: Authority) -> None:
    before = authority.ca_pem()
    assert Authority(tmp_path).create(NOW + timedelta(days=9)).read_bytes() == before
    assert authority.ca_path == tmp_path / "ca/ca.pem"
    authority.obtain(["a.test"], NOW)
    authority.server_certificate(["b.test"], ["10.94.0.13"], NOW)
    for path in tmp_path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_file():
            assert mode == 0o600, path
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets/tls").stat().st_mode) == 0o700


def test_a_half_made_authority_is_made_anew(tmp_path: Path) -> None:
    first = Authority(tmp_path)
    first.create(NOW)
    (tmp_path / "ca/ca.pem").unlink()
    again = Authority(tmp_path, Records())
    again.create(NOW)
    pem, _ = again.obtain(["a.test"], NOW)
    verify(again, pem, "a.test")


def test_clients_accept_what_it_issues(authority: Authority) -> None:
    names = ["szb.qingdao.test", *(f"a{i}.szb.qingdao.test" for i in range(50))]
    pem, key_path = authority.obtain(names, NOW)
    for name in names:
        verify(authority, pem, name)
    with pytest.raises(verification.VerificationError):
        verify(authority, pem, "gaj.qingdao.test")
    certificate = leaf(pem)
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert key.public_key() == certificate.public_key()
    assert (certificate.not_valid_after_utc - NOW).days <= 398
    assert b"PRIVATE" not in pem


def test_long_names_have_no_common_name_but_are_valid(authority: Authority) -> None:
    name = f"{'x' * 63}.{'y' * 63}.szb.qingdao.test"
    pem, _ = authority.obtain([name], NOW)
    assert not list(leaf(pem).subject)
    verify(authority, pem, name)


@pytest.mark.parametrize("count", [0, 52])
def test_the_number_of_names_is_limited(authority: Authority, count: int) -> None:
    with pytest.raises(PermanentError):
        authority.obtain([f"n{i}.test" for i in range(count)], NOW)


def test_the_current_one_is_given_again_until_it_is_due(authority: Authority, records: Records) -> None:
    names = ["b.test", "a.test"]
    first, _ = authority.obtain(names, NOW)
    assert authority.obtain(list(reversed(names)), NOW + timedelta(days=100))[0] == first
    assert authority.obtain(names, NOW + timedelta(days=100))[0] == first
    assert len(records.rows) == 1
    life = timedelta(days=398)
    assert authority.describe([(fingerprint(first), names)], NOW + life * 0.6) == ["valid"]
    late = NOW + life * 0.7
    assert authority.describe([(fingerprint(first), names)], late) == ["due"]
    second, key_path = authority.obtain(names, late)
    assert second != first
    assert authority.describe([(fingerprint(second), names)], late) == ["valid"]
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    assert key.public_key() == leaf(second).public_key()


@pytest.mark.parametrize("names", [["a.test"], ["a.test", "b.test", "c.test"], ["x.test"]])
def test_a_certificate_for_other_names_is_unknown(authority: Authority, names: list[str]) -> None:
    pem, _ = authority.obtain(["a.test", "b.test"], NOW)
    assert authority.describe([(fingerprint(pem), names)], NOW) == ["unknown"]
    assert authority.describe([("00" * 32, ["a.test", "b.test"])], NOW) == ["unknown"]


def test_a_lost_or_foreign_key_means_a_new_certificate(authority: Authority) -> None:
    first, key_path = authority.obtain(["a.test"], NOW)
    key_path.unlink()
    second, _ = authority.obtain(["a.test"], NOW)
    assert second != first
    other, other_key = authority.obtain(["b.test"], NOW)
    key_path.write_bytes(other_key.read_bytes())
    third, _ = authority.obtain(["a.test"], NOW)
    assert third not in (first, second, other)


def test_server_certificates_are_kept_until_something_changes(authority: Authority) -> None:
    names, addresses = ["directory.core.qingdao.test", "ldap.qingdao.test"], ["10.94.0.13", "fd94:0:0:1::13"]
    path, key_path = authority.server_certificate(names, addresses, NOW)
    first = path.read_bytes()
    verify(authority, first, names[1])
    alternatives = leaf(first).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in alternatives.get_values_for_type(x509.IPAddress)] == addresses
    assert authority.server_certificate(names, addresses, NOW + timedelta(days=1)) == (path, key_path)
    assert path.read_bytes() == first
    authority.server_certificate(names, addresses[:1], NOW)
    assert path.read_bytes() != first
    second = path.read_bytes()
    authority.server_certificate(names, addresses[:1], NOW + timedelta(days=300))
    assert path.read_bytes() != second


def test_nothing_is_issued_without_an_authority(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no certificate authority"):
        Authority(tmp_path, Records()).obtain(["a.test"], NOW)


def test_many_certificates_are_issued_quickly(authority: Authority, records: Records) -> None:
    started = time.process_time()
    for i in range(150):
        authority.obtain([f"n{i}.test", f"www.n{i}.test"], NOW)
    assert time.process_time() - started < 10  # measured: 0.3 s of CPU
    assert len(records.rows) == 150
    assert {r.issuer for r in records.rows} == {ISSUER}
