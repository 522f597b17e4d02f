"""The centre's certificate authority: makes itself once, issues and renews certificates for sites and servers.

Keys lie in files of mode 0600 and go nowhere else; what was issued is recorded without its key. `now` is given by
the caller, so that planning and tests decide what time it is. `issuing`, the half that needs a library for it, is
imported when something is issued: a plan does without.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from control_plane.drivers.secrets import write_private
from control_plane.model.errors import PermanentError
from control_plane.model.ports import CertificateState
from control_plane.model.text import t

if TYPE_CHECKING:
    from control_plane.drivers.issuing import Issuer

ISSUER = "GASP lab authority"
KEY_TYPE = "EC P-256"
LEAF_DAYS = 398
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
        self._loaded: Issuer | None = None

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
        from control_plane.drivers.issuing import new_authority

        certificate, key = new_authority(ISSUER, now or datetime.now(UTC))
        write_private(self._ca / "ca.key", key)
        write_private(self.ca_path, certificate)  # last: it says that the authority is complete
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
                if self._issuer().fits(key_path, pem):
                    return pem, key_path
            issued = self._issuer().issue(names, (), now, self._life)
            write_private(key_path, issued.key)
            self._store().record(
                names=sorted(set(names)),
                issuer=ISSUER,
                key_type=KEY_TYPE,
                fingerprint=issued.fingerprint,
                not_before=issued.not_before,
                not_after=issued.not_after,
                pem=issued.pem.decode(),
            )
            return issued.pem, key_path

    # certificates of the centre's own servers --------------------------------------------------------------------
    def server_certificate(self, names: Sequence[str], addresses: Sequence[str], now: datetime) -> tuple[Path, Path]:
        """Certificate and key files of one of the centre's servers, made or renewed when needed.

        `names[0]` is the server's own name, `addresses` are IP addresses it is reached by.
        """
        path, key_path = self._ca / "servers" / f"{names[0]}.pem", self._keys / f"{names[0]}.key"
        with self._lock:
            if path.exists():
                pem = path.read_bytes()
                start, end = self._issuer().validity(pem, names, addresses) or (now, now)
                if not _due(start, end, now) and self._issuer().fits(key_path, pem):
                    return path, key_path
            issued = self._issuer().issue(names, addresses, now, self._life)
            write_private(key_path, issued.key)
            write_private(path, issued.pem)
        return path, key_path

    def _issuer(self) -> Issuer:
        if self._loaded is None:
            from control_plane.drivers.issuing import Issuer, WrongKeyError

            try:
                self._loaded = Issuer(self.ca_path.read_bytes(), (self._ca / "ca.key").read_bytes())
            except FileNotFoundError:
                raise PermanentError(
                    t("The centre has no certificate authority yet."), t("Run make up; it makes one.")
                ) from None
            except WrongKeyError:
                raise PermanentError(
                    t("The key of the certificate authority is of another type than expected.")
                ) from None
        return self._loaded

    def _store(self) -> CertificateRecords:
        if self._records is None:
            raise PermanentError(t("This process has no record of certificates."))
        return self._records


def _due(not_before: datetime, not_after: datetime, now: datetime) -> bool:
    """From two thirds of its life on a certificate is renewed (times without zone are UTC)."""
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in (not_before, not_after))
    return now >= start + (end - start) * 2 / 3
