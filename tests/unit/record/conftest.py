"""The gateway's program in this process, a spool folder, and a centre that collects from it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from control_plane.drivers.record_archive import ParquetArchive
from control_plane.drivers.record_seal import KeySeal
from control_plane.drivers.record_spool import SpoolReader
from control_plane.drivers.ssh import Completed
from control_plane.model.errors import TemporaryError
from control_plane.model.network import plan_for
from control_plane.model.tenant import TenantDocument
from control_plane.store.repository import Store
from control_plane.workflow.access_record import AccessRecord
from tests.databases import database_url

FILES = Path(__file__).parents[3] / "playbooks" / "roles" / "gateway" / "files"
START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sources = load("access_sources")
spool = load("access_spool")


class Time:
    """The gateway's wall clock and its boot clock."""

    def __init__(self) -> None:
        self.wall, self.boot = START.timestamp(), 1000.0

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


class FakeConnections:
    """Stands for the kernel's events; what is put into `coming` comes at the next tick."""

    def __init__(self) -> None:
        self.coming: list[str] = []
        self.trouble: list[Any] = []

    def start(self) -> float:
        return float(spool.now())

    def open_now(self) -> list[str]:
        return []

    def take(self, at: float) -> list[str]:
        came, self.coming = self.coming, []
        return came

    def troubles(self, at: float, beaten: float) -> list[Any]:
        found, self.trouble = self.trouble, []
        return found

    def stop(self) -> None: ...


def direct(at: float, address: str = "10.95.1.10", nat_port: int = 40000, event: str = "opened", **more: str) -> str:
    since, host = more.get("since", f"{at:.6f}"), more.get("server", "198.18.95.10")
    fields = ("direct", f"{at:.6f}", since, event, "tcp", address, "50000", "198.18.95.254", str(nat_port), "", host)
    return str(sources.line(*fields, "443", "0", "0", "allowed", ""))


def proxied(at: float, url: str = "http://www.example.test/a", client: str = "10.95.1.10", **more: str) -> str:
    method = "CONNECT" if "://" not in url else "GET"
    fields = (f"{at:.3f}", client, "50001", "198.18.95.254", more.get("nat_port", "41000"), "198.18.95.10", "80")
    rest = (
        method,
        url,
        more.get("status", "200"),
        more.get("result", "TCP_MISS"),
        "120",
        "3000",
        "r-1",
        more.get("took", "250"),
    )
    return "\t".join((*fields, *rest)) + "\n"


class Gateway:
    """A gateway whose service is started, ticked, stopped and killed here; `send` is the real program."""

    host = "gateway"

    def __init__(self, root: Path, time: Time) -> None:
        self.time, self.folder, self.log = time, root / "spool", root / "log" / "gasp.log"
        self.log.parent.mkdir()
        self.log.touch()
        self.config = root / "access.json"
        values = {
            **{"folder": str(self.folder), "proxy_log": str(self.log), "tenants": ["10.95.1.0/24"]},
            **{"core": ["10.95.0.0/24"], "inside": ["10.95.0.0/16"], "segment_seconds": 60},
            **{"segment_octets": 1 << 20, "warn_octets": 1 << 20},
        }
        self.config.write_text(json.dumps(values))
        self.service: Any = None
        self.unreachable = False
        self.cut: Callable[[bytes], bytes] = lambda answer: answer

    def start(self) -> None:
        self.service = spool.Service(json.loads(self.config.read_text()))
        self.service.connections = FakeConnections()
        self.service.begin()
        self.service.tick(self.time.wall)

    def tick(self, *came: str, seconds: float = 1.0) -> None:
        self.time.go(seconds)
        self.service.connections.coming += came
        self.service.tick(self.time.wall)

    def write(self, *lines: str) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def stop(self) -> None:
        self.service.finish()

    def kill(self) -> None:
        self.service = None

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        if self.unreachable:
            from control_plane.model.text import t

            raise TemporaryError(t("Host {host} cannot be reached: {reason}", host=host, reason="test"))
        command = [sys.executable, "-B", str(FILES / "access_spool.py"), "send", str(self.config)]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
        return Completed(done.returncode, self.cut(done.stdout), done.stderr)

    def lines(self, *_: Any, **__: Any) -> Iterator[bytes]:
        raise NotImplementedError


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    for module in (sources, spool):
        monkeypatch.setattr(module, "now", lambda: made.wall)
        monkeypatch.setattr(module, "BEATEN", lambda: made.boot)
    return made


@pytest.fixture
def gateway(tmp_path: Path, time: Time) -> Gateway:
    return Gateway(tmp_path, time)


class Centre:
    """A control plane with a real store and a real archive; its clock is that of the gateway unless it is ahead."""

    def __init__(self, root: Path, gateway: Gateway, days: int = 200) -> None:
        self.gateway, self.ahead, self.root = gateway, timedelta(), root
        self.store = Store(database_url(root), clock=self.clock)
        self.store.upgrade()
        self.archive = ParquetArchive(root / "access")
        self.reader = SpoolReader(gateway, "gateway")
        actor = self.store.actors.get("local:test")
        rows = [("fgw", 1), ("czj", 2)]
        self.store.estate.put_tenants(actor, "test", [document(code, index) for code, index in rows])
        self.record = AccessRecord(
            self.store, lambda: [self.reader], self.archive, KeySeal(root / "secrets"), plan_for("labt"), days,
            self.clock, lambda: actor,
        )  # fmt: skip

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.gateway.time.wall, UTC) + self.ahead

    def ask(self, **asked: Any) -> dict[str, Any]:
        window = {"begin": asked.pop("begin", "2026-11-23"), "end": asked.pop("end", "2026-11-25")}
        return self.record.log(case="Q-1", reason="test", **window, asked=asked, limit=10_000)


def document(code: str, index: int) -> TenantDocument:
    return TenantDocument.model_validate(
        {
            "code": code,
            "names": {"zh": f"单位{code}", "en": code},
            "kind": "government_department",
            "network": {"index": index},
        }
    )


@pytest.fixture
def centre(tmp_path: Path, gateway: Gateway) -> Iterator[Centre]:
    made = Centre(tmp_path, gateway)
    yield made
    made.store.close()
