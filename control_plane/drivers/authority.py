"""The centre's certificate authority: makes itself once, issues and renews certificates for sites and servers.

Keys lie in files of mode 0600 and go nowhere else; what was issued is recorded without its key. `now` is given by
the caller, so that planning and tests decide what time it is.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control_plane.drivers.secrets import write_private
from control_plane.model.errors import PermanentError
from control_plane.model.ports import CertificateState
from control_plane.model.text import t

ISSUER = "GASP lab authority"
KEY_TYPE = "EC P-256"
LEAF_DAYS = 398
AUTHORITY_DAYS = 3650
#: Certificates begin a little in the past: hosts' clocks differ.
SKEW = timedelta(hours=1)
#: A common name has at most 64 characters (RFC 5280, upper bounds).
MAX_COMMON_NAME = 64
MAX_NAMES = 51


class CertificateRow(Protocol):
    """What is remembered of an issued certificate."""

    @property
    def names(self) -> Sequence[str]:
        """Its DNS names."""

    @property
    def issuer(self) -> str:
        """Common name of the authority."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER form, hex."""

    @property
    def not_before(self) -> datetime:
        """Start of validity, UTC."""

    @property
    def not_after(self) -> datetime:
        """End of validity, UTC."""

    @property
    def pem(self) -> str:
        """The certificate (and chain) as PEM."""


class CertificateRecords(Protocol):
    """Where issued certificates are remembered (`store.certificates`)."""

    def record(
        self,
        names: Sequence[str],
        issuer: str,
        key_type: str,
        fingerprint: str,
        not_before: datetime,
        not_after: datetime,
        pem: str,
    ) -> object:
        """Remember one more certificate; it becomes the current one for its set of names."""

    def current(self, names: Sequence[str]) -> CertificateRow | None:
        """The newest certificate for exactly this set of names."""

    def by_fingerprint(self, fingerprints: Collection[str]) -> Mapping[str, CertificateRow]:
        """Those of these certificates that we issued."""

    def together(self) -> AbstractContextManager[Any]:
        """What this thread records inside is one step."""


