"""X.509 by `cryptography`: an authority's own certificate, leaf certificates signed by it, and looking at them.

Bytes in, bytes out; must not read or write anything but the key files that `fits` is asked about.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
#: Certificates begin a little in the past: hosts' clocks differ.
SKEW = timedelta(hours=1)
#: A common name has at most 64 characters (RFC 5280, upper bounds).
MAX_COMMON_NAME = 64


class WrongKeyError(ValueError):
    """The authority's key is not an elliptic-curve key."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate and its key, both PEM; `fingerprint` is SHA-256 of the DER form, hex."""

    pem: bytes
    key: bytes
    fingerprint: str
    not_before: datetime
    not_after: datetime


def new_authority(name: str, now: datetime) -> tuple[bytes, bytes]:
    """PEM of a self-signed authority certificate and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate), _key_pem(key)


class Issuer:
    """An authority's certificate and key, given as PEM. Raises WrongKeyError for a key of another type."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise WrongKeyError
        self._key = loaded
        self._certificate = x509.load_pem_x509_certificate(certificate)
        extensions = self._certificate.extensions
        self._identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value

    def issue(self, names: Sequence[str], addresses: Sequence[str], now: datetime, life: timedelta) -> Issued:
        """A server certificate for these DNS names and IP addresses; the first name is the common one, if it fits."""
        key = ec.generate_private_key(ec.SECP256R1())
        common = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= MAX_COMMON_NAME else []
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(common))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(min(now + life, self._certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName(_wanted(names, addresses)), critical=not common)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return Issued(
            _pem(certificate),
            _key_pem(key),
            certificate.fingerprint(hashes.SHA256()).hex(),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
        )

    def validity(self, pem: bytes, names: Sequence[str], addresses: Sequence[str]) -> tuple[datetime, datetime] | None:
        """Start and end of a certificate of ours for exactly these names and addresses; None for any other."""
        found = x509.load_pem_x509_certificate(pem)
        alternatives = list(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        if found.issuer != self._certificate.subject or alternatives != _wanted(names, addresses):
            return None
        return found.not_valid_before_utc, found.not_valid_after_utc

    @staticmethod
    def fits(key_path: Path, pem: bytes) -> bool:
        """Whether the file holds the key of this certificate."""
        try:
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        except (FileNotFoundError, ValueError):
            return False
        return key.public_key() == x509.load_pem_x509_certificate(pem).public_key()


def _wanted(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    ordered = dict.fromkeys([names[0], *sorted(names)])
    return [*map(x509.DNSName, ordered), *(x509.IPAddress(ipaddress.ip_address(a)) for a in addresses)]


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
