"""The writing half of the gateway's agent: judge, build the whole candidate, ask nft and Squid, load once, reload once.

Runs ON the gateway (see gateway_render), under one lock, after finishing whatever an earlier apply left. The batch for
nft is built from what is in force at that moment, so that finishing after a kill is the same act as the first time.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from control_plane.drivers.gateway_render import LISTS, NetworkRules, ProxyRules
from control_plane.drivers.gateway_state import (
    NETWORK,
    PROXY,
    SHARED,
    VERSION,
    GatewayLayout,
    Seen,
    Table,
    answer,
    load_journal,
    load_manifest,
    network_rules,
    proxy_rules,
    tool,
    wanted_pairs,
)
from control_plane.drivers.host_journal import Faults, sync
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
_PLACE = re.compile(r"^\S*?:(\d+):\d+(?:-\d+)?: (?:Error: )?(.*)$", re.MULTILINE)
_BUNGLED = re.compile(r"(?:FATAL: Bungled|ERROR: .*?)\s*(/\S+) line (\d+): (.*)")

Entry = dict[str, Any]
Emit = Callable[..., None]


class Item:
    """One accepted change."""

    def __init__(self, id_: str, entry: Entry | None, old: Entry | None) -> None:
        self.id, self.entry, self.old = id_, entry, old
        kind = (entry or old or {})["kind"]
        self.network: NetworkRules | None = None
        self.proxy: ProxyRules | None = None
        if entry is not None and kind == NETWORK:
            self.network = network_rules(id_, entry)
        elif entry is not None:
            self.proxy = proxy_rules(id_, entry)
        self.kind = str(kind)
        self.code = str((entry or old or {})["attributes"]["tenant"])

    @property
    def files(self) -> dict[str, str]:
        """Path → content of the files that the change leaves."""
        if self.network is not None:
            return {f"/etc/gasp/gateway/tenants/{self.code}.nft": self.network.text}
        if self.proxy is not None:
            return {**self.proxy.lists, self.proxy.main: self.proxy.text}
        return {}


class Apply:
    """One apply. `emit(kind, **fields)` reports stages and outcomes."""

    def __init__(self, layout: GatewayLayout, request: Mapping[str, Any], emit: Emit) -> None:
        self.layout, self.request, self._emit = layout, request, emit
        self.faults = Faults()
        self.decided: set[str] = set()
        self.recovered: set[str] = set()

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
        items = self._judge(manifest, seen)
        self.faults.step("changes.judged")
        self.layout.candidate.mkdir(mode=0o700, parents=True)
        try:
            items = self._check_rules(items, manifest, seen.table)
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
        self._carry_out(journal)
        for item in items:
            self._outcome(item.id, "applied")

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
        item = Item(change["id"], entry, old)
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
            if not known and not path.startswith(f"{LISTS}/{item.code}/") and self.layout.real(path).exists():
                raise AgentError("foreign", path)
        if item.proxy is not None:
            for category in sorted(item.proxy.categories):
                if not (self.layout.gasp / "categories" / category).is_file():
                    raise AgentError("no-category", category)
        if item.network is None:
            return
        if item.old is None and item.code in seen.table.codes():
            raise AgentError("foreign", f"t/{item.code}")
        interface, site = item.network.interface, seen.site
        own = {"lo", site["management_interface"], site["core_interface"], site["internet_interface"]}
        if interface in own or interface not in site["tenant_interfaces"]:
            raise AgentError("management", interface)
        rows = json.loads(answer(["ip", "-j", "address"]))
        for row in rows:
            for address in row.get("addr_info", ()):
                lan = item.network.lan[0 if address["family"] == "inet" else 1]
                inside = ip_in(address["local"], lan)
                if inside and row["ifname"] != interface:
                    raise AgentError("management", str(lan), row["ifname"])
        if "iifname" not in "".join(seen.table.chains.get("input", [])[:1]):
            raise AgentError("management", "input")

    # asking nft and Squid ------------------------------------------------------------------------------------------
    def _check_rules(self, items: list[Item], manifest: Mapping[str, Entry], table: Table) -> list[Item]:
        """Leave out tenant after tenant until nft accepts the rest."""
        while any(item.kind == NETWORK for item in items):
            batch = Batch(items, manifest, table)
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
                target.write_text(text.replace(f'"{LISTS}/{item.code}/', f'"{top}/{item.code}/'))

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
        after = wanted_pairs({id_: entry for id_, entry in merged.items() if entry is not None})
        return {
            "entries": entries,
            "files": files,
            "removed": sorted(set(removed)),
            "ended": [*ended(items), *ended_pairs(before - after, manifest)],
        }

    def _carry_out(self, journal: Mapping[str, Any]) -> None:
        """Do all that the journal says; may be done again. Raises OSError or AgentError and leaves the journal, except
        when nft refuses: then nothing was changed and there is nothing to finish."""
        manifest = load_manifest(self.layout)
        entries: Mapping[str, Entry | None] = journal["entries"]
        items = [Item(id_, entry, manifest.get(id_)) for id_, entry in entries.items() if entry or id_ in manifest]
        merged = {id_: entry for id_, entry in {**manifest, **entries}.items() if entry is not None}
        networks = [item for item in items if item.kind == NETWORK]
        if networks:
            try:
                Batch(items, manifest, Table.read()).load()
            except AgentError:
                self.layout.journal.unlink()
                raise
            self._emit("rules.loaded", tenants=len(networks))
        self.faults.step("rules.loaded")
        for path, text in journal["files"].items():
            self._put(path, text)
            self.faults.step("operation")
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
            tool(["conntrack", "-D", *arguments])
        self.faults.step("connections.cut")
        for path in journal["removed"]:
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

    def _outcome(self, id_: str, state: str, error: AgentError | None = None, line: int = 0) -> None:
        if id_ in self.decided:
            return
        self.decided.add(id_)
        self._emit("outcome", id=id_, state=state, line=line, **(error.as_json() if error else {}))

    def _all_failed(self, error: AgentError) -> None:
        for change in self.request["changes"]:
            self._outcome(change["id"], "failed", error)


class Batch:
    """One atomic load for nft: each tenant's section, built from what is in the table now, and the pairs."""

    def __init__(self, items: Sequence[Item], manifest: Mapping[str, Entry], table: Table) -> None:
        self.sections: list[tuple[Item | None, list[str], int]] = []
        networks = [item for item in items if item.kind == NETWORK]
        for item in networks:
            self.sections.append((item, *_section(item, table)))
        merged = {**manifest, **{item.id: item.entry for item in networks}}
        wanted = wanted_pairs({id_: entry for id_, entry in merged.items() if entry is not None})
        known = {entry["attributes"]["interface"] for entry in manifest.values() if entry["kind"] == NETWORK}
        known |= {item.network.interface for item in networks if item.network}
        now = {pair for pair in table.pairs() if known & set(pair)}
        lines = [f'delete element inet gw peers {{ "{a}" . "{b}" }}' for a, b in sorted(now - wanted)]
        lines += [f'add element inet gw peers {{ "{a}" . "{b}" }}' for a, b in sorted(wanted - now)]
        self.sections.append((None, lines, 0))

    @property
    def text(self) -> str:
        """The whole batch."""
        return "".join(line + "\n" for _, lines, _ in self.sections for line in lines)

    def check(self, path: Path) -> tuple[Item | None, str, int] | None:
        """None when nft accepts it; otherwise whose fault it is (None: nobody's), its words, and the line there."""
        path.write_text(self.text)
        done = tool(["nft", "-c", "-f", str(path)])
        if done.returncode == 0:
            return None
        found = _PLACE.search(done.stderr)
        words = (found[2] if found else done.stderr).strip()[:300]
        start = 0
        for item, lines, skipped in self.sections:
            if found and item is not None and start < int(found[1]) <= start + len(lines):
                return item, words, max(int(found[1]) - start - skipped, 0)
            start += len(lines)
        for item, lines, _ in self.sections:
            path.write_text("".join(line + "\n" for line in lines))
            alone = tool(["nft", "-c", "-f", str(path)])
            if item is not None and alone.returncode:
                return item, alone.stderr.strip()[:300], 0
        return None, words, 0

    def load(self) -> None:
        """Load it: all or nothing. Raises AgentError."""
        done = tool(["nft", "-f", "-"], self.text)
        if done.returncode:
            raise AgentError("nft-refused", "", done.stderr.strip()[:300])


