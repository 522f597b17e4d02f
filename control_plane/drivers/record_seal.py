"""Signs the ledger of the access record with a key of its own (Ed25519), made at its first use.

The key lies among the secrets; who has copied its public half elsewhere can see that no entry was made up later.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from control_plane.drivers.secrets import write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "access-record-key"


class KeySeal:
    """Implements `model.record.Seal`; `folder` is that of the secrets."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
            load_pem_private_key,
        )

        if not self.path.exists():
            made = Ed25519PrivateKey.generate()
            write_private(self.path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(self.path.read_bytes(), None)
        assert isinstance(key, Ed25519PrivateKey)
        return key

    def sign(self, digest: str) -> str:
        """See `Seal.sign`."""
        return self._key.sign(digest.encode()).hex()

    def holds(self, digest: str, signature: str) -> bool:
        """See `Seal.holds`."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.public_key().verify(bytes.fromhex(signature), digest.encode())
        except (InvalidSignature, ValueError):
            return False
        return True
