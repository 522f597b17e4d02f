"""What is promised of the directory: it answers over verified TLS in the tenant's own network."""

from __future__ import annotations

from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.ports import Probe
from control_plane.model.text import t
from control_plane.offerings.vantage import workstation_of

LDAPS = 636


def probes(subscription: SubscriptionView, estate: EstateView) -> list[Probe]:
    """One probe for each directory server, from the tenant's workstation (where there is one)."""
    vantage = workstation_of(subscription.tenant.code, estate)
    if vantage is None:
        return []
    return [
        Probe(
            id=f"{subscription.id}/{host.name}/answers",
            kind="directory",
            vantage=vantage,
            tenant=subscription.tenant.code,
            offering=subscription.offering,
            title=t("The directory {name} answers over TLS", name=host.name),
            spec={"host": f"{host.name}.core.{estate.domain}", "port": LDAPS},
        )
        for host in estate.hosts.get("directory", ())
    ]
