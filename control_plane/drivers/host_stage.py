"""What each kind of change means in files: content staged beside the live tree, and the renames that make it live.

Runs ON the managed host (see host_state). Writes below the stages only.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from control_plane.drivers.host_check import Proposal
from control_plane.drivers.host_journal import Operation, folders, write_file
from control_plane.drivers.host_look import good_copy, good_listing
from control_plane.drivers.host_state import (
    KEPT_RELEASES,
    AgentError,
    Layout,
    file_state,
    link_state,
    state_of,
    tree_listing,
    tree_state,
)

Entry = dict[str, Any]


class Item:
    """One accepted change: the entry that the manifest gets (None: removed) and how the files come to be so."""

    def __init__(self, change: Mapping[str, Any], old: Entry | None) -> None:
        self.change, self.old = change, old
        self.id, self.kind = str(change["id"]), str(change["kind"])
        self.new: Entry | None = None
        self.proposal: Proposal | None = None
        self.before: list[Operation] = []
        self.after: list[Operation] = []
        self.regret: AgentError | None = None
        """Set when the manifest must learn something although the change itself cannot be done."""

    @property
    def rank(self) -> int:
        """Content and certificates come before the vhosts that use them; removed vhosts go last."""
        if self.kind != "web.vhost":
            return 0 if self.kind == "web.release" else 1
        return 2 if self.new is not None else 3


def site_of(change: Mapping[str, Any]) -> str:
    """The name of a site's folder."""
    return "/srv/sites/{}".format(change["site_dir"])


def targets(change: Mapping[str, Any]) -> list[str]:
    """Names that must be free before a resource is created."""
    main = change["main"]
    if change["kind"] == "web.vhost":
        return [f"/etc/nginx/sites-enabled/{main}.conf"]
    if change["kind"] == "web.certificate":
        return [f"/etc/nginx/tls/{main}.crt", f"/etc/nginx/tls/{main}.key"]
    return [f"{site_of(change)}/current"]


