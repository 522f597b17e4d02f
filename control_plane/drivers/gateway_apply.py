"""The writing half of the gateway's agent: judge, build the whole candidate, ask nft and Squid, load once, reload once.

Runs ON the gateway (see gateway_render), under one lock, after finishing whatever an earlier apply left. Finishing
after a kill is the same act as the first time, because the batch for nft is built from what is in force at that moment.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from control_plane.drivers.gateway_batch import Batch, Entry, Item, ended, ended_pairs
from control_plane.drivers.gateway_render import CATEGORIES, LISTS
from control_plane.drivers.gateway_state import (
    NETWORK,
    PROXY,
    VERSION,
    GatewayLayout,
    Seen,
    Table,
    answer,
    load_journal,
    load_manifest,
    network_rules,
    tool,
    wanted_pairs,
)
from control_plane.drivers.host_journal import Faults, sync
from control_plane.drivers.host_serving import Outcomes
from control_plane.drivers.host_state import AgentError, file_state, from_os, locked

STEPS = (
    "request.read",
    "changes.judged",
    "check.passed",
    "journal.temporary",
    "journal.written",
    "rules.loaded",
    "operation",
    "files.replaced",
    "queues.shaped",
    "reload.done",
    "connections.cut",
    "manifest.written",
    "journal.removed",
)
"""Where a kill is tried in tests; `operation` is passed once for each file."""
MODE = 0o644
RELOAD_SECONDS = 30.0
#: Categories as an older version of the role kept them. Rules that are not applied anew yet name them.
FORMER = tuple(f"{CATEGORIES}/{name}" for name in ("adult", "gambling", "malware", "video"))
_BUNGLED = re.compile(r"(?:FATAL: Bungled|ERROR: .*?)\s*(/\S+) line (\d+): (.*)")

Emit = Callable[..., None]


class Apply(Outcomes):
    """One apply. `emit(kind, **fields)` reports stages and outcomes."""

    def __init__(self, layout: GatewayLayout, request: Mapping[str, Any], emit: Emit) -> None:
        super().__init__(request, emit)
        self.layout = layout
        self.faults = Faults()
        self.recovered: set[str] = set()
        self.lists: dict[str, Sequence[str]] = {}

    def run(self) -> None:
        """Yield, through `emit`, exactly one outcome a change; also when the gateway as a whole fails."""
        try:
            with locked(self.layout, True, float(self.request["options"].get("lock_seconds", 120))):
                self._locked()
        except AgentError as error:
            self._all_failed(error)
        except OSError as error:
            self._all_failed(from_os(error))

    def _locked(self) -> None:
        self.faults.step("request.read")
        shutil.rmtree(self.layout.candidate, ignore_errors=True)
        journal = load_journal(self.layout)
        if journal is not None:
            self.recovered = set(journal["entries"])
            self._carry_out(journal)
        manifest = load_manifest(self.layout)
        seen = Seen(self.layout, manifest)
        self.lists = {**self._kept(manifest), **self.request.get("lists", {})}
        items = self._judge(manifest, seen)
        self.faults.step("changes.judged")
        self.layout.candidate.mkdir(mode=0o700, parents=True)
        try:
            items = self._check_rules(items, manifest, seen)
            items = self._check_proxy(items, manifest)
        finally:
            shutil.rmtree(self.layout.candidate, ignore_errors=True)
        if not items:
            return
        self._emit("check.passed", changes=len(items))
        self.faults.step("check.passed")
        journal = self._journal(items, manifest)
        self._write(self.layout.journal, json.dumps(journal, separators=(",", ":")), 0o600, "journal.temporary")
        sync(self.layout.home)
        self.faults.step("journal.written")
        self._carry_out(journal, seen.table if any(item.kind == NETWORK for item in items) else None)
        for item in items:
            self._outcome(item.id, "applied")

    def _kept(self, manifest: Mapping[str, Entry]) -> dict[str, list[str]]:
        """Hash → names of the categories that are here; what was changed by hand does not fit its hash any more."""
        names = {name for entry in manifest.values() for name in entry["files"] if name.startswith(CATEGORIES)}
        paths = [path for path in map(self.layout.real, sorted(names)) if path.is_file()]
        return {path.name.rpartition("-")[2]: path.read_text(errors="replace").splitlines() for path in paths}

    # judging -------------------------------------------------------------------------------------------------------
    def _judge(self, manifest: Mapping[str, Entry], seen: Seen) -> list[Item]:
        items: list[Item] = []
        numbers = {entry["attributes"]["tenant"]: entry["number"] for entry in manifest.values()}
        taken = set(numbers.values())
        for change in self.request["changes"]:
            try:
                item = self._judge_one(change, manifest.get(change["id"]), seen, numbers, taken)
            except AgentError as error:
                refused = error.code in ("moved", "exists", "foreign")
                self._outcome(change["id"], "refused" if refused else "failed", error)
                continue
            if item is None:
                self._outcome(change["id"], "already")
            else:
                items.append(item)
        return items

    def _judge_one(
        self, change: Mapping[str, Any], old: Entry | None, seen: Seen, numbers: dict[str, int], taken: set[int]
    ) -> Item | None:
        """None: it is already so. Raises AgentError when it cannot be, or the world is not as the plan saw it."""
        token = change["token"]
        now = seen.token(old) if old is not None else None
        if change["action"] == "delete":
            if old is None:
                return None
            if now != token:
                raise AgentError("moved", detail=", ".join(seen.differing(old)) or "it has other content")
            return Item(change["id"], None, old)
        if old is not None:
            same = old["attributes"] == change["attributes"] and old["owner"] == change["owner"]
            if same and not seen.differing(old) and (now != token or change["id"] in self.recovered):
                return None
            if now != token:
                detail = ", ".join(seen.differing(old)) or "it has other content"
                raise AgentError("moved" if change["action"] == "update" else "exists", detail=detail)
        elif change["action"] == "update" and token != "gone":
            raise AgentError("moved", detail="it is gone")
        code = str(change["attributes"].get("tenant"))
        number = numbers.get(code) or next(n for n in range(2, 0x7FFF) if n not in taken)
        entry = {
            "kind": change["kind"],
            "owner": change["owner"],
            "label": change["label"],
            "attributes": change["attributes"],
            "number": number,
            "files": {},
            "live": {},
        }
        item = Item(change["id"], entry, old, self.lists)
        if change["id"] != f"gateway:{item.code}/{'network' if item.kind == NETWORK else 'proxy'}":
            raise AgentError("bad-attribute", "id", change["id"])
        entry["files"] = {path: file_state(text.encode(), MODE) for path, text in item.files.items()}
        self._examine(item, seen)
        numbers[code] = number
        taken.add(number)
        return item

    def _examine(self, item: Item, seen: Seen) -> None:
        """What only this gateway knows: its interfaces, categories, and what lies in the way."""
        for path in item.files:
            known = item.old is not None and path in item.old["files"]
            ours = path.startswith((f"{LISTS}/{item.code}/", f"{CATEGORIES}/"))
            if not known and not ours and self.layout.real(path).exists():
                raise AgentError("foreign", path)
        if item.proxy is not None:
            for path, category in item.proxy.categories.items():
                if path not in item.files:
                    raise AgentError("no-category", category)
        if item.network is None:
            return
        if item.old is None and item.code in seen.table.by_code:
            raise AgentError("foreign", f"t/{item.code}")
        interface, site = item.network.interface, seen.site
        own = {"lo", site["management_interface"], site["core_interface"], site["internet_interface"]}
        if interface in own or interface not in site["tenant_interfaces"]:
            raise AgentError("management", interface)
        for lan in item.network.lan:
            others = seen.interfaces_in(lan) - {interface}
            if others:
                raise AgentError("management", str(lan), ", ".join(sorted(others)))
        if "iifname" not in "".join(seen.table.chains.get("input", [])[:1]):
            raise AgentError("management", "input")

    # asking nft and Squid ------------------------------------------------------------------------------------------
    def _check_rules(self, items: list[Item], manifest: Mapping[str, Entry], seen: Seen) -> list[Item]:
        """Leave out tenant after tenant until nft accepts the rest."""
        while any(item.kind == NETWORK for item in items):
            batch = Batch(items, manifest, seen.table)
            refused = batch.check(self.layout.candidate / "rules.nft")
            if refused is None:
                return items
            guilty, words, line = refused
            if guilty is None:
                error = AgentError("nft-refused", "/etc/nftables.conf", words)
                for item in items:
                    if item.kind == NETWORK:
                        self._outcome(item.id, "failed", error)
                return [item for item in items if item.kind != NETWORK]
            path = next(iter(guilty.files), "")
            self._outcome(guilty.id, "failed", AgentError("nft-refused", path, words), line)
            items = [item for item in items if item is not guilty]
        return items

    def _check_proxy(self, items: list[Item], manifest: Mapping[str, Entry]) -> list[Item]:
        """Leave out tenant after tenant until Squid accepts the rest."""
        candidate = self.layout.candidate
        while True:
            proxies = {item.code: item for item in items if item.kind == PROXY}
            if not proxies:
                return items
            shutil.rmtree(candidate / "gasp", ignore_errors=True)
            self._candidate(candidate, proxies)
            done = tool([*self.layout.parse, str(candidate / "squid.conf")])
            said = done.stdout + done.stderr
            found = _BUNGLED.search(said)
            if done.returncode == 0 and found is None:
                return items
            name, line, words = (found[1], int(found[2]), found[3]) if found else ("", 0, said.strip()[-300:])
            guilty = proxies.get(Path(name).stem) if name.startswith(str(candidate)) else None
            if guilty is None:
                for item in proxies.values():
                    error = AgentError("foreign-fault", f"{name}:{line}".rstrip(":0"), words)
                    self._outcome(item.id, "failed", error)
                return [item for item in items if item.kind != PROXY]
            self._outcome(guilty.id, "failed", AgentError("squid-refused", f"{LISTS}/{guilty.code}.conf", words), line)
            items = [item for item in items if item is not guilty]

    def _candidate(self, candidate: Path, proxies: Mapping[str, Item]) -> None:
        """A copy of Squid's configuration in which the changed tenants' files are new."""
        main = (self.layout.squid / "squid.conf").read_text()
        if f"include {LISTS}/*.conf" not in main:
            raise AgentError("not-included", "/etc/squid/squid.conf")
        top = candidate / "gasp"
        top.mkdir(mode=0o700)
        (candidate / "squid.conf").write_text(main.replace(f"include {LISTS}/", f"include {top}/"))
        for path in self.layout.gasp.glob("*.conf"):
            if path.stem not in proxies:
                (top / path.name).symlink_to(path)
        for item in proxies.values():
            for name, text in item.files.items():
                target = top / name[len(LISTS) + 1 :]
                target.parent.mkdir(exist_ok=True)
                for folder in (item.code, "categories"):
                    text = text.replace(f'"{LISTS}/{folder}/', f'"{top}/{folder}/')
                target.write_text(text)

    # making it live ------------------------------------------------------------------------------------------------
    def _journal(self, items: Sequence[Item], manifest: Mapping[str, Entry]) -> dict[str, Any]:
        files: dict[str, str] = {}
        removed: list[str] = []
        for item in items:
            files |= item.files
            removed += [path for path in (item.old or {}).get("files", {}) if path not in item.files]
        entries = {item.id: item.entry for item in items}
        before = wanted_pairs(manifest)
        merged = {**manifest, **entries}
        used = {path for entry in merged.values() if entry is not None for path in entry["files"]}
        after = wanted_pairs({id_: entry for id_, entry in merged.items() if entry is not None})
        return {
            "entries": entries,
            "files": files,
            "removed": sorted(set(removed) - used),
            "ended": [*ended(items), *ended_pairs(before - after, manifest)],
        }

    def _carry_out(self, journal: Mapping[str, Any], table: Table | None = None) -> None:
        """Do all that the journal says; may be done again, then without what `table` was before. Raises OSError or
        AgentError and leaves the journal, except when nft refuses: then nothing was changed, nothing is to finish."""
        manifest = load_manifest(self.layout)
        entries: Mapping[str, Entry | None] = journal["entries"]
        items = [Item(id_, entry, manifest.get(id_)) for id_, entry in entries.items() if entry or id_ in manifest]
        merged = {id_: entry for id_, entry in {**manifest, **entries}.items() if entry is not None}
        networks = [item for item in items if item.kind == NETWORK]
        if networks:
            try:
                Batch(items, manifest, table or Table.read()).load()
            except AgentError:
                self.layout.journal.unlink()
                raise
            self._emit("rules.loaded", tenants=len(networks))
        self.faults.step("rules.loaded")
        for path, text in journal["files"].items():
            self._put(path, text)
            self.faults.step("operation")
        if networks:
            self._shared(merged)
        for path in journal["removed"]:
            if path.endswith((".nft", ".conf")):
                self.layout.real(path).unlink(missing_ok=True)
        sync(self.layout.home)
        self._emit("files.replaced", resources=len(entries))
        self.faults.step("files.replaced")
        if networks:
            gone = {f"-{item.old['number']}" for item in networks if item.entry is None and item.old}
            answer([*self.layout.program, "shape", *(i.code for i in networks if i.entry), *sorted(gone)])
            if any(item.network and item.network.policy["names"] for item in networks):
                answer([*self.layout.program, "resolve"])
            tool(["systemctl", "kill", "-s", "HUP", "gasp-meter"])
        self.faults.step("queues.shaped")
        if any(item.kind == PROXY for item in items):
            self._reload()
            self._emit("reload.done", reloads=1)
        self.faults.step("reload.done")
        for arguments in journal["ended"]:
            tool([*self.layout.conntrack, "-D", *arguments])
        self.faults.step("connections.cut")
        for path in (*journal["removed"], *self._unnamed()):
            self.layout.real(path).unlink(missing_ok=True)
        for item in items:
            folder = self.layout.gasp / item.code
            if item.kind == PROXY and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        seen = Seen(self.layout, merged)
        for item in items:
            if item.entry is not None:
                item.entry["live"] = seen.live(item.entry)
        text = json.dumps({"version": VERSION, "resources": merged}, sort_keys=True, separators=(",", ":"))
        self._write(self.layout.manifest, text, 0o600)
        sync(self.layout.home)
        self.faults.step("manifest.written")
        self.layout.journal.unlink()
        self.faults.step("journal.removed")

    def _unnamed(self) -> list[str]:
        """Those of `FORMER` that are here and that no rules name any more."""
        there = [path for path in FORMER if self.layout.real(path).is_file()]
        texts = [file.read_text(errors="replace") for file in self.layout.gasp.glob("*.conf")] if there else []
        return [path for path in there if not any(f'"{path}"' in text for text in texts)]

    def _shared(self, merged: Mapping[str, Entry]) -> None:
        """Files about all tenants: who may reach whom, and what the gateway's own program must know."""
        lines = [f'add element inet gw peers {{ "{a}" . "{b}" }}' for a, b in sorted(wanted_pairs(merged))]
        self._put("/etc/gasp/gateway/peers.nft", "# managed by gasp\n" + "".join(line + "\n" for line in lines))
        rules = [network_rules(id_, entry) for id_, entry in merged.items() if entry["kind"] == NETWORK]
        text = json.dumps({"tenants": {one.code: one.policy for one in rules}}, sort_keys=True)
        self._put("/etc/gasp/gateway/policy.json", text)

    def _put(self, name: str, text: str) -> None:
        path = self.layout.real(name)
        path.parent.mkdir(mode=0o755, exist_ok=True)
        self._write(path, text, MODE)

    def _write(self, path: Path, text: str, mode: int, step: str = "") -> None:
        fresh = path.with_name(f".{path.name}.gasp-new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode)
        fresh.chmod(mode)
        fresh.write_text(text)
        if step:
            sync(path.parent)
            self.faults.step(step)
        fresh.replace(path)

    def _reload(self) -> None:
        """Have Squid take over its files and wait until it listens again. Raises AgentError."""
        log = self.layout.root / "var/log/squid/cache.log"
        before = log.stat().st_size if log.exists() else 0
        done = tool(self.layout.reload)
        if done.returncode:
            raise AgentError("reload-failed", detail=(done.stdout + done.stderr).strip()[-300:])
        deadline = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < deadline:
            if log.exists():
                with log.open("rb") as file:
                    file.seek(before if log.stat().st_size >= before else 0)
                    if b"Accepting HTTP Socket connections" in file.read():
                        return
            time.sleep(0.02)
        raise AgentError("reload-failed", detail="it does not listen")
