"""Internet access: what the gateways count, refuse and record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from control_plane.wiring.centre import address_plan, now, settings, store
from control_plane.wiring.hosts import host_rows, runner, topology
from control_plane.wiring.planning import applier, catalogue, drivers

if TYPE_CHECKING:
    from control_plane.drivers.record_seal import KeySeal
    from control_plane.model.internet import Refusal
    from control_plane.model.run import Actor
    from control_plane.workflow.access_record import AccessRecord
    from control_plane.workflow.internet import Internet


@cache
def seal() -> KeySeal:
    """Signs the ledger's days, with a key that is read once."""
    from control_plane.drivers.record_seal import KeySeal

    return KeySeal(settings().secrets)


def access_record(who: Callable[[], Actor]) -> AccessRecord:
    """The access record: the gateways' spools, the files of lines, the ledger."""
    from control_plane.drivers.record_archive import ParquetArchive
    from control_plane.drivers.record_spool import SpoolReader
    from control_plane.workflow.access_record import AccessRecord

    return AccessRecord(
        store(),
        lambda: [SpoolReader(runner(), host.name) for host in topology().role_hosts("gateway")],
        ParquetArchive(settings().state / "access"),
        seal(),
        address_plan(),
        settings().record_days,
        now,
        who,
    )


def internet(who: Callable[[], Actor]) -> Internet:
    """Internet access of tenants."""
    from control_plane.drivers.path import SshPathTester
    from control_plane.offerings.internet import described
    from control_plane.workflow.internet import Internet

    return Internet(
        catalogue(), applier(), store(), described, volumes, refused, SshPathTester(runner()), host_rows, now, who
    )  # fmt: skip


def volumes() -> Mapping[str, Mapping[str, Any]]:
    """Volume of each tenant this month, as the gateways count it."""
    from control_plane.drivers.gateway import GatewayDriver

    found: dict[str, Mapping[str, Any]] = {}
    for driver in drivers():
        if isinstance(driver, GatewayDriver):
            for part in driver.parts():
                found |= driver.usage(part.partition(":")[2])
    return found


def refused(tenant: str) -> Sequence[Refusal]:
    """What the gateways' proxies refused to a tenant's network lately."""
    from control_plane.drivers.gateway import GatewayDriver

    found = [
        row
        for driver in drivers()
        if isinstance(driver, GatewayDriver)
        for part in driver.parts()
        for row in driver.refusals(part.partition(":")[2], tenant)
    ]
    return sorted(found, key=lambda row: row["at"], reverse=True)