class Authority:
    """Authority and certificate store of one centre, in the folder `state` (see `ports.CertificateStore`).

    Files: `ca/ca.pem`, `ca/ca.key`, `ca/servers/<name>.pem`, `secrets/tls/<name>.key`.
    """

    def __init__(self, state: Path, records: CertificateRecords | None = None, leaf_days: int = LEAF_DAYS) -> None:
        self._ca, self._keys = state / "ca", state / "secrets" / "tls"
        self._records = records
        self._life = timedelta(days=leaf_days)
        self._lock = threading.Lock()
        self._loaded: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None

    @property
    def ca_path(self) -> Path:
        """The authority's own certificate, PEM, to be trusted by every host."""
        return self._ca / "ca.pem"

    def ca_pem(self) -> bytes:
        """Content of `ca_path`; the authority is made at first use."""
        return self.create().read_bytes()

    def create(self, now: datetime | None = None) -> Path:
        """Make the authority unless there is one; returns `ca_path`. A half-made one is made anew."""
        if self.ca_path.exists() and (self._ca / "ca.key").exists():
            return self.ca_path
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._ca / "ca.key", _key_pem(key))
        write_private(self.ca_path, _pem(certificate))  # last: it says that the authority is complete
        self._loaded = None
        return self.ca_path

    # certificates of sites ---------------------------------------------------------------------------------------
    def describe(self, found: Sequence[tuple[str, Sequence[str]]], now: datetime) -> list[CertificateState]:
        """What certificates found on a host are (see `ports.CertificateStore`): due from two thirds of its life on."""
        issued = self._store().by_fingerprint({fingerprint for fingerprint, _ in found})

        def state(fingerprint: str, names: Sequence[str]) -> CertificateState:
            row = issued.get(fingerprint)
            if row is None or set(row.names) != set(names) or row.issuer != ISSUER:
                return "unknown"
            return "due" if _due(row.not_before, row.not_after, now) else "valid"

        return [state(fingerprint, names) for fingerprint, names in found]

    def together(self) -> AbstractContextManager[Any]:
        """See `ports.CertificateStore`."""
        return self._store().together()

    def obtain(self, names: Sequence[str], now: datetime) -> tuple[bytes, Path]:
        """PEM of the current certificate for `names` and the path of its key; issues one when there is none,
        when it is due, or when its key is lost. Raises PermanentError for no names or too many."""
        if not 1 <= len(set(names)) <= MAX_NAMES:
            raise PermanentError(
                t("A certificate has 1 to {limit} names, not {count}.", limit=MAX_NAMES, count=len(set(names)))
            )
        # the shortest name, whatever the order: usually the main one, and short enough for a file name
        key_path = self._keys / f"{min(names, key=lambda name: (len(name), name))}.key"
        with self._lock:
            row = self._store().current(names)
            if row is not None and row.issuer == ISSUER and not _due(row.not_before, row.not_after, now):
                pem = row.pem.encode()
                if _matches(key_path, x509.load_pem_x509_certificate(pem)):
                    return pem, key_path
            certificate, pem = self._issue_to(key_path, names, (), now)
            self._store().record(
                names=sorted(set(names)),
                issuer=ISSUER,
                key_type=KEY_TYPE,
                fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                pem=pem.decode(),
            )
            return pem, key_path

    # certificates of the centre's own servers --------------------------------------------------------------------
    def server_certificate(self, names: Sequence[str], addresses: Sequence[str], now: datetime) -> tuple[Path, Path]:
        """Certificate and key files of one of the centre's servers, made or renewed when needed.

        `names[0]` is the server's own name, `addresses` are IP addresses it is reached by.
        """
        path, key_path = self._ca / "servers" / f"{names[0]}.pem", self._keys / f"{names[0]}.key"
        with self._lock:
            if path.exists():
                found = x509.load_pem_x509_certificate(path.read_bytes())
                if (
                    found.issuer == self._authority()[0].subject
                    and _alternatives(found) == _wanted(names, addresses)
                    and not _due(found.not_valid_before_utc, found.not_valid_after_utc, now)
                    and _matches(key_path, found)
                ):
                    return path, key_path
            _, pem = self._issue_to(key_path, names, addresses, now)
            write_private(path, pem)
        return path, key_path

    def _issue_to(
        self, key_path: Path, names: Sequence[str], addresses: Sequence[str], now: datetime
    ) -> tuple[x509.Certificate, bytes]:
        authority, authority_key = self._authority()
        key = ec.generate_private_key(ec.SECP256R1())
        common = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= MAX_COMMON_NAME else []
        issuer_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(common))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(min(now + self._life, authority.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName(_wanted(names, addresses)), critical=not common)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        write_private(key_path, _key_pem(key))
        return certificate, _pem(certificate)

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        if self._loaded is None:
            try:
                key = serialization.load_pem_private_key((self._ca / "ca.key").read_bytes(), None)
                certificate = x509.load_pem_x509_certificate(self.ca_path.read_bytes())
            except FileNotFoundError:
                raise PermanentError(
                    t("The centre has no certificate authority yet."), t("Run make up; it makes one.")
                ) from None
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise PermanentError(t("The key of the certificate authority is of another type than expected."))
            self._loaded = certificate, key
        return self._loaded

    def _store(self) -> CertificateRecords:
        if self._records is None:
            raise PermanentError(t("This process has no record of certificates."))
        return self._records


def _due(not_before: datetime, not_after: datetime, now: datetime) -> bool:
    """From two thirds of its life on a certificate is renewed (times without zone are UTC)."""
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (not_before, not_after))
    return now >= start + (end - start) * 2 / 3


def _matches(key_path: Path, certificate: x509.Certificate) -> bool:
    try:
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return False
    return key.public_key() == certificate.public_key()


def _wanted(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    ordered = dict.fromkeys([names[0], *sorted(names)])
    return [*map(x509.DNSName, ordered), *(x509.IPAddress(ipaddress.ip_address(a)) for a in addresses)]


def _alternatives(certificate: x509.Certificate) -> list[x509.GeneralName]:
    return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
