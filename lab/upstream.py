"""The upstream of the lab's centre: what its outside host publishes at bring-up, and how tests publish more.

A real centre names its own upstream in `upstream/sources.yaml` of the estate and never comes here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from lab.topology import Topology

WEEK = 7 * 86400.0
Run = Callable[[str, Sequence[str], bytes], bytes]
"""Runs a command on a host with this input and returns its output; raises when it fails."""

#: At most a minute, so that nothing is held for ever.
HELD = "for n in $(seq 600); do [ -e /run/gasp-held ] || break; sleep 0.1; done"
FAILING = "echo 'this version cannot be configured' >&2; exit 1"


def demo(version: str) -> dict[str, Any]:
    """The package that rollouts are tried with: 1.0 and 1.1 work, 1.2 fails after it was unpacked, 1.4 waits in the
    middle while `/run/gasp-held` is there."""
    return {"name": "gasp-demo", "version": version, "postinst": {"1.2": FAILING, "1.4": HELD}.get(version, "true")}


SMALL = ({"name": "gasp-notes", "version": "1.0"}, {"name": "gasp-tool", "version": "2.3-1"})

ADVISORIES: Sequence[Mapping[str, Any]] = (
    {
        "id": "LAB-2026-1",
        "package": "gasp-demo",
        "fixed": "1.1",
        "severity": "critical",
        "known_exploited": True,
        "automatable": True,
        "total_control": True,
        "published": "2026-11-20",
        "cves": ["CVE-2026-10001"],
    },
    {
        "id": "LAB-2026-2",
        "package": "gasp-tool",
        "fixed": "2.4-1",
        "severity": "medium",
        "known_exploited": False,
        "automatable": False,
        "total_control": False,
        "published": "2026-11-21",
        "cves": ["CVE-2026-10002"],
    },
)

#: The harmless test file of antivirus makers, by both digests, and a marker found as a pattern.
SIGNATURES: Mapping[str, str] = {
    "city.hdb": "44d88612fea8a8f36de82e1278abb02f:68:Lab.Eicar-MD5\n",
    "city.hsb": "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f:68:Lab.Eicar-SHA256\n",
    "city.ndb": f"Lab.Marker:0:*:{b'GASP-LAB-MARKER-0001'.hex()}\n",
}


class Upstream:
    """Speaks to the host that plays the outside of `topology`."""

    def __init__(self, topology: Topology, run: Run) -> None:
        host = topology.role_hosts("citizen")[0]
        self.host, self._run = host.name, run
        self.addresses = [str(host.ipv4), str(host.ipv6)]

    def begin(self) -> str:
        """Publish the first version of everything unless something is there. Returns the public key (armoured)."""
        return self._ask(packages=[demo("1.0"), *SMALL], advisories=ADVISORIES, signatures=SIGNATURES, once=True)

    def publish(
        self, packages: Sequence[Mapping[str, Any]], *, valid_seconds: float = WEEK, advisories: Any = ADVISORIES
    ) -> None:
        """Replace the suite by exactly these packages ({name, version, postinst, octets})."""
        self._ask(packages=list(packages), advisories=advisories, valid_seconds=valid_seconds)

    def publish_signatures(self, files: Mapping[str, str], *, valid_seconds: float = WEEK) -> None:
        """Replace the signature set by these files."""
        self._ask(signatures=dict(files), valid_seconds=valid_seconds)

    def sources(self, key: str) -> dict[str, Any]:
        """What `upstream/sources.yaml` would say of it, with the key's text."""
        base = f"http://{self.addresses[0]}"
        return {
            "version": 1,
            "packages": [
                {
                    "name": "lab",
                    "url": f"{base}/debian",
                    "suite": "stable",
                    "components": ["main"],
                    "architectures": ["amd64"],
                    "key": "lab",
                    "advisories": f"{base}/debian/dists/stable/advisories.json",
                }
            ],
            "signatures": {"url": f"{base}/signatures", "key": "lab"},
            "reach": self.addresses,
            "keys": {"lab": key},
        }

    def _ask(self, **request: Any) -> str:
        content = json.dumps({"valid_seconds": WEEK, **request, "addresses": self.addresses})
        script = resources.files("lab").joinpath("upstream_host.py").read_text("utf-8")
        return self._run(
            self.host, ("python3", "-I", "-"), f"{script}\n\nserve(json.loads({content!r}))\n".encode()
        ).decode()