def _section(item: Item, table: Table) -> tuple[list[str], int]:
    """Lines for one tenant, and how many of them come before the text of its file."""
    rules, top = item.network, f"t/{item.code}/"
    wanted = rules.elements if rules else {}
    before = []
    for interface, number in keys_of(item):
        for name in SHARED:
            key = str(0x10000 | number) if name == "proxied" else interface
            current = table.keyed(name).get(key)
            kept = rules is not None and (interface, number) == (rules.interface, rules.number) and name in wanted
            if current is not None and not (kept and current == element(name, rules)):
                quoted = key if name == "proxied" else f'"{key}"'
                before.append(f"delete element inet gw {name} {{ {quoted} }}")
    chains = [name for name in table.chains if name.startswith(top) and not (rules and name in rules.chains)]
    sets = [name for name in table.sets if name.startswith(top) and not (rules and name in rules.sets)]
    counters = [name for name in table.counters if name.startswith(top) and not (rules and name in rules.counters)]
    middle = rules.text.splitlines() if rules else []
    after = [f"flush chain inet gw {name}" for name in chains]
    for word, names in (("chain", chains), ("set", sets), ("counter", counters)):
        after += [f"delete {word} inet gw {name}" for name in names]
    return [*before, *middle, *after], len(before)


def keys_of(item: Item) -> set[tuple[str, int]]:
    """Interfaces and numbers under which a tenant is or was in the shared sets."""
    found = set()
    for entry in (item.entry, item.old):
        if entry is not None:
            found.add((str(entry["attributes"]["interface"]), int(entry["number"])))
    return found


