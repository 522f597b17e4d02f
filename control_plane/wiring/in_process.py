"""The control plane in this process, put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from control_plane.wiring.accounts import people, persons, sheets, staff
from control_plane.wiring.attachments import file_scanner, files
from control_plane.wiring.centre import actor_name, now, settings, shown_settings, store
from control_plane.wiring.doctor import status
from control_plane.wiring.gateways import access_record, internet
from control_plane.wiring.machines import by_itself, fetches_signatures, machine_hands, repository, snapshots
from control_plane.wiring.planning import applier, planner, prober, releases
from control_plane.wiring.webhooks import webhooks

if TYPE_CHECKING:
    from control_plane.model.client import Client
    from control_plane.model.run import Actor
    from control_plane.workflow.local import LocalClient
    from control_plane.workflow.request_forms import RequestForms
    from control_plane.workflow.requests import Requests


@cache
def local_client() -> LocalClient:
    """The control plane in this process; its areas are made when they are wanted."""
    from control_plane.workflow.local import LocalClient

    def requests(who: Callable[[], Actor], forms: RequestForms) -> Requests:
        from control_plane.model.windows import chinese_calendar
        from control_plane.workflow.requests import Requests

        return Requests(store(), planner(), chinese_calendar, who, settings().fault, forms)

    return LocalClient(
        planner,
        applier,
        store(),
        now,
        releases,
        prober,
        status,
        actor_name(),
        shown_settings,
        snapshots,
        machine_hands,
        access_record,
        internet,
        repository,
        settings().state,
        people,
        requests,
        files,
        file_scanner,
        settings().attachment_mib << 20,
        (settings().upload_mib << 20, settings().keep_releases),
        staff,
        sheets,
        persons,
        webhooks,
        by_itself,
        fetches_signatures,
        settings().fault,
    )


def client() -> Client:
    """What commands talk to."""
    return local_client()
