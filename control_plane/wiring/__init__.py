"""The one place that puts rooms together: which drivers, offerings, lab and database this process works with.

Entry points take everything from here. One module an area, each built on those before it; imports of rooms are
inside the functions, so that a command loads what it needs.
"""

from __future__ import annotations

from typing import Any

from control_plane.wiring.accounts import directory_accounts, gate_secret, people, sign_in, site_gate, trial, vault
from control_plane.wiring.attachments import file_scanner, files
from control_plane.wiring.centre import (
    actor,
    actor_name,
    address_plan,
    estate_document,
    founded,
    make_centre,
    may_move,
    move_database,
    moved_note,
    networked_tenants,
    now,
    settings,
    shown_settings,
    signals,
    store,
    this_centre,
)
from control_plane.wiring.doctor import checks, status
from control_plane.wiring.gateways import internet, refused, seal, volumes
from control_plane.wiring.hosts import authority, host_rows, hosts_of_centre, lab, lab_upstream, runner, topology
from control_plane.wiring.in_process import client, local_client
from control_plane.wiring.machines import (
    by_itself,
    machine_hands,
    machine_link,
    publication_fence,
    repository,
    repository_key,
    signing_key,
    snapshots,
    upstream,
)
from control_plane.wiring.planning import applier, catalogue, drivers, planner, prober, releases
from control_plane.wiring.processes import (
    GASP,
    STATE,
    clean,
    console_door,
    console_names,
    console_url,
    keep_console,
    keep_worker,
    start_console,
    start_worker,
    stop_console,
    stop_processes,
    stop_worker,
    web_command,
    web_environment,
)
from control_plane.wiring.turns import chores, mail_ticker, request_ticker, the_worker, ticker

__all__ = [
    "GASP",
    "STATE",
    "actor",
    "actor_name",
    "address_plan",
    "applier",
    "authority",
    "by_itself",
    "catalogue",
    "checks",
    "chores",
    "clean",
    "client",
    "console_door",
    "console_names",
    "console_url",
    "directory_accounts",
    "drivers",
    "estate_document",
    "file_scanner",
    "files",
    "founded",
    "gate_secret",
    "host_rows",
    "hosts_of_centre",
    "internet",
    "keep_console",
    "keep_worker",
    "lab",
    "lab_upstream",
    "local_client",
    "machine_hands",
    "machine_link",
    "mail_ticker",
    "make_centre",
    "may_move",
    "move_database",
    "moved_note",
    "networked_tenants",
    "now",
    "people",
    "planner",
    "prober",
    "publication_fence",
    "refused",
    "releases",
    "renew",
    "repository",
    "repository_key",
    "request_ticker",
    "runner",
    "seal",
    "settings",
    "shown_settings",
    "sign_in",
    "signals",
    "signing_key",
    "site_gate",
    "snapshots",
    "start_console",
    "start_worker",
    "status",
    "stop_console",
    "stop_processes",
    "stop_worker",
    "store",
    "the_worker",
    "this_centre",
    "ticker",
    "topology",
    "trial",
    "upstream",
    "vault",
    "volumes",
    "web_command",
    "web_environment",
]

_estate: list[Any] = []


def renew() -> None:
    """Drop every room that was built for hosts and tenants which are no longer those of the database."""
    document = store().estate.document()
    found = [networked_tenants(), document]
    if _estate and _estate != found:
        for room in list(globals().values()):
            if hasattr(room, "cache_clear") and room not in (settings, store, signals):
                room.cache_clear()
    _estate[:] = found