def element(name: str, rules: NetworkRules | None) -> str:
    """A tenant's element of a shared set in canonical form, as `Table.keyed` gives it."""
    if rules is None or name not in rules.elements:
        return ""
    if name == "online":
        return json.dumps(rules.interface)
    key: str | int = 0x10000 | rules.number if name == "proxied" else rules.interface
    target = rules.elements[name].rpartition(" ")[2]
    return json.dumps([key, {"jump": {"target": target}}], sort_keys=True)


def ip_in(address: str, lan: Any) -> bool:
    """Whether an address lies in a network of its family."""
    from ipaddress import ip_address

    return ip_address(address) in lan


def ended(items: Sequence[Item]) -> list[list[str]]:
    """What conntrack must forget: of tenants that go off all of the internet, of others what they lost."""
    found: list[list[str]] = []
    for item in items:
        if item.kind != NETWORK or item.old is None or item.old["attributes"]["enabled"] is not True:
            continue
        old = item.old["attributes"]
        if item.network is None or not item.network.enabled:
            for lan in (old["v4"], old["v6"]):
                family = "ipv6" if ":" in lan else "ipv4"
                found.append(["-f", family, "-s", lan, "--src-nat"])
                found.append(["-f", family, "-s", lan, "-p", "tcp", "--orig-port-dst", "3128"])
            continue
        now = item.entry["attributes"]["direct"] if item.entry else []
        for entry in old["direct"]:
            if entry not in now:
                family = "ipv6" if ":" in entry["source"] else "ipv4"
                found.append(["-f", family, "-s", entry["source"], "-p", entry["protocol"], "--src-nat"])
    return found


def ended_pairs(gone: set[tuple[str, str]], manifest: Mapping[str, Entry]) -> list[list[str]]:
    """What conntrack must forget of tenants that are no longer connected."""
    networks = [entry["attributes"] for entry in manifest.values() if entry["kind"] == NETWORK]
    lans = {row["interface"]: (row["v4"], row["v6"]) for row in networks}
    found = []
    for first, second in sorted(gone):
        if first in lans and second in lans:
            for family, a, b in zip(("ipv4", "ipv6"), lans[first], lans[second], strict=True):
                found.append(["-f", family, "-s", a, "-d", b])
    return found
