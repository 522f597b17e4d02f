"""How often systems are asked does not grow with the number of tenants: the real drivers, their transports counted.

A logical read is a zone, a search of the directory, a command on a host; pages of one search are one read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from control_plane.drivers import directory_ber as ber
from control_plane.drivers import dns_session
from control_plane.drivers.directory import DirectoryDriver
from control_plane.drivers.directory_session import Answer
from control_plane.drivers.dns import DnsDriver
from control_plane.drivers.host_files import HostFilesDriver
from control_plane.drivers.ssh import Completed
from control_plane.model.resource import Measured
from control_plane.model.scope import Scope
from control_plane.workflow.observe import observe, parts_of

ZONES = ("qingdao.test", "intra.qingdao.test")
HOSTS = ("web", "intranet")
TENANTS = "ou=tenants,dc=qingdao,dc=test"
READS = {"zone": len(ZONES), "search": 1, "command": len(HOSTS)}


class Systems:
    """Systems full of the things of `tenants` tenants; `asked` counts what reaches them."""

    def __init__(self, tenants: int) -> None:
        self.codes = [f"t{number:05d}" for number in range(tenants)]
        self.asked: list[str] = []  # threads add to it: a count of theirs would lose some
        self.pages = 0

    def transfer(self, zone: str) -> list[Any]:
        self.asked.append("zone")
        soa = (zone, 6, 300, "ns1 hostmaster 1 2 3 4 5", None, None)
        return [soa, *((f"{code}.{zone}", 1, 300, "192.0.2.1", None, None) for code in self.codes), soa]

    def session(self) -> Any:
        return nullcontext(self)

    def run(self, work: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        for key, conversation in work:
            self.asked.append("search")
            yield key, self._pages(conversation)

    def _pages(self, conversation: Any) -> Any:
        entries = [self._entry(TENANTS, "", "TRUE" if self.codes else "FALSE")]
        entries += [self._entry(f"ou={code},{TENANTS}", code, "FALSE") for code in self.codes]
        next(conversation)
        for at in range(0, len(entries), 100):
            self.pages += 1
            cookie = b"more" if at + 100 < len(entries) else b""
            try:
                conversation.send(Answer(ber.Result(0), entries[at : at + 100], 0, cookie))
            except StopIteration as end:
                return end.value
        raise AssertionError("the search did not end")

    def _entry(self, dn: str, code: str, below: str) -> ber.RawEntry:
        marks = {"gaspOwner": [f"t_{code}/directory"], "gaspKey": [f"directory:ou/{code}"], "entryCSN": ["1"]}
        classes = {"objectClass": ["organizationalUnit", *(["gaspManaged"] if code else [])]}
        return dn, {**classes, "hasSubordinates": [below], **(marks if code else {})}


class Hosts:
    """Plays ssh for `Systems`."""

    def __init__(self, systems: Systems) -> None:
        self.systems = systems

    def run(self, host: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        self.systems.asked.append("command")
        rows = [self._row(host, code) for code in self.systems.codes]
        answer = [{"is": "look", "resources": rows, "foreign": []}, {"is": "end"}]
        return Completed(0, b"\n".join(map(orjson.dumps, answer)), b"")

    def _row(self, host: str, code: str) -> dict[str, Any]:
        main = f"{code}.qingdao.test"
        attributes = {"names": [main], "config": "0"}
        row = {"kind": "web.vhost", "owner": f"t_{code}/public_site", "attributes": attributes, "label": main}
        return {
            **row,
            "id": f"web:{host}/vhost/{main}",
            "token": "0",
            "site_dir": "",
            "have": [],
            "retiring_until": None,
        }


class NoCertificates:
    def describe(self, found: Sequence[object], now: datetime) -> list[str]:
        return ["valid"] * len(found)


def clock() -> datetime:
    return datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], tuple[Counter[str], int, int]]:
    def ask(tenants: int) -> tuple[Counter[str], int, int]:
        systems = Systems(tenants)
        monkeypatch.setattr(dns_session.Server, "transfer", systems.transfer)
        monkeypatch.setattr(DirectoryDriver, "_session", lambda driver: systems.session())
        names = DnsDriver("192.0.2.53", 53, ZONES, "key.", b"")
        directory = DirectoryDriver(
            "192.0.2.1", 636, "d", tmp_path / "ca", "dc=qingdao,dc=test", "cn=x", tmp_path / "p"
        )
        certificates: Any = NoCertificates()
        releases: Any = None
        web = HostFilesDriver(Hosts(systems), HOSTS, certificates, releases, clock)
        looks = observe(parts_of([names, directory, web], Scope()), None, clock)
        measured = [look for look in looks if isinstance(look, Measured)]
        assert len(measured) == len(looks), looks
        seen = sum(len(look.resources) for look in measured)
        assert seen == tenants * (1 + len(HOSTS))
        return Counter(systems.asked), sum(look.reads for look in measured), systems.pages

    return ask


def test_as_many_reads_for_94_tenants_as_for_1000(asked):
    few, few_told, few_pages = asked(94)
    many, many_told, many_pages = asked(1000)
    assert few == many == READS
    assert few_told == many_told == sum(READS.values())
    assert many_pages > few_pages
