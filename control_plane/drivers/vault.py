"""Proofs of people: hashes of local passwords, second factors sealed with a key among the secrets, codes by time.

Must not keep, log or show a password or a code.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import cached_property
from typing import Any

from control_plane.drivers.secrets import SecretFolder
from control_plane.model.errors import PermanentError
from control_plane.model.text import t

STEP_SECONDS = 30
ISSUER = "GASP"


class Vault:
    """Hashing costs about as much as the directory's (argon2id, 19 MiB, 2 passes), so that a guess costs the same."""

    def __init__(self, folder: SecretFolder) -> None:
        self._folder = folder

    @cached_property
    def _hasher(self) -> Any:
        from argon2 import PasswordHasher

        return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

    @cached_property
    def _nobody(self) -> str:
        found: str = self._hasher.hash(secrets.token_urlsafe(24))
        return found

    @cached_property
    def _sealer(self) -> Any:
        from cryptography.fernet import Fernet

        return Fernet(self._folder.ensure("second-factors", lambda: Fernet.generate_key().decode()).encode())

    def hash(self, password: str) -> str:
        """What a password is verified against later."""
        found: str = self._hasher.hash(password)
        return found

    def verify(self, verifier: str | None, password: str) -> bool:
        """Whether this is the password; without a verifier False, after the same time."""
        from argon2.exceptions import VerificationError

        try:
            self._hasher.verify(verifier or self._nobody, password)
        except VerificationError:
            return False
        return verifier is not None

    def new_factor(self) -> str:
        """A fresh second factor (160 random bits in base32)."""
        import pyotp

        found: str = pyotp.random_base32()
        return found

    def seal(self, secret: str) -> str:
        """A form that may lie in the database."""
        sealed: bytes = self._sealer.encrypt(secret.encode())
        return sealed.decode()

    def unseal(self, sealed: str) -> str:
        """Inverse of `seal`. Raises PermanentError for what another key has sealed."""
        from cryptography.fernet import InvalidToken

        try:
            found: bytes = self._sealer.decrypt(sealed.encode())
        except InvalidToken:
            raise PermanentError(
                t("A secret in the database was sealed with another key."),
                t("Bring back the folder of secrets that belongs to this database."),
            ) from None
        return found.decode()

    def step(self, secret: str, code: str, now: datetime) -> int | None:
        """The time step that this code belongs to: the present one, or the one before or after it."""
        import pyotp

        factor = pyotp.TOTP(secret, interval=STEP_SECONDS)
        present = int(now.timestamp()) // STEP_SECONDS
        for step in (present, present - 1, present + 1):
            if secrets.compare_digest(factor.at(step * STEP_SECONDS), code):
                return step
        return None

    def address(self, secret: str, login: str) -> str:
        """The `otpauth://` address that an authenticator takes."""
        import pyotp

        found: str = pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=ISSUER)
        return found
