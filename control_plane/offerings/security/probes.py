"""What is promised of antivirus and patching: on every enrolled machine an engine answers."""

from __future__ import annotations

from control_plane.model.offering import EstateView, SubscriptionView
from control_plane.model.ports import Probe
from control_plane.model.text import t


def probes(subscription: SubscriptionView, estate: EstateView) -> list[Probe]:
    """One for each enrolled machine, measured on it."""
    code = subscription.tenant.code
    return [
        Probe(
            id=f"{code}/security/{machine.name}",
            kind="engine",
            vantage=machine.host or machine.name,
            tenant=code,
            offering=subscription.offering,
            title=t("The antivirus engine answers"),
            spec={"socket": "/run/clamav/clamd.ctl"},
        )
        for machine in sorted(estate.machines, key=lambda m: m.name)
        if machine.tenant == code and machine.managed
    ]
