"""Tenants' machines: hands on them, and the repository and upstream that feed them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import TemporaryError
from control_plane.model.text import t
from control_plane.wiring.centre import now, settings, store
from control_plane.wiring.hosts import lab_upstream, runner, topology

if TYPE_CHECKING:
    from control_plane.drivers.machine_link import Link
    from control_plane.model.by_itself import ByItself
    from control_plane.model.machine import Hands, Repository, Ring
    from control_plane.model.run import Actor
    from control_plane.model.upstream import UpstreamDocument
    from control_plane.workflow.snapshots import Snapshots


@cache
def machine_link() -> Link:
    """The way to machines."""
    from control_plane.drivers.machine_link import Link

    return Link(runner())


def machine_hands() -> Hands:
    """Measures machines and acts on them."""
    from control_plane.drivers.machine_hands import MachineHands
    from control_plane.model.advisory import Advisory, deadline, worst

    def judge(rows: Sequence[Mapping[str, Any]]) -> tuple[str | None, date | None]:
        found = [Advisory.from_json(row) for row in rows]
        days = [day for day in (deadline(advisory, exposed=False) for advisory in found) if day is not None]
        return worst(found), min(days, default=None)

    return MachineHands(machine_link(), now, lambda: repository().advisories(), judge)


def signing_key() -> str:
    """The repository's public key, armoured, as bring-up fetched it. Raises TemporaryError while there is none."""
    try:
        return repository_key().read_text("ascii")
    except OSError as error:
        text = t("The repository's signing key is not here yet: {path}", path=repository_key())
        raise TemporaryError(text, t("Run make up.")) from error


@cache
def repository() -> Repository:
    """The repository host: snapshots of packages, sets of signatures."""
    from control_plane.drivers.repository import HostRepository

    return HostRepository(runner(), topology().role_hosts("repository")[0].name)


def repository_key() -> Path:
    """Where the public key of the repository lies (armoured), for machines to trust; made at bring-up."""
    return settings().state / "repository" / "archive-key.asc"


@cache
def upstream() -> UpstreamDocument:
    """Where packages and signatures come from: the estate's own document, else the lab's outside host."""
    from control_plane.drivers.upstream_file import read_upstream
    from control_plane.model.upstream import UpstreamDocument

    found = read_upstream(settings().estate)
    if found is not None:
        return found
    play = lab_upstream()
    return UpstreamDocument.model_validate(play.sources(play.begin()))


def fetches_signatures() -> bool:
    """Whether signatures come from somewhere by network; the lab's outside host has them always. Asks no host: pages
    say it, and they open whoever is away."""
    from control_plane.drivers.upstream_file import read_upstream

    found = read_upstream(settings().estate)
    return found is None or found.signatures is not None


def publication_fence(ring: Ring | None) -> None:
    """Raises Frozen when a ring may be given nothing now; None: when the repository host may not be changed."""
    store().freezes.check(None, ring, "snapshots")


def snapshots(who: Callable[[], Actor]) -> Snapshots:
    """Snapshots of the repository, and giving them to rings."""
    from control_plane.workflow.snapshots import Snapshots

    media = settings().state / "media"
    return Snapshots(repository, lambda: upstream().keep, publication_fence, store(), who, media)


def by_itself() -> ByItself:
    """What antivirus does without a command, and how often."""
    from datetime import timedelta

    from control_plane.model.by_itself import ByItself

    values = settings()
    return ByItself(
        timedelta(hours=values.scan_hours) if values.scan_hours else None,
        timedelta(days=values.scan_days),
        not values.scan_always,
        timedelta(hours=values.signature_hours) if values.signature_hours else None,
        values.signature_soak,
        values.signature_at_once,
    )
