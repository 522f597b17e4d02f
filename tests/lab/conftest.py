"""Things that are not ours, put into every managed place before the lab tests begin; and secrets, looked for everywhere
when they are over."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.conftest import Centre
from tests.hunting import Hunt
from tests.lab.apart import chromium_apart
from tests.lab.secrets import kept_here, on_hosts, plant_the_centres
from tests.lab.world import BASE, Directory, Names

RECORDS, ENTRIES, FILES = 200, 150, 150


@dataclass
class Strangers:
    """500 foreign objects and what they looked like when they were planted."""

    centre: Centre

    def __post_init__(self) -> None:
        self.plant()
        self.before = self.look()

    def plant(self) -> None:
        """200 record sets, 150 directory entries, 150 files on the two web hosts."""
        for zone in ("qingdao.test", "intra.qingdao.test"):
            acts = [("add", f"stranger-{n}", 300, "TXT", f'"made by hand; number {n}"') for n in range(RECORDS // 2)]
            Names(self.centre).update(zone, *acts)
        with Directory(self.centre).admin() as connection:
            for n in range(ENTRIES):
                parent = f"ou=people,ou={('fgw', 'gaj')[n % 2]},ou=tenants,{BASE}" if n % 3 else f"ou=tenants,{BASE}"
                connection.add(
                    f"cn=stranger {n},{parent}", "device", {"cn": f"stranger {n}", "description": "made by hand"}
                )
                assert connection.result["description"] in ("success", "entryAlreadyExists"), connection.result
        script = (
            'for n in $(seq 1 25); do printf "# made by hand %s\\n" $n > /etc/nginx/sites-enabled/stranger-$n.conf;'
            " mkdir -p /srv/sites/stranger-$n; echo $n > /srv/sites/stranger-$n/index.html;"
            " echo $n > /etc/nginx/tls/stranger-$n.crt; done"
        )
        for host in ("web", "intranet"):
            self.centre.shell(host, script)

    def look(self) -> dict[str, Any]:
        """Their content now, byte for byte."""
        found: dict[str, Any] = {}
        for zone in ("qingdao.test", "intra.qingdao.test"):
            rows = Names(self.centre).transfer(zone)
            found |= {f"{zone} {key}": sorted(v) for key, v in rows.items() if "stranger" in key[0]}
        entries = Directory(self.centre).everything()
        found |= {
            dn: {k: [base64.b64encode(v).decode() for v in values] for k, values in attributes.items()}
            for dn, attributes in entries.items()
            if "stranger" in dn
        }
        for host in ("web", "intranet"):
            found[host] = self.centre.shell(
                host,
                "find /etc/nginx /srv/sites -path '*stranger*' -type f -exec stat -c '%n %a %U %Y %i' {} + | sort;"
                " find /etc/nginx /srv/sites -path '*stranger*' -type f -exec sha256sum {} + | sort",
            )
        return found


@pytest.fixture(scope="session")
def strangers(centre: Centre) -> Strangers:
    """Planted once, after bring-up."""
    return Strangers(centre)


@pytest.fixture(autouse=True)
def among_strangers(strangers: Strangers) -> None:
    """Every lab test runs among them."""


@pytest.fixture(scope="module")
def browser(centre: Centre) -> Iterator[Browser]:
    """One for a file; `visit` opens windows in it."""
    with chromium_apart(centre) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def hunt(centre: Centre) -> Iterator[Hunt]:
    """The centre's secrets, and what tests plant besides: after the last test they are nowhere but in their place."""
    made = Hunt()
    plant_the_centres(centre, made)
    yield made
    centre.run("worker", "stop", check=False)
    centre.run("web", "--stop", check=False)
    assert made.leaks(kept_here(centre)) == []
    assert set(on_hosts(centre, made).values()) == {b""}
