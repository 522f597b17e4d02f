"""The promise of every tenant on the network, whatever it subscribes to: gateway and name servers answer."""

from __future__ import annotations

from control_plane.model.offering import EstateView
from control_plane.model.ports import Probe
from control_plane.model.tenant import TenantStatus
from control_plane.model.text import t
from control_plane.offerings.vantage import name_servers, workstation_of

#: What these probes name as their offering in ids and reports.
OFFERING_ID = "network"


def network_probes(estate: EstateView) -> list[Probe]:
    """Probes of every tenant that is not merely listed, from its own workstation, sorted by id."""
    probes: list[Probe] = []
    for tenant in estate.tenants.values():
        vantage = workstation_of(tenant.code, estate)
        if tenant.status is TenantStatus.LISTED or tenant.network_index is None or vantage is None:
            continue
        segment = estate.plan.tenant(tenant.network_index)
        gateway = [str(segment.host_v4(segment.gateway_number)), str(segment.host_v6(segment.gateway_number))]
        checks = [[f"{host.name}.core.{estate.domain}", "A", [host.ipv4]] for host in estate.hosts.get("directory", ())]
        common = {"vantage": vantage, "tenant": tenant.code, "offering": OFFERING_ID}
        probes += [
            Probe(
                id=f"{tenant.code}/network/gateway",
                kind="ping",
                title=t("The gateway answers"),
                spec={"addresses": gateway},
                **common,
            ),
            Probe(
                id=f"{tenant.code}/network/names",
                kind="dns",
                title=t("Both name servers answer"),
                spec={"servers": name_servers(vantage, estate), "checks": checks},
                **common,
            ),
        ]
    return sorted(probes, key=lambda probe: probe.id)