class Stager:
    """Prepares items of one apply; `mark` is unique to it."""

    def __init__(self, layout: Layout, mark: str, now: int) -> None:
        self.layout, self.mark, self.now = layout, mark, now
        self.nginx, self.sites, self.home = layout.stages
        self._count = 0
        for stage in layout.stages:
            stage.mkdir(mode=0o700, parents=True)
        for folder in ("new", "pairs", "links"):
            (self.nginx / folder).mkdir()

    def stage(self, item: Item, archive: IO[bytes] | None) -> None:
        """Write what the change needs. Raises OSError or AgentError; then nothing but staged left-overs exist."""
        change = item.change
        if change["action"] == "delete":
            assert item.old is not None
            if item.old["retire_seconds"] > 0 and item.old.get("retiring_until") is None:
                self._retire(item, item.old)
            else:
                self._remove(item, item.old)
            return
        item.new = {
            "kind": item.kind,
            "owner": change["owner"],
            "main": change["main"],
            "label": change["label"],
            "site_dir": change.get("site_dir"),
            "attributes": change["attributes"],
            "retire_seconds": change["retire_seconds"],
            "files": {},
        }
        if item.kind == "web.vhost":
            item.new["gone_text"] = change["gone_text"]
            self._vhost(item, item.new, change["text"])
        elif item.kind == "web.certificate":
            self._certificate(item, item.new)
        else:
            self._release(item, item.new, archive)

    def forget(self, item: Item) -> None:
        """Give back the space of a release that could not be staged; the disk may be full."""
        if item.kind == "web.release":
            shutil.rmtree(self.sites / str(self._count), ignore_errors=True)

    def _unique(self) -> Path:
        self._count += 1
        return self.nginx / "links" / str(self._count)

    def _name(self, path: Path) -> str:
        return self.layout.name(path)

    def _good(self, item: Item, target: Path, content: bytes) -> None:
        """Keep a copy for describing later differences."""
        self._count += 1
        staged = self.home / str(self._count)
        write_file(staged, content, 0o600)
        steps = [p for p in target.parents if p == self.layout.good or self.layout.good in p.parents]
        item.before += folders(self._name(step) for step in steps)
        item.before.append(["move", self._name(staged), self._name(target)])

    def _link(self, item: Item, name: str, target: str) -> None:
        """Switch a link by one rename."""
        staged = self._unique()
        staged.symlink_to(target)
        item.before.append(["move", self._name(staged), name])

    def _vhost(self, item: Item, new: Entry, text: str) -> None:
        main, content = new["main"], text.encode()
        name = f"/etc/nginx/sites-enabled/{main}.conf"
        staged = self.nginx / "new" / (main + ".conf")
        write_file(staged, content, 0o644)
        new["files"] = {name: file_state(content, 0o644)}
        item.before.append(["move", self._name(staged), name])
        self._good(item, good_copy(self.layout, name), content)
        item.proposal = Proposal(item.id, {f"sites-enabled/{main}.conf": staged}, text)

    def _certificate(self, item: Item, new: Entry) -> None:
        """Certificate and key change together: both names lead through one link, and only that one is switched."""
        main, change = new["main"], item.change
        contents = {"chain.pem": (change["chain"].encode(), 0o644), "key.pem": (change["key"].encode(), 0o600)}
        pair = self._pair(item, main, self.mark, contents)
        tls = "/etc/nginx/tls/"
        ends = {tls + main + ".crt": "chain.pem", tls + main + ".key": "key.pem"}
        live = tls + ".live/" + main
        loose = [n for n in ends if state_of(self.layout.real(n)) != link_state(f".live/{main}/{ends[n]}")]
        if item.old is not None and len(loose) == 2:
            self._bridge(item, main, ends)
        for name in loose:
            self._link(item, name, f".live/{main}/{ends[name]}")
        self._link(item, live, "../.pairs/" + pair)
        new["files"] = {name: link_state(f".live/{main}/{file}") for name, file in ends.items()}
        new["files"][live] = link_state("../.pairs/" + pair)
        for file, (content, mode) in contents.items():
            new["files"][f"{tls}.pairs/{pair}/{file}"] = file_state(content, mode)
        item.after += [["remove", name] for name in _pairs(item.old) if not name.endswith("/" + pair)]
        views: dict[str, Path | None] = {
            name[len("/etc/nginx/") :]: self.nginx / "pairs" / pair / file for name, file in ends.items()
        }
        item.proposal = Proposal(item.id, views)

    def _pair(self, item: Item, main: str, mark: str, contents: Mapping[str, Any]) -> str:
        pair = f"{main}@{mark}"
        folder = self.nginx / "pairs" / pair
        folder.mkdir(mode=0o700)
        for file, (content, mode) in contents.items():
            write_file(folder / file, content, mode)
        item.before += folders(["/etc/nginx/tls", "/etc/nginx/tls/.live", "/etc/nginx/tls/.pairs"])
        item.before.append(["move", self._name(folder), "/etc/nginx/tls/.pairs/" + pair])
        return pair

    def _bridge(self, item: Item, main: str, ends: Mapping[str, str]) -> None:
        """Both files were replaced by hand: first lead both names to copies of what is live, so that at no moment
        a certificate meets another one's key."""
        try:
            contents = {file: (self.layout.real(name).read_bytes(), 0o600) for name, file in ends.items()}
        except OSError:
            return
        bridge = self._pair(item, main, self.mark + "b", contents)
        self._link(item, "/etc/nginx/tls/.live/" + main, "../.pairs/" + bridge)
        item.after.append(["remove", "/etc/nginx/tls/.pairs/" + bridge])

    def _release(self, item: Item, new: Entry, archive: IO[bytes] | None) -> None:
        release, site, main = item.change["release"], site_of(item.change), new["main"]
        moved = item.old is not None and item.old["site_dir"] != new["site_dir"]
        kept: list[dict[str, str]] = [] if item.old is None or moved else list(item.old["kept"])
        found = next((k for k in kept if k["release"] == release), None)
        if archive is not None:
            # what is live under this name was changed or is not ours: the new copy gets a name beside it
            taken = os.path.lexists(self.layout.real(f"{site}/releases/{release}"))
            found = {"release": release, "dir": f"{release}.{self.mark}" if taken else release}
            self._unpack(item, main, site, found, archive)
        elif found is None:
            raise AgentError("release-absent", site, release)
        elif state_of(self.layout.real("{}/releases/{}".format(site, found["dir"]))) != found["tree"]:
            assert item.old is not None
            item.regret = AgentError("release-changed", "{}/releases/{}".format(site, found["dir"]))
            item.new = dict(item.old, kept=[dict(k, stale="yes") if k is found else k for k in kept])
            return
        kept = [k for k in kept if k["release"] != release] + [found]
        self._link(item, site + "/current", "releases/" + found["dir"])
        new["kept"] = kept[-KEPT_RELEASES:]
        new["files"] = {
            site + "/current": link_state("releases/" + found["dir"]),
            "{}/releases/{}".format(site, found["dir"]): found["tree"],
        }
        keep = {"{}/releases/{}".format(site, k["dir"]) for k in new["kept"]}
        for name in _release_folders(item.old):
            if name not in keep:
                item.after += [["remove", name], ["remove", self._listing(main, name)]]
        if moved and item.old is not None:
            item.after += self._leave(site_of(item.old))

    def _unpack(self, item: Item, main: str, site: str, found: dict[str, str], archive: IO[bytes]) -> None:
        self._count += 1
        staged = self.sites / str(self._count)
        unpack(archive, staged)
        listing = tree_listing(staged)
        found["tree"] = tree_state(listing)
        tenant = str(PurePosixPath(site).parent)
        item.before += folders([tenant, site, site + "/releases"])
        target = "{}/releases/{}".format(site, found["dir"])
        item.before.append(["move", self._name(staged), target])
        self._good(item, good_listing(self.layout, main, found["dir"]), json.dumps(listing).encode())

    def _listing(self, main: str, folder: str) -> str:
        return self._name(good_listing(self.layout, main, PurePosixPath(folder).name))

    @staticmethod
    def _leave(site: str) -> list[Operation]:
        tenant = str(PurePosixPath(site).parent)
        return [["remove", site + "/current"], ["prune", site + "/releases"], ["prune", site], ["prune", tenant]]

    def _retire(self, item: Item, old: Entry) -> None:
        item.new = dict(old, retiring_until=self.now + old["retire_seconds"])
        if item.kind == "web.vhost":
            self._vhost(item, item.new, old["gone_text"])

    def _remove(self, item: Item, old: Entry) -> None:
        main = old["main"]
        if item.kind == "web.vhost":
            name = f"/etc/nginx/sites-enabled/{main}.conf"
            item.proposal = Proposal(item.id, {f"sites-enabled/{main}.conf": None})
            item.before.append(["remove", name])
            item.after.append(["remove", self._name(good_copy(self.layout, name))])
        elif item.kind == "web.certificate":
            ends = [f"tls/{main}.crt", f"tls/{main}.key"]
            item.proposal = Proposal(item.id, dict.fromkeys(ends))
            links = ["/etc/nginx/" + end for end in ends] + ["/etc/nginx/tls/.live/" + main]
            item.after += [["remove", name] for name in links + _pairs(old)]
        else:
            site = site_of(old)
            for name in _release_folders(old):
                item.after += [["remove", name], ["remove", self._listing(main, name)]]
            item.after += self._leave(site)


