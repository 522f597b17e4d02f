"""When somebody who left is refused: some of the leavers try to bind again and again while a list is imported, with
OpenLDAP's own client. What it is compared with is when the control plane wrote down that they left.
"""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench.centre import Centre

#: What `ldapwhoami` ends with when name or password, or the account, is not accepted.
REFUSED = 49
PASSWORD = "a long sentence of the bench"
PAUSE = 0.02


@dataclass
class Leavers:
    """`dns`: their entries by name. `refused`: when each was refused first, in seconds of the epoch."""

    centre: Centre
    dns: Mapping[str, str]
    refused: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Give them a password, see that they may bind, and let them try while the block lasts."""
        for uid, dn in self.dns.items():
            subprocess.run(
                self.centre.ldap("ldappasswd", "-s", PASSWORD, dn), env=self.centre.ldap_env, check=True,
                capture_output=True,
            )  # fmt: skip
            if self._bind(dn) != 0:
                raise RuntimeError(f"{uid} cannot bind, although they work here")
        threads = [threading.Thread(target=self._try, args=one) for one in self.dns.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def after(self) -> float:
        """Seconds from the moment it was written down that they left until the last of them was refused."""
        if missing := self.dns.keys() - self.refused:
            raise RuntimeError(f"never refused: {', '.join(sorted(missing))}")
        query = "select at from audit_entries where act = 'account.left' order by number desc limit 1"
        with closing(sqlite3.connect(self.centre.state / "gasp.db")) as database:
            written = datetime.fromisoformat(database.execute(query).fetchone()[0]).replace(tzinfo=UTC)
        return max(self.refused.values()) - written.timestamp()

    def _try(self, uid: str, dn: str) -> None:
        while not self._over.wait(PAUSE):
            if self._bind(dn) == REFUSED:
                self.refused[uid] = time.time()
                return

    def _bind(self, dn: str) -> int:
        address = f"ldaps://{self.centre.addresses['directory']}"
        argv = ["ldapwhoami", "-x", "-H", address, "-D", dn, "-w", PASSWORD]
        return subprocess.run(argv, env=self.centre.ldap_env, check=False, capture_output=True).returncode


def server_seconds(centre: Centre) -> float:
    """CPU seconds that slapd has used since it was started."""
    fields = centre.shell("directory", "cat /proc/$(pidof slapd)/stat").decode().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
