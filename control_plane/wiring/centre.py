"""This process and its centre: settings, clock, database, who acts."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import Invalid, PermanentError, Problem, Rejected
from control_plane.model.network import AddressPlan, plan_for
from control_plane.model.text import t
from control_plane.settings import DATABASES, Settings, without_password

if TYPE_CHECKING:
    from control_plane.model.run import Actor
    from control_plane.store.database import Database
    from control_plane.store.moving import Moved
    from control_plane.store.repository import Store
    from control_plane.workflow.signals import Signals


@cache
def settings() -> Settings:
    """Settings of this process."""
    return Settings.from_environment()


def now() -> datetime:
    """The time. Every rule that needs it is given this function."""
    return datetime.now(UTC)


@cache
def address_plan() -> AddressPlan:
    """Ranges of the lab in use."""
    return plan_for(settings().lab)


@cache
def signals() -> Signals:
    """What wakes the worker's chores."""
    from control_plane.workflow.signals import Signals

    return Signals(settings().state / "signals", settings().signals)


@cache
def store() -> Store:
    """The database, brought to the newest form. Raises Rejected where there is no centre: looking makes none."""
    found = _opened()
    if not found.database.made:
        found.close()
        place = without_password(settings().database or str(settings().state))
        raise Rejected(
            t("There is no centre in {place} yet.", place=place),
            t("make up (gasp bringup) makes one; if yours lies elsewhere, set GASP_STATE or GASP_DATABASE."),
        )
    found.upgrade()
    return found


def founded() -> bool:
    """Whether there is a centre here. Raises as `_opened`."""
    if store.cache_info().currsize:
        return True
    found = _opened()
    try:
        return found.database.made
    finally:
        found.close()


def make_centre() -> None:
    """Make a centre here, unless there is one."""
    found = _opened()
    try:
        if not found.database.made:
            settings().state.mkdir(mode=0o700, parents=True, exist_ok=True)
            found.upgrade()
    finally:
        found.close()


def _opened() -> Store:
    """The database as it is. Raises PermanentError where it was moved."""
    from control_plane.store.repository import Store

    if settings().database is None and moved_note().exists():
        raise PermanentError(
            t("This centre's database was moved to {url}.", url=moved_note().read_text("utf-8").strip()),
            t("Set GASP_DATABASE; or delete {path} to go on with the old one, as it was then.", path=moved_note()),
        )
    return Store(settings().database_url, clock=now, wake=signals().give)


def moved_note() -> Path:
    """Where it is written that `gasp.db` is no longer the database, and which is (without its password)."""
    from control_plane.store.database import MOVED

    return settings().state / MOVED


def move_database(url: str, done: Callable[[Moved], None]) -> list[Moved]:
    """Copy the database to another one, row for row; from then on only that one is used. Raises as `may_move`."""
    from control_plane.store.moving import move

    with may_move(url) as target:
        moved = move(store().database, target, done)
    if settings().database is None:
        moved_note().write_text(f"{without_password(url)}\n", "utf-8")
    return moved


@contextmanager
def may_move(url: str) -> Iterator[Database]:
    """The database to move to, as it is. Raises Rejected while something of ours runs, Invalid when the other one
    cannot take it, TemporaryError when it does not answer."""
    from control_plane.store.database import Database
    from control_plane.store.moving import examine
    from control_plane.workflow.background import living
    from control_plane.workflow.process import process_alive

    if not url.startswith(DATABASES):
        text = t("“{url}” is no URL of a database that can be used.", url=without_password(url))
        remedy = t("Use one that begins with {names}.", names=", ".join(DATABASES))
        raise Invalid([Problem("bad-database", text, remedy, field="TARGET")])
    running = [name for name in ("worker", "web") if living(settings().state, name) is not None]
    holder = store().leases.holder("apply")
    if holder is not None and process_alive(holder):
        running.append("apply")
    if running:
        raise Rejected(
            t("Still at work: {names}. What they write meanwhile would be lost.", names=", ".join(running)),
            t("gasp worker stop, gasp web --stop; an apply ends by itself, or by gasp runs stop."),
        )
    target = Database(url)
    try:
        examine(target)
        yield target
    finally:
        target.close()


def networked_tenants() -> list[tuple[str, int]]:
    """Code and network index of every tenant with a network; from the documents until they were imported."""
    if founded() and store().estate.document() is not None:
        rows = store().estate.tenants()
        return [(row.code, row.network_index) for row in rows if row.network_index is not None]
    import yaml

    documents = (
        yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        for path in sorted(settings().estate.glob("*.yaml"))
        if path.name not in ("estate.yaml", "costs.yaml")
    )
    return [(d["code"], d["network"]["index"]) for d in documents if d.get("network")]


def estate_document() -> Any:
    """`estate.yaml` of the estate folder, before anything was imported."""
    import yaml

    from control_plane.model.tenant import EstateDocument

    return EstateDocument.model_validate(yaml.safe_load((settings().estate / "estate.yaml").read_text("utf-8")))


def actor_name() -> str:
    """Who runs this process."""
    return f"local:{pwd.getpwuid(os.getuid()).pw_name}"


def actor() -> Actor:
    """Who runs this process, as an actor."""
    return store().actors.get(actor_name())


def this_centre() -> dict[str, str]:
    """What a process of ours in the background must know."""
    return {"GASP_STATE": str(settings().state), "GASP_LAB": settings().lab, "GASP_ESTATE": str(settings().estate)}


def shown_settings() -> Mapping[str, Any]:
    """Settings in force and where each comes from. Passwords in URLs are left out."""
    values = settings()
    return {
        name: {
            "value": without_password(str(getattr(values, name))) if getattr(values, name) is not None else None,
            "from": "environment" if f"GASP_{name.upper()}" in os.environ else "default",
            "variable": f"GASP_{name.upper()}",
            "help": field.description,
        }
        for name, field in Settings.model_fields.items()
        if name != "fault"
    }
