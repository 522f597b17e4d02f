"""The upstream as tests need it: more versions, and every way in which an upstream can be wrong.

Acts on the lab's outside host, beside `lab/upstream.py`. `begin_again` puts everything back.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from control_plane.model.network import plan_for
from lab.topology import load_topology
from lab.upstream import ADVISORIES, SIGNATURES, SMALL, WEEK, Upstream, demo
from tests.conftest import Centre

__all__ = ["SIGNATURES", "Outside", "demo"]
SUITE = "/srv/upstream/debian/dists/stable"


class Outside:
    """The upstream of `centre`. Commands go over SSH straight away: there are very many of them."""

    def __init__(self, centre: Centre) -> None:
        self._config = centre.state / "lab" / centre.lab / "ssh_config"

        def run(host: str, argv: Sequence[str], stdin: bytes) -> bytes:
            return self.ssh(host, argv, stdin)

        self._upstream = Upstream(load_topology(plan_for(centre.lab), []), run)  # type: ignore[arg-type]

    def ssh(self, host: str, argv: Sequence[str], stdin: bytes = b"", check: bool = True) -> bytes:
        """What a command on a host prints."""
        command = ["ssh", "-F", str(self._config), host, "--", shlex.join(argv)]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=120)
        assert not check or done.returncode == 0, (host, argv[:3], done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def at(self, host: str, script: str, check: bool = True) -> str:
        """What a shell script on a host prints."""
        return self.ssh(host, ("sh", "-ec", script), check=check).decode()

    def offer(
        self,
        version: str,
        *more: Mapping[str, Any],
        valid_seconds: float = WEEK,
        advisories: Sequence[Mapping[str, Any]] = ADVISORIES,
    ) -> None:
        """The suite with this version of the demo package, the small ones, and `more` ({name, version, octets})."""
        self._upstream.publish([demo(version), *SMALL, *more], valid_seconds=valid_seconds, advisories=advisories)

    def offer_signatures(self, marker: str = "1", *, valid_seconds: float = WEEK) -> None:
        """The signature set with a pattern of this name more."""
        more = {"city.ndb": SIGNATURES["city.ndb"] + f"Lab.Test-{marker}:0:*:{marker.encode().hex() * 4}\n"}
        self._upstream.publish_signatures({**SIGNATURES, **more}, valid_seconds=valid_seconds)

    def shell(self, script: str) -> str:
        """On the outside host."""
        return self.at(self._upstream.host, script)

    def change_what_is_signed(self) -> None:
        """The text of the Release file no longer fits its signature."""
        self.shell(f"sed -i 's/^Label: Lab$/Label: Bad/' {SUITE}/InRelease")

    def sign_by_a_stranger(self) -> None:
        """The Release file carries a good signature of a key nobody knows."""
        self.shell(
            "export GNUPGHOME=$(mktemp -d); gpg --batch -q --passphrase '' --quick-gen-key stranger ed25519 sign never;"
            f" gpg --batch -q --clear-sign --output - {SUITE}/Release > {SUITE}/InRelease; rm -r $GNUPGHOME"
        )

    def take_signature_away(self) -> None:
        """The Release file carries no signature."""
        self.shell(f"cp {SUITE}/Release {SUITE}/InRelease")

    def damage(self, package: str) -> None:
        """A package differs from what the signed index says."""
        self.shell(f"cd /srv/upstream/debian/pool/main; f={package}; (head -c -4 $f; printf XXXX) > x; mv x $f")

    def shorten(self, package: str) -> None:
        """A package ends early."""
        self.shell(f"truncate -s -10 /srv/upstream/debian/pool/main/{package}")

    def slow(self, rate: str | None) -> None:
        """Octets a second that each connection gets, such as `200k`; None: as fast as it goes."""
        line = f"limit_rate {rate};" if rate else ""
        self.shell(f"echo '{line}' > /etc/nginx/conf.d/slow.conf; systemctl reload-or-restart nginx")

    def silent(self, silent: bool) -> None:
        """Whether it does not answer."""
        stop, start = "systemctl kill -s KILL nginx; systemctl stop nginx", "systemctl restart nginx"
        self.shell(stop if silent else f"systemctl reset-failed nginx; {start}")

    def begin_again(self) -> None:
        """As at bring-up."""
        self.shell("rm -f /etc/nginx/conf.d/slow.conf; systemctl reset-failed nginx; systemctl restart nginx")
        self._upstream.publish([demo("1.0"), *SMALL])
        self._upstream.publish_signatures(SIGNATURES)
