"""Asking nginx: does it accept a candidate of the whole configuration, and has it taken over the new one?

Runs ON the managed host (see host_state). Changes nothing live; a candidate is a folder of links into the
live tree in which the names of the changed files lead to their new content instead.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from control_plane.drivers.host_state import AgentError, Layout

_EMERG = re.compile(r"\[(?:emerg|alert|crit|error)\] (?:\d+#\d+: )?(.*)")
_WARN = re.compile(r"\[warn\] (?:\d+#\d+: )?(.*)")
_PLACE = re.compile(r"^(.*) in (/.+):(\d+)$")
_DUMPED = re.compile(r"^# configuration file (.+):$", re.MULTILINE)
_PATH = re.compile(r'"(/[^"]+)"')

Views = Mapping[str, "Path | None"]
"""Name below the nginx folder → file to show there; None: nothing there."""


class Verdict:
    """nginx's answer to one candidate. `file` is a live name, or empty when nginx named none."""

    def __init__(self, ok: bool, words: str = "", file: str = "", line: int = 0, warnings: Sequence[str] = ()) -> None:
        self.ok, self.words, self.file, self.line, self.warnings = ok, words, file, line, list(warnings)


class Candidate:
    """A private view of /etc/nginx with some names changed."""

    def __init__(self, layout: Layout, service: Service) -> None:
        folder = layout.candidate
        self.layout, self.top, self.service = layout, folder, service
        self.checks = 0
        self._shown: set[Path] = set()
        folder.mkdir(mode=0o700, parents=True)
        for entry in layout.nginx.iterdir():
            if entry in (layout.vhosts, layout.tls):
                inner = folder / entry.name
                inner.mkdir(mode=0o700)
                for file in entry.iterdir():
                    (inner / file.name).symlink_to(file)
            elif entry.name != ".gasp":
                (folder / entry.name).symlink_to(entry)
        for needed in (layout.vhosts, layout.tls):
            (folder / needed.name).mkdir(mode=0o700, exist_ok=True)

    def put(self, views: Views) -> None:
        """Show the new content under these names."""
        for name, target in views.items():
            self._set(self.top / name, target)
            if target is not None:
                self._shown.add(self.top / name)

    def drop(self, views: Views) -> None:
        """Show what is live under these names again."""
        for name in views:
            live = self.layout.nginx / name
            self._set(self.top / name, live if live.exists() or live.is_symlink() else None)
            self._shown.discard(self.top / name)

    @staticmethod
    def _set(link: Path, target: Path | None) -> None:
        if link.is_symlink():
            link.unlink()
        if target is not None:
            link.symlink_to(target)

    def check(self) -> Verdict:
        """Run the service's own check on the candidate. Raises AgentError when it would not look at it."""
        self.checks += 1
        verdict, dump = self.service.check(self.top)
        if verdict.ok:
            read = {Path(name) for name in _DUMPED.findall(dump)}
            unread = sorted(p for p in self._shown if p.suffix == ".conf" and p not in read)
            if unread:
                raise AgentError("not-included", str(unread[0].relative_to(self.top)))
        return verdict


