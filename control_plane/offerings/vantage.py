"""From where promises are measured, and at which name servers."""

from __future__ import annotations

from control_plane.model.network import GENERATED_FROM
from control_plane.model.offering import EstateView

CITIZEN = "citizen"


def workstation_of(code: str, estate: EstateView) -> str | None:
    """The tenant's own workstation, named after it; None for a tenant without network or of a generated estate.

    It is named even when the lab has no such host: the promise stands, and its measurement says "unmeasured".
    """
    tenant = estate.tenants.get(code)
    if any(host.name == code for host in estate.hosts.get("workstation", ())):
        return code
    if tenant is None or tenant.network_index is None or tenant.network_index >= GENERATED_FROM:
        return None
    return code


def stranger_to(code: str, audience: frozenset[str], estate: EstateView) -> str | None:
    """The workstation of a tenant outside `audience`: the next code in the alphabet, so that the load is spread."""
    known = {host.name for host in estate.hosts.get("workstation", ())} or set(estate.tenants)
    others = sorted(c for c in known - audience - {code} if workstation_of(c, estate) is not None)
    return next((name for name in others if name > code), others[0] if others else None)


def name_servers(vantage: str, estate: EstateView) -> list[str]:
    """IPv4 addresses of primary and secondary as this vantage point must ask them."""
    servers = [*estate.hosts.get("ns-primary", ()), *estate.hosts.get("ns-secondary", ())]
    if vantage == CITIZEN:
        return [server.public_ipv4 for server in servers if server.public_ipv4]
    return [server.ipv4 for server in servers]
