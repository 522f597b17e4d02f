"""Entry point of the agent on the repository host: one request on standard input, JSON lines as the answer.

Runs there as root, nothing of it stays. Must not import anything of ours but `repository_*`. When the asking side
dies, the work that was begun is finished.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from typing import IO, Any

from control_plane.drivers.repository_aptly import PACKAGES, recover
from control_plane.drivers.repository_sets import SETS
from control_plane.drivers.repository_state import AgentError, Layout, Room, free, from_os, locked

KINDS: Mapping[str, Room] = {"patches": PACKAGES, "signatures": SETS}
#: A line of progress at most this often (seconds).
OFTEN = 0.2


def emit(kind: str, **fields: Any) -> None:
    """One line to whoever asked; when nobody listens any more, the work goes on."""
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps({"is": kind, **fields}, separators=(",", ":"), default=str) + "\n")
        sys.stdout.flush()


class Progress:
    """Says how far it is, not too often."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        """See `Tell`."""
        now = time.monotonic()
        if not total or done == total or now - self._last >= OFTEN:
            self._last = now
            emit("progress", done=done, total=total, what=what)


def look(layout: Layout, request: Mapping[str, Any]) -> dict[str, Any]:
    """Snapshots and sets, and who has which."""
    answer = {}
    with locked(layout, "state", 60):
        recover(layout)
        history = layout.history()
        for what, room in KINDS.items():
            if request["what"] in (what, None):
                now = room.published(layout)
                rows = layout.all_records(what)
                for row in rows:
                    row["rings"] = [int(ring) for ring, id_ in now.items() if id_ == row["id"]]
                before = {ring: had[-2] if len(had) > 1 else None for ring, had in history[what].items()}
                answer[what] = {"snapshots": rows, "published": now, "before": before}
    return answer


def show(layout: Layout, request: Mapping[str, Any]) -> dict[str, Any]:
    """One snapshot with what is in it."""
    record = layout.record(request["id"])
    if request["id"].startswith("p"):
        for name in ("contents", "advisories"):
            record[name] = json.loads((layout.home / name / f"{request['id']}.json").read_text("utf-8"))
    return record


def advisories(layout: Layout, request: Mapping[str, Any]) -> dict[str, Any]:
    """The newest advisories known."""
    rows = json.loads(layout.advisories.read_text("utf-8")) if layout.advisories.exists() else []
    return {"advisories": rows}


def key(layout: Layout, request: Mapping[str, Any]) -> dict[str, Any]:
    """The public key that machines are to trust."""
    done = subprocess.run(
        ["gpg", "--batch", "--armor", "--export"],
        capture_output=True,
        env={**os.environ, "GNUPGHOME": str(layout.gnupg)},
    )
    if not done.stdout:
        raise AgentError("cannot-sign", reason="no key")
    return {"key": done.stdout.decode("ascii")}


def estimate(layout: Layout, request: Mapping[str, Any]) -> Any:
    """Disk need of a sync."""
    return KINDS[request["what"]].estimate(layout)


def sync(layout: Layout, request: Mapping[str, Any]) -> Any:
    """Fetch from the upstream."""
    with locked(layout, "sync", float(request["wait"])):
        return KINDS[request["what"]].sync(layout, Progress(), None)


def take(layout: Layout, request: Mapping[str, Any], source: IO[bytes]) -> Any:
    """Fetch from a medium that follows the request as a tar made by our side, every file of it plain."""
    with locked(layout, "sync", float(request["wait"])):
        folder = layout.content / "medium"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            room = free(folder)
            if 2 * request["octets"] + int(layout.config["reserve_octets"]) > room:
                reserve = layout.config["reserve_octets"]
                raise AgentError("no-room", need=2 * request["octets"], free=room, reserve=reserve)
            with tarfile.open(fileobj=source, mode="r|") as archive:
                for member in archive:
                    place = folder / member.name
                    if not member.isfile() or ".." in member.name.split("/") or member.name.startswith("/"):
                        raise AgentError("bad-name", path=member.name[:200])
                    place.parent.mkdir(parents=True, exist_ok=True)
                    content = archive.extractfile(member)
                    assert content is not None
                    with place.open("xb") as target:
                        shutil.copyfileobj(content, target)
            return KINDS[request["what"]].sync(layout, Progress(), folder)
        except (tarfile.TarError, EOFError):
            raise AgentError("cut-off", path="medium") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def publish(layout: Layout, request: Mapping[str, Any]) -> dict[str, Any]:
    """Give a ring a snapshot or set."""
    with locked(layout, "state", 300):
        recover(layout)
        return {"changed": KINDS[request["what"]].publish(layout, str(request["ring"]), request["id"])}


def prune(layout: Layout, request: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the newest, and what a ring has or had before; with `dry` only say which would go."""
    with locked(layout, "sync", 5), locked(layout, "state", 300):
        recover(layout)
        room, what = KINDS[request["what"]], request["what"]
        held = {id_ for id_ in room.published(layout).values() if id_}
        held |= {id_ for had in layout.history()[what].values() for id_ in had[-2:]}
        ids = [row["id"] for row in layout.all_records(what)]
        gone = [id_ for id_ in ids[request["keep"] :] if id_ not in held]
        freed = 0 if request["dry"] or not gone else room.drop(layout, gone)
        return {"removed": gone, "kept": [id_ for id_ in ids if id_ not in gone], "octets": freed}


VERBS = {
    "look": look, "show": show, "advisories": advisories, "key": key, "estimate": estimate, "sync": sync,
    "publish": publish, "prune": prune,
}  # fmt: skip


def serve(source: IO[bytes]) -> None:
    """Answer the request on `source`: a length in decimal on a line, that many octets of JSON, what belongs to it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.umask(0o022)
    try:
        request: dict[str, Any] = json.loads(source.read(int(source.readline())))
        layout = Layout(request["options"])
        verb = request["verb"]
        emit("answer", answer=take(layout, request, source) if verb == "take" else VERBS[verb](layout, request))
    except AgentError as error:
        emit("error", code=error.code, words=error.words)
    except OSError as error:
        found = from_os(error)
        emit("error", code=found.code, words=found.words)
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace is not None else ""
        emit("error", code="internal", words={"reason": f"{type(error).__name__}: {error} ({where})"})
