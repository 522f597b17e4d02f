"""Snapshots of packages and sets of signatures: what commands ask, and the first publication at bring-up.

What is true lies on the repository host. Must not give a ring anything that nobody asked for, except at bring-up to a
ring that has nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from control_plane.model.audit import AuditAct, Subject
from control_plane.model.client_snapshots import Json
from control_plane.model.errors import NotFound, Rejected
from control_plane.model.machine import Depot, Repository, Ring
from control_plane.model.rollout import RolloutState, ring_words
from control_plane.model.run import Actor
from control_plane.model.states import state_word
from control_plane.model.text import Text, t, tn
from control_plane.store.repository import Store
from control_plane.workflow.audit import outside
from control_plane.workflow.rollouts import OVER

Tell = Callable[[int, int, str], None]


def first_publication(
    repository: Repository, kinds: Sequence[Depot], tell: Tell, fence: Callable[[Ring | None], None]
) -> Text:
    """Fetch and publish to all rings, only where a ring has nothing yet. May be killed and repeated. `fence` raises
    when a ring (None: the repository) may be given nothing now."""
    given = 0
    for what in kinds:
        found = repository.look(what)
        lacking = [ring for ring in Ring if found.published[ring] is None]
        if not lacking:
            continue
        fence(None)
        newest = found.rows[0]["id"] if found.rows else repository.sync(what, tell)["latest"]
        for ring in lacking:
            fence(ring)
            repository.publish(what, ring, newest)
            given += 1
    return tn("{count} publication to a ring", "{count} publications to rings", count=given)


class Snapshots:
    """Implements `model.client_snapshots.SnapshotsClient`. `keep`: how many of a kind the estate keeps; `fence` raises
    when a ring may be given nothing now, or (None) the repository host may not be changed; `folder`: where an
    operator puts media that pages may import."""

    def __init__(
        self,
        repository: Callable[[], Repository],
        keep: Callable[[], int],
        fence: Callable[[Ring | None], None],
        store: Store,
        actor: Callable[[], Actor],
        folder: Path | None = None,
    ) -> None:
        self._folder = folder
        self._repository, self._keep, self._fence, self._store, self.actor = repository, keep, fence, store, actor

    def all(self, kind: Depot | None = None) -> list[Json]:
        """See `SnapshotsClient.all`."""
        rows = [_row(row) for what in _kinds(kind) for row in self._repository().snapshots(what)]
        return sorted(rows, key=lambda row: str(row["id"][1:]), reverse=True)

    def show(self, snapshot: str) -> Json:
        """See `SnapshotsClient.show`."""
        found = self._repository().show(snapshot)
        what = kind_of(snapshot)
        look = self._repository().look(what)
        row = next(row for row in look.rows if row["id"] == snapshot)
        names = [(*name.rpartition(" ")[::2], version) for name, version in found.get("contents", {}).items()]
        return {
            **_row(row),
            "before_in": [int(ring) for ring, id_ in look.before.items() if id_ == snapshot],
            "signer": found.get("signer") or ", ".join(s["signer"] for s in found.get("upstream", {}).values()),
            "contents": [{"name": name, "architecture": arch, "version": version} for name, arch, version in names],
            "files": [{"name": name, **file} for name, file in found.get("files", {}).items()],
            "advisories": [*found.get("advisories", ())],
        }

    def estimate(self, kind: Depot | None = None) -> list[Json]:
        """See `SnapshotsClient.estimate`."""
        rows = []
        for what in _kinds(kind):
            found = dict(self._repository().estimate(what))
            rows.append({"kind": what, "content": found.pop("packages"), **found})
        return rows

    def sync(self, kind: Depot, *, on_progress: Tell | None = None) -> Json:
        """See `SnapshotsClient.sync`."""
        self._fence(None)
        with outside(self._store, AuditAct.SNAPSHOT_FETCHED, self.actor(), detail={"kind": kind}) as became:
            found = self._repository().sync(kind, on_progress)
            became["snapshot"] = found["snapshot"]
        return {"kind": kind, **found}

    def preview_take(self, path: Path, kind: Depot | None = None) -> Sequence[Depot]:
        """See `SnapshotsClient.preview_take`."""
        holds = self._repository().medium_holds(path, kind)
        self._fence(None)
        return holds

    def take(self, path: Path, kind: Depot | None = None, *, on_progress: Tell | None = None) -> list[Json]:
        """See `SnapshotsClient.take`."""
        taken = []
        for what in self._repository().medium_holds(path, kind):
            self._fence(None)
            with outside(self._store, AuditAct.SNAPSHOT_FETCHED, self.actor(), detail={"kind": what}) as became:
                found = self._repository().take(what, path, on_progress)
                became["snapshot"] = found["snapshot"]
            taken.append({"kind": what, **found})
        return taken

    def media(self) -> list[Json]:
        """See `SnapshotsClient.media`."""
        rows = []
        for path in sorted(self._folder.iterdir()) if self._folder and self._folder.is_dir() else ():
            if not path.name.startswith(".") and path.exists():
                found = path.stat()
                at = datetime.fromtimestamp(found.st_mtime, UTC).isoformat()
                rows.append({"name": path.name, "octets": None if path.is_dir() else found.st_size, "at": at})
        return rows

    def medium(self, name: str) -> Path:
        """See `SnapshotsClient.medium`."""
        if self._folder is None or name not in {row["name"] for row in self.media()}:
            raise NotFound(t("There is no medium “{name}”.", name=name), t("Put it into the folder for media first."))
        return self._folder / name

    def preview_publish(self, snapshot: str, ring: int) -> Json:
        """See `SnapshotsClient.preview_publish`."""
        what = kind_of(snapshot)
        self._fence(Ring(ring))
        self._refuse_amid(what, Ring(ring))
        self._repository().show(snapshot)
        before = self._repository().published(what)[Ring(ring)]
        return {"snapshot": snapshot, "kind": what, "ring": ring, "before": before, "changed": before != snapshot}

    def publish(self, snapshot: str, ring: int) -> Json:
        """See `SnapshotsClient.publish`."""
        what = kind_of(snapshot)
        self._fence(Ring(ring))
        self._refuse_amid(what, Ring(ring))
        before = self._repository().published(what)[Ring(ring)]
        about, detail = [Subject("snapshot", snapshot)], {"ring": ring, "before": before}
        with outside(self._store, AuditAct.SNAPSHOT_PUBLISHED, self.actor(), about, detail=detail) as became:
            became["changed"] = changed = self._repository().publish(what, Ring(ring), snapshot)
        return {"snapshot": snapshot, "kind": what, "ring": ring, "before": before, "changed": changed}

    def _refuse_amid(self, what: Depot, ring: Ring) -> None:
        """A rollout on its way decides what its rings have: it would overrule this, or judge machines by it."""
        for row in self._store.rollouts.list():
            open_ = row.state not in OVER and row.state is not RolloutState.CATCHING_UP
            if open_ and row.kind == what and any(wave.ring is ring for wave in row.waves):
                raise Rejected(
                    t("Rollout {id} decides what ring {ring} has; it is {state}.", id=row.id, ring=ring_words(ring),
                      state=state_word(row.state)),
                    t("Let it end, take it back, or end it: gasp rollouts abort {id} --reason WHY", id=row.id),
                )  # fmt: skip

    def prune(self, kind: Depot, keep: int | None = None, *, dry_run: bool = False) -> Json:
        """See `SnapshotsClient.prune`."""
        kept = self._keep() if keep is None else keep
        if dry_run:
            return {"kind": kind, **self._repository().prune(kind, kept, dry_run)}
        self._fence(None)
        with outside(self._store, AuditAct.SNAPSHOTS_PRUNED, self.actor(), detail={"kind": kind}) as became:
            found = self._repository().prune(kind, kept, dry_run)
            became["removed"] = [*found["removed"]]
        return {"kind": kind, **found}


def kind_of(snapshot: str) -> Depot:
    """The kind of a snapshot or set, by its id. Raises NotFound for what is no id."""
    if snapshot[:1] not in ("p", "s"):
        raise NotFound(t("There is no snapshot {id}.", id=snapshot), t("gasp snapshots list"))
    return "patches" if snapshot[0] == "p" else "signatures"


def _kinds(kind: Depot | None) -> Sequence[Depot]:
    return [kind] if kind else ("patches", "signatures")


def _row(row: Mapping[str, Any]) -> Json:
    kind = kind_of(row["id"])
    return {
        **{name: row[name] for name in ("id", "made_at", "source", "octets")},
        "kind": kind,
        "content": row["packages" if kind == "patches" else "signatures"],
        "rings": [*row["rings"]],
    }
