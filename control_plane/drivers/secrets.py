"""The one place where secrets live: files of mode 0600 in a folder of mode 0700.

Secrets are made once, at bring-up. Must not log, print or pass a secret on a command line.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from control_plane.model.site_sign_in import SECRET

_CLEAR = "abcdefghjkmnpqrstuvwxyz23456789"


def write_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 atomically and durably."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def random_password() -> str:
    """32 characters of 192 random bits, with three classes of characters."""
    return secrets.token_urlsafe(24) + "aA1"


def one_time_password() -> str:
    """16 signs in groups of four, 77 random bits, of letters and digits that nobody takes for each other."""
    signs = "".join(secrets.choice(_CLEAR) for _ in range(16))
    return "-".join(signs[place : place + 4] for place in range(0, 16, 4))


def tsig_secret() -> str:
    """256 random bits in base64, for hmac-sha256."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def ldap_hash(password: str) -> str:
    """An `{ARGON2}` userPassword value (argon2id, 19 MiB, 2 passes, as OWASP recommends)."""
    kdf = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=19 * 1024)
    return "{ARGON2}" + kdf.derive_phc_encoded(password.encode())


class SecretFolder:
    """Named secrets below `<state>/secrets`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """File of a secret."""
        return self.folder / name

    def ensure(self, name: str, make: Callable[[], str]) -> str:
        """The secret called `name`, made now if there is none yet."""
        path = self.path(name)
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, (make() + "\n").encode())
            return path.read_text().strip()

    def shared_servers(self) -> dict[str, str]:
        """What the shared servers are configured with. The directory gets hashes, never a password."""
        control_plane = self.ensure("ldap-control-plane", random_password)
        admin = self.ensure("ldap-admin", random_password)
        return {
            "tsig_internal": self.ensure("tsig-internal", tsig_secret),
            "tsig_external": self.ensure("tsig-external", tsig_secret),
            "ldap_control_plane_hash": self.ensure("ldap-control-plane.hash", lambda: ldap_hash(control_plane)),
            "site_gate": self.ensure(SECRET, random_password),
            "ldap_admin_hash": self.ensure("ldap-admin.hash", lambda: ldap_hash(admin)),
        }