class Service:
    """The nginx of this host. Commands may be replaced in tests through `options`."""

    def __init__(self, layout: Layout, options: Mapping[str, Any]) -> None:
        self.layout = layout
        self.nginx: list[str] = list(options.get("nginx", ["/usr/sbin/nginx"]))
        self.command: list[str] = list(options.get("reload", ["systemctl", "reload-or-restart", "nginx"]))
        self.seconds = float(options.get("reload_seconds", 60))
        self.pid_file = layout.root / "run/nginx.pid"

    def check(self, tree: Path) -> tuple[Verdict, str]:
        """`nginx -T` on a tree; the verdict in live names, and the dump of what was read."""
        done = subprocess.run(
            [*self.nginx, "-T", "-q", "-c", str(tree / "nginx.conf")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            check=False,
        )
        said = done.stderr.decode("utf-8", "replace").replace(str(tree), "/etc/nginx")
        warnings = _WARN.findall(said)
        if done.returncode == 0:
            return Verdict(True, warnings=warnings), done.stdout.decode("utf-8", "replace")
        found = _EMERG.search(said)
        words = found.group(1) if found else said.strip()[-500:]
        place = _PLACE.match(words)
        if place:
            return Verdict(False, place.group(1), place.group(2), int(place.group(3)), warnings), ""
        quoted = [p for p in _PATH.findall(words) if p.startswith("/etc/nginx/")]
        return Verdict(False, words, quoted[0] if quoted else "", 0, warnings), ""

    def reload(self) -> None:
        """Have nginx take over the live tree and wait until it did. Raises AgentError."""
        before = self._workers()
        done = subprocess.run(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode != 0:
            raise AgentError("reload-failed", detail=self._why(done.stdout.decode("utf-8", "replace")))
        deadline = time.monotonic() + self.seconds
        while True:
            now = self._workers()
            if now and not now & before:  # the old ones take no new connections any more
                return
            if time.monotonic() > deadline:
                raise AgentError("reload-failed", detail=self._why("no new worker process took over"))
            time.sleep(0.02)

    def _why(self, otherwise: str) -> str:
        verdict, _ = self.check(self.layout.nginx)
        place = f" in {verdict.file}:{verdict.line}" if verdict.line else ""
        return (verdict.words + place) if not verdict.ok else otherwise.strip()[-500:]

    def _workers(self) -> set[str]:
        """Pids of workers that accept connections, of the master in the pid file."""
        try:
            master = str(int(self.pid_file.read_text()))
        except (OSError, ValueError):
            return set()
        found: set[str] = set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                title = (process / "cmdline").read_bytes() if parent == master else b""
            except OSError:
                continue
            if title.startswith(b"nginx: worker process") and b"shutting down" not in title:
                found.add(process.name)
        return found


class Proposal:
    """One change as far as nginx can see it."""

    def __init__(self, id_: str, views: Views, text: str = "") -> None:
        self.id, self.views, self.text = id_, views, text

    def mentions(self, name: str) -> bool:
        """Whether the new text refers to a file that nginx could not use."""
        return name in self.text


def settle(candidate: Candidate, proposals: Iterable[Proposal]) -> tuple[dict[str, Verdict], list[str]]:
    """Leave out change after change until nginx accepts the rest.

    Returns id → verdict of the refused ones, and nginx's warnings. Raises AgentError `foreign-fault` when
    nginx refuses the tree even without any of the changes.
    """
    active = list(proposals)
    refused: dict[str, Verdict] = {}
    for proposal in active:
        candidate.put(proposal.views)
    while True:
        verdict = candidate.check()
        if verdict.ok:
            return refused, verdict.warnings
        name = verdict.file[len("/etc/nginx/") :]
        guilty = [p for p in active if name in p.views] or [p for p in active if name and p.mentions(name)]
        if not guilty:
            guilty, verdict = _search(candidate, active)
        for proposal in guilty:
            candidate.drop(proposal.views)
            active.remove(proposal)
            refused[proposal.id] = verdict


def _search(candidate: Candidate, active: list[Proposal]) -> tuple[list[Proposal], Verdict]:
    """Find the first change that makes the tree bad, by halves; nginx blamed no file of a change."""

    def of_first(count: int) -> Verdict:
        for index, proposal in enumerate(active):
            (candidate.put if index < count else candidate.drop)(proposal.views)
        return candidate.check()

    worst = of_first(0)
    if not (worst.ok and active):
        place = f"{worst.file}:{worst.line}" if worst.line else worst.file
        raise AgentError("foreign-fault", place, worst.words)
    good, bad = 0, len(active)
    while bad - good > 1:
        middle = (good + bad) // 2
        verdict = of_first(middle)
        good, bad = (middle, bad) if verdict.ok else (good, middle)
        worst = worst if verdict.ok else verdict
    if worst.ok:
        worst = of_first(bad)
    for proposal in active:
        candidate.put(proposal.views)
    return [active[bad - 1]], worst
