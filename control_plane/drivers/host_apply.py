"""The writing half of the agent: judge each change, stage what is accepted, ask nginx, make it live, reload once.

Runs ON the managed host (see host_state), under one lock, after finishing whatever an earlier apply left.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import IO, Any

from control_plane.drivers.host_check import Candidate, Service, settle
from control_plane.drivers.host_journal import (
    Commit,
    Emit,
    Faults,
    clear_stages,
    manifest_bytes,
    without_doubles,
    write_file,
)
from control_plane.drivers.host_serving import Outcomes
from control_plane.drivers.host_stage import Entry, Item, Stager, site_of, targets
from control_plane.drivers.host_state import LONGEST_MAIN, AgentError, Layout, Seen, from_os, load_manifest, locked

_MAIN = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
_SITE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*/[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
_RELEASE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")


class Blob:
    """The part of the input that belongs to one archive; reads past its end give nothing."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source, self._left = source, size

    def read(self, size: int = -1) -> bytes:
        """At most `size` octets. Raises AgentError when the sender is gone."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._source.read(wanted) if wanted else b""
        if len(data) < wanted:
            raise AgentError("cut-off")
        self._left -= len(data)
        return data

    def drain(self) -> None:
        """Skip what nobody wanted."""
        while self._left:
            self.read(1 << 20)


class Apply(Outcomes):
    """One apply. `emit(kind, **fields)` reports stages and outcomes."""

    def __init__(self, layout: Layout, request: Mapping[str, Any], source: IO[bytes], emit: Emit) -> None:
        super().__init__(request, emit)
        self.layout, self.source = layout, source
        self.faults = Faults()
        self.service = Service(layout, request["options"])
        self.commit = Commit(layout, self.service, emit, self.faults)
        self.recovered: set[str] = set()

    def run(self) -> None:
        """Yield, through `emit`, exactly one outcome a change; also when the host as a whole fails."""
        try:
            with locked(self.layout, True, float(self.request["options"].get("lock_seconds", 120))):
                try:
                    self._locked()
                finally:
                    if not self.layout.journal.exists():
                        clear_stages(self.layout)
        except AgentError as error:
            self._all_failed(error)
        except OSError as error:
            self._all_failed(from_os(error))

    def _locked(self) -> None:
        self.faults.step("request.read")
        left = self.commit.recover()
        self.recovered = set(left["ids"]) if left else set()
        manifest = load_manifest(self.layout)
        mark = os.urandom(4).hex()
        stager = Stager(self.layout, mark, int(self.request["now"]))
        if not self.layout.manifest.exists():
            empty = self.layout.stages[2] / "empty.json"
            write_file(empty, manifest_bytes({}), 0o600)
            empty.replace(self.layout.manifest)
        items = self._judge(manifest)
        self.faults.step("changes.judged")
        ready = self._stage(stager, items)
        self.faults.step("content.staged")
        ready = self._check([item for item in ready if item.id not in self.decided])
        if ready:
            self._make_live(ready, manifest)
        for item in ready:
            self._outcome(item.id, "failed", item.regret) if item.regret else self._outcome(item.id, "applied")

    def _judge(self, manifest: Mapping[str, Entry]) -> dict[str, Item]:
        items: dict[str, Item] = {}
        for change in self.request["changes"]:
            try:
                item = self._judge_one(change, manifest.get(change["id"]))
            except AgentError as error:
                refused = error.code in ("moved", "exists", "foreign")
                self._outcome(change["id"], "refused" if refused else "failed", error)
                continue
            if item is None:
                self._outcome(change["id"], "already")
            else:
                items[item.id] = item
        return items

    def _judge_one(self, change: Mapping[str, Any], old: Entry | None) -> Item | None:
        """None: it is already so. Raises AgentError when the world is not as the plan saw it."""
        action, token = change["action"], change["token"]
        seen = Seen(self.layout, old) if old is not None else None
        if action == "delete":
            if seen is None:
                return None
            until = seen.entry.get("retiring_until")
            if until is not None and int(self.request["now"]) < until:
                return None
            if seen.token() != token:
                raise AgentError("moved", detail=summary(seen))
            if any(state.startswith("behind a link ") for state in seen.actual.values()):
                raise AgentError("link-in-the-way", site_of(seen.entry))
            return Item(change, old)
        validate(change)
        if (
            seen is not None
            and self._as_wanted(seen, change)
            and (seen.token() != token or change["id"] in self.recovered)
        ):
            return None
        if seen is not None and seen.token() != token:
            raise AgentError("moved" if action == "update" else "exists", detail=summary(seen))
        if seen is None and action == "update" and token != "gone":
            raise AgentError("moved", detail="it is gone")
        for name in targets(change):
            path = self.layout.real(name)
            blocked = self.layout.bad_parent(name) if change["kind"] == "web.release" else None
            if blocked:
                raise AgentError("link-in-the-way", blocked)
            if path.is_dir() and not path.is_symlink():
                raise AgentError("folder-in-the-way", name)
            if (old is None or name not in old["files"]) and os.path.lexists(path):
                raise AgentError("foreign", name)
        return Item(change, old)

    @staticmethod
    def _as_wanted(seen: Seen, change: Mapping[str, Any]) -> bool:
        entry = seen.entry
        same = entry["attributes"] == change["attributes"] and entry["owner"] == change["owner"]
        return same and seen.clean and entry.get("retiring_until") is None

    def _stage(self, stager: Stager, items: Mapping[str, Item]) -> list[Item]:
        """Stage all items, those with an archive in the order in which archives arrive."""
        ready: list[Item] = []
        waiting = dict(items)
        octets = 0
        for row in self.request["archives"]:
            octets += row["size"]
            blob = Blob(self.source, row["size"])
            item = waiting.pop(row["id"], None)
            if item is not None and self._stage_one(stager, item, blob):
                ready.append(item)
            blob.drain()
        if self.source.read(1) != b".":
            raise AgentError("cut-off")
        self._emit("archive.sent", archives=len(self.request["archives"]), octets=octets)
        ready += [item for item in waiting.values() if self._stage_one(stager, item, None)]
        lost = {site_of(c) for c in self.request["changes"] if c["kind"] == "web.release" and c["action"] != "delete"}
        lost = {site for site in lost if not os.path.lexists(self.layout.real(site + "/current"))}
        lost -= {
            site_of(item.change) for item in ready if item.kind == "web.release" and item.change["action"] != "delete"
        }
        for item in ready:
            if item.kind == "web.vhost" and item.old is None and site_of(item.change) in lost:
                self._outcome(item.id, "failed", AgentError("content-missing", site_of(item.change)))
        return ready

    def _stage_one(self, stager: Stager, item: Item, blob: Blob | None) -> bool:
        try:
            stager.stage(item, blob)  # type: ignore[arg-type]
            return True
        except AgentError as error:
            if error.code == "cut-off":
                raise
            self._outcome(item.id, "failed", error)
        except OSError as error:
            stager.forget(item)
            self._outcome(item.id, "failed", from_os(error))
        return False

    def _check(self, items: list[Item]) -> list[Item]:
        proposals = [item.proposal for item in items if item.proposal is not None]
        if not proposals:
            return items
        candidate = Candidate(self.layout, self.service)
        try:
            refused, warnings = settle(candidate, proposals)
        except AgentError as error:
            for item in items:
                if item.proposal is not None:
                    self._outcome(item.id, "failed", error)
            return [item for item in items if item.proposal is None]
        for id_, verdict in refused.items():
            self._outcome(id_, "failed", AgentError("nginx-refused", verdict.file, verdict.words), verdict.line)
        self._emit("check.passed", checks=candidate.checks, refused=len(refused), warnings=warnings[:20])
        self.faults.step("check.passed")
        return [item for item in items if item.id not in refused]

    def _make_live(self, items: list[Item], manifest: Mapping[str, Entry]) -> None:
        items = sorted(items, key=lambda item: item.rank)
        entries = {item.id: item.new for item in items}
        merged = {**manifest, **entries}
        staged = self.layout.stages[2] / "manifest.json"
        write_file(staged, manifest_bytes({id_: entry for id_, entry in merged.items() if entry is not None}), 0o600)
        before = without_doubles(operation for item in items for operation in item.before)
        before.append(["move", self.layout.name(staged), self.layout.name(self.layout.manifest)])
        journal = {
            "ids": sorted(entries),
            "entries": entries,
            "old": {id_: manifest[id_] for id_ in entries if id_ in manifest},
            "before_reload": before,
            "reload": any(item.proposal is not None for item in items),
            "after_reload": [operation for item in items for operation in item.after],
        }
        self.commit.write(journal)
        self.commit.run(journal)


def validate(change: Mapping[str, Any]) -> None:
    """Refuse what could lead outside its place. Raises AgentError."""
    main = change["main"]
    if len(main) > LONGEST_MAIN:
        raise AgentError("name-too-long", main, str(LONGEST_MAIN))
    if not _MAIN.match(main) or ".." in main:
        raise AgentError("bad-name", main)
    if change["kind"] != "web.certificate" and not _SITE.match(change["site_dir"]):
        raise AgentError("bad-name", change["site_dir"])
    if change["kind"] == "web.release" and not _RELEASE.match(change["release"]):
        raise AgentError("bad-name", change["release"])


def summary(seen: Seen) -> str:
    """What is there now, in a few words of file states."""
    if seen.entry.get("retiring_until") is not None:
        return "it is being retired"
    names = seen.differing
    return ", ".join(f"{name}: {seen.actual[name]}" for name in names[:3]) or "it has other content"
