"""Hosts: their inventory, the lab they run in, the authority they trust, the way to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import TemporaryError
from control_plane.model.network import GENERATED_FROM
from control_plane.model.text import t
from control_plane.wiring.centre import address_plan, founded, networked_tenants, settings, store

if TYPE_CHECKING:
    from control_plane.drivers.ssh import SshRunner
    from control_plane.model.offering import HostView
    from lab.lab import Lab
    from lab.topology import Topology
    from lab.upstream import Upstream


@cache
def topology() -> Topology:
    """The hosts: shared ones from the topology file, one workstation a tenant that has a network (generated
    tenants have none)."""
    from lab.topology import load_topology

    return load_topology(address_plan(), [(code, n) for code, n in networked_tenants() if n < GENERATED_FROM])


@cache
def authority() -> Any:
    """The centre's certificate authority and its certificate store."""
    from control_plane.drivers.authority import Authority

    return Authority(settings().state, store().certificates if founded() else None)


@cache
def lab() -> Lab:
    """The lab of real hosts that this state belongs to."""
    from lab.lab import Lab

    made = Lab(topology(), settings().state, settings().cache, authority().ca_pem())
    made.join()
    return made


@cache
def runner() -> SshRunner:
    """Commands on hosts, through the system's OpenSSH and the lab's known hosts."""
    from control_plane.drivers.ssh import SshRunner

    return SshRunner(lab().ssh_config(), settings().state / "ssh")


@cache
def hosts_of_centre() -> Sequence[HostView]:
    """Shared hosts with their addresses."""
    from control_plane.model.offering import HostView

    plan = topology()
    views = []
    for host in plan.hosts:
        if host.zone == "tenant":
            continue
        public = plan.public_address(host.name) if host.name in plan.public else (None, None)
        views.append(
            HostView(
                host.name,
                host.role,
                str(host.ipv4),
                str(host.ipv6),
                str(public[0]) if public[0] else None,
                str(public[1]) if public[1] else None,
            )
        )
    return views


def host_rows() -> list[dict[str, Any]]:
    """Hosts as `gasp hosts list` and `gasp lab status` show them."""
    from lab.lab import as_json

    return [as_json(status) for status in lab().status()]


def lab_upstream() -> Upstream:
    """The upstream that the lab's outside host plays."""
    from lab.upstream import Upstream

    def run(host: str, argv: Sequence[str], stdin: bytes) -> bytes:
        done = runner().run(host, argv, stdin, 120.0)
        if done.rc:
            reason = done.stderr.decode("utf-8", "replace").strip()[-400:]
            raise TemporaryError(
                t("Host {host} gave no answer: {reason}", host=host, reason=reason),
                t("See whether it is up: gasp lab status."),
            )
        return done.stdout

    return Upstream(topology(), run)
