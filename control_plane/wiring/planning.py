"""What plans are made of, and what makes them, carries them out and measures the promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from control_plane.wiring.centre import address_plan, estate_document, now, settings, store
from control_plane.wiring.hosts import authority, hosts_of_centre, runner, topology
from control_plane.wiring.machines import machine_link, signing_key

if TYPE_CHECKING:
    from control_plane.model.offering import EstateView, Offering
    from control_plane.model.ports import Driver, Probe, Prober
    from control_plane.workflow.applying import Applier
    from control_plane.workflow.catalogue import Catalogue
    from control_plane.workflow.planning import Planner


@cache
def drivers() -> Sequence[Driver]:
    """One driver a system: names, directory, web hosts, internet gateway, tenants' machines."""
    from control_plane.drivers.directory import DirectoryDriver
    from control_plane.drivers.dns import DnsDriver
    from control_plane.drivers.gateway import GatewayDriver
    from control_plane.drivers.host_files import HostFilesDriver
    from control_plane.drivers.machines import MachinesDriver

    document = store().estate.document()
    domain = document.domain if document else estate_document().domain
    base_dn = document.base_dn if document else estate_document().base_dn
    plan = topology()
    secrets = settings().secrets
    return (
        DnsDriver(
            str(plan.role_hosts("ns-primary")[0].ipv4),
            53,
            [domain, f"intra.{domain}"],
            "gasp-internal.",
            secrets / "tsig-internal",
        ),
        DirectoryDriver(
            str(plan.role_hosts("directory")[0].ipv4),
            636,
            server_name=f"directory.core.{domain}",
            ca_file=authority().ca_path,
            base_dn=base_dn,
            bind_dn=f"cn=control-plane,ou=system,{base_dn}",
            password_path=secrets / "ldap-control-plane",
        ),
        HostFilesDriver(
            runner(),
            [h.name for role in ("web", "intranet") for h in plan.role_hosts(role)],
            authority(),
            releases(),
            now,
        ),
        GatewayDriver(runner(), [h.name for h in plan.role_hosts("gateway")], now),
        MachinesDriver(machine_link(), store().machines.touched, signing_key, now),
    )


@cache
def releases() -> Any:
    """Content of sites by release id."""
    from control_plane.drivers.releases import ReleaseFolder

    return ReleaseFolder(settings().state / "releases")


@cache
def catalogue() -> Catalogue:
    """Offerings, hosts and rows: what should be."""
    from control_plane.workflow.catalogue import Catalogue

    def discover() -> Mapping[str, Offering]:
        from control_plane.offerings import discover

        return discover()

    def network_probes(estate: EstateView) -> list[Probe]:
        from control_plane.offerings.network import network_probes

        return network_probes(estate)

    return Catalogue(
        store(), discover, address_plan(), hosts_of_centre, settings().ttl, network_probes, settings().web_url
    )


@cache
def planner() -> Planner:
    """Makes plans."""
    from control_plane.workflow.planning import Planner

    return Planner(catalogue(), drivers(), now, settings().touch_limit, settings().cut_limit)


@cache
def applier() -> Applier:
    """Carries out plans."""
    from control_plane.workflow.applying import Applier

    return Applier(planner(), store(), now, settings().fault)


@cache
def prober() -> Prober:
    """Measures promises."""
    from control_plane.drivers.probes import SshProber

    return SshProber(runner(), now)
