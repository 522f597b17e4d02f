"""What may be asked about snapshots of packages and sets of signatures: the part `snapshots` of `Client`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from control_plane.model.machine import Depot

Json = dict[str, Any]
OnProgress = Callable[[int, int, str], None]
"""Octets done, octets in all (0: not known), what is being worked on."""


class SnapshotsClient(Protocol):
    """One method a verb. A kind is `patches` or `signatures`; None means both."""

    def all(self, kind: Depot | None = None) -> list[Json]:
        """Newest first: [{id, kind, made_at, source, content, octets, rings}]; `content` counts packages or
        signatures, `rings` are those that have it now. Raises CouldNotMeasureError."""
        ...

    def show(self, snapshot: str) -> Json:
        """As in `all` plus {before_in: rings that had it before, signer, contents: [{name, architecture, version}],
        files: [{name, sha256, octets}], advisories: [{id, package, fixed, severity, ...}]}. Raises NotFound."""
        ...

    def estimate(self, kind: Depot | None = None) -> list[Json]:
        """Disk need of a sync, from the upstream's verified index: [{kind, need, fetch, free, reserve, total, content,
        first, enough}] in octets."""
        ...

    def sync(self, kind: Depot, *, on_progress: OnProgress | None = None) -> Json:
        """Fetch and verify: {kind, snapshot: new id | None when nothing is new, latest, octets, advisories_changed}."""
        ...

    def preview_take(self, path: Path, kind: Depot | None = None) -> Sequence[Depot]:
        """The kinds that `take` would take. Raises what it would raise before anything is sent."""
        ...

    def take(self, path: Path, kind: Depot | None = None, *, on_progress: OnProgress | None = None) -> list[Json]:
        """The same from a folder or archive, of every kind that it holds."""
        ...

    def media(self) -> list[Json]:
        """What lies in the folder for media on the control plane's machine, for pages: [{name, octets (None: a folder),
        at}]."""
        ...

    def medium(self, name: str) -> Path:
        """Where one of them lies, for `take`. Raises NotFound for anything that is not in that folder."""
        ...

    def preview_publish(self, snapshot: str, ring: int) -> Json:
        """What `publish` would answer. Raises what it would raise."""
        ...

    def publish(self, snapshot: str, ring: int) -> Json:
        """Give a ring a snapshot or set at once: {snapshot, kind, ring, before, changed}."""
        ...

    def prune(self, kind: Depot, keep: int | None = None, *, dry_run: bool = False) -> Json:
        """Delete old ones: {kind, removed, kept, octets}. `keep`: by default what the estate says."""
        ...
