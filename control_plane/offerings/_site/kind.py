"""What differs between a public and an internal site, in one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from control_plane.model.offering import EstateView, HostView


@dataclass(frozen=True)
class SiteKind:
    """`public_site` on the hosts of role `web`, or `intranet` on the hosts of role `intranet`."""

    id: Literal["public_site", "intranet"]
    role: Literal["web", "intranet"]

    @property
    def public(self) -> bool:
        """Whether anybody on the internet may read it."""
        return self.id == "public_site"

    def zone(self, estate: EstateView) -> str:
        """The zone that its names live in."""
        return estate.domain if self.public else intra_zone(estate)

    def hosts(self, estate: EstateView) -> Sequence[HostView]:
        """Where it is served."""
        return estate.hosts.get(self.role, ())

    def addresses(self, estate: EstateView) -> tuple[list[str], list[str]]:
        """IPv4 and IPv6 addresses that its names point to, sorted as text."""
        hosts = self.hosts(estate)
        if self.public:
            v4 = [host.public_ipv4 for host in hosts if host.public_ipv4]
            v6 = [host.public_ipv6 for host in hosts if host.public_ipv6]
        else:
            v4, v6 = [host.ipv4 for host in hosts], [host.ipv6 for host in hosts]
        return sorted(v4), sorted(v6)


PUBLIC = SiteKind("public_site", "web")
INTRANET = SiteKind("intranet", "intranet")


def intra_zone(estate: EstateView) -> str:
    """The internal zone: `intra.qingdao.test`."""
    return f"intra.{estate.domain}"