def _pairs(entry: Entry | None) -> list[str]:
    """Folders of certificate and key that an entry uses."""
    names = entry["files"] if entry is not None else {}
    return sorted({str(PurePosixPath(n).parent) for n in names if "/tls/.pairs/" in n})


def _release_folders(entry: Entry | None) -> list[str]:
    """Folders of all kept releases of an entry."""
    return ["{}/releases/{}".format(site_of(entry), k["dir"]) for k in entry["kept"]] if entry is not None else []


def unpack(archive: IO[bytes], target: Path) -> None:
    """Unpack a normalised tar of plain files and folders; anything else refuses the whole.

    Times are those of the archive, which the centre makes from the content: a page that stays the same keeps its
    ETag from release to release, and one that changes never does. A time of zero is none.
    """
    target.mkdir(mode=0o755)
    target.chmod(0o755)
    made = {target}
    try:
        with tarfile.open(fileobj=archive, mode="r|*") as members:
            for member in members:
                pure = PurePosixPath(member.name)
                path = target / pure
                if pure.is_absolute() or ".." in pure.parts or not (member.isfile() or member.isdir()):
                    raise AgentError("bad-archive", member.name)
                _folder(path if member.isdir() else path.parent, made)
                if member.isfile():
                    source = members.extractfile(member)
                    write_file(path, source or b"", 0o644)
                    if member.mtime > 0:
                        os.utime(path, (member.mtime, member.mtime))
    except (tarfile.TarError, EOFError, FileExistsError) as error:
        raise AgentError("bad-archive", detail=str(error)) from None


def _folder(path: Path, made: set[Path]) -> None:
    """Make a folder and those above it that are not in `made` yet."""
    if path not in made:
        _folder(path.parent, made)
        path.mkdir()
        path.chmod(0o755)
        made.add(path)
