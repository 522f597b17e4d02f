"""Fixtures for everything real: the small lab (six tenants), brought up once a run by the product's own commands."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.access import Access
from tests import databases

REPO = Path(__file__).parent.parent
GASP = Path(sys.executable).with_name("gasp")
SMALL = REPO / "tests" / "data" / "small"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
#: Which lab the tests of this process use, with a state folder of its own, so that several can be up side by side:
#: a lab for each of two workers, or a `devN` for work on something.
TEST_LAB = os.environ.get("GASP_TEST_LAB") or {"gw0": "labt", "gw1": "labu"}.get(WORKER, f"none for {WORKER}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole estate first: it takes longest, and the other worker does not wait for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("estate") is None)


def pytest_sessionfinish() -> None:
    """What was started for all tests of a process ends with them."""
    databases.close()


@dataclass
class Centre:
    """A control plane with its lab, driven as an operator would: by `gasp` in processes of its own."""

    state: Path
    estate: Path
    lab: str = field(default_factory=lambda: TEST_LAB)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """Environment of its commands."""
        return {
            **os.environ,
            "GASP_STATE": str(self.state),
            "GASP_LAB": self.lab,
            "GASP_ESTATE": str(self.estate),
            "GASP_TTL": "1",
            "GASP_LANG": "en",
            "GASP_SCAN_HOURS": "0",  # tests say themselves when a machine is scanned and signatures are fetched
            "GASP_SIGNATURE_HOURS": "0",
            "TERM": "dumb",
            **self.environment,
        }

    def run(
        self,
        *argv: str,
        check: bool | int = True,
        stdin: bytes = b"",
        timeout: float = 600,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `gasp ARGV`. `check`: True wants exit status 0, a number wants that one, False takes any."""
        done = subprocess.run(
            [str(GASP), *argv], input=stdin, capture_output=True, timeout=timeout, env={**self.env, **(env or {})}
        )
        wanted = 0 if check is True else check
        if check is not False and done.returncode != wanted:
            raise AssertionError(
                f"gasp {' '.join(argv)} ended with {done.returncode}, not {wanted}\n"
                f"{done.stdout.decode()[-3000:]}\n{done.stderr.decode()[-5000:]}"
            )
        return done

    def json(self, *argv: str, check: bool | int = True) -> Any:
        """Run with `-o json` and parse what it prints."""
        return json.loads(self.run(*argv, "-o", "json", check=check).stdout)

    def reach(
        self, host: str, *argv: str, check: bool = True, stdin: bytes = b"", timeout: float = 600
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command on a host, past the product: what is looked at there is no matter of `gasp lab run`."""
        words = Access(self.state / "lab" / self.lab).ssh(host, argv)
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(
                f"{host}: {' '.join(argv)[:500]} ended with {done.returncode}\n"
                f"{done.stdout.decode()[-3000:]}\n{done.stderr.decode()[-5000:]}"
            )
        return done

    def on(self, host: str, *argv: str, check: bool = True, stdin: bytes = b"") -> str:
        """Run a command on a host; returns its standard output."""
        return self.reach(host, *argv, check=check, stdin=stdin).stdout.decode()

    def shell(self, host: str, script: str, check: bool = True) -> str:
        """Run a shell script on a host."""
        return self.on(host, "sh", "-ec", script, check=check)

    def fetch(self, host: str, url: str, *options: str) -> str:
        """Status code that curl on a host sees for a URL (000 when there is no connection)."""
        return self.on(
            host, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "20", *options, url, check=False
        )

    def plan(self, scope: str = "estate") -> Any:
        """The plan of a scope as JSON."""
        return self.json("plan", scope)

    def apply(self, scope: str = "estate", *options: str, check: bool | int = True) -> Any:
        """Apply a scope with consent; returns the run."""
        return self.json("apply", scope, "--yes", *options, check=check)

    def console(self) -> str:
        """Address of the web server, without a slash at the end."""
        return str(self.json("status")["console_url"]).rstrip("/")

    def first_passwords(self) -> list[dict[str, str]]:
        """Rows of what bring-up gave out: tenant, uid, dn, password."""
        with (self.state / "secrets" / "first-passwords.csv").open() as file:
            return list(csv.DictReader(file))

    def secret(self, name: str) -> str:
        """A secret of this centre."""
        return (self.state / "secrets" / name).read_text().strip()


def snapshot() -> dict[str, Any]:
    """What this machine runs, mounts and routes."""
    from lab.residue import snapshot as take

    return take()


@pytest.fixture(scope="session")
def before_lab() -> dict[str, Any]:
    """The machine before the tests' lab. What a killed earlier run left, even from another root, goes first, unless
    the lab is kept."""
    if not os.environ.get("GASP_TEST_KEEP"):
        Centre(STATES["small"], SMALL).run("lab", "down")
    return snapshot()


SUFFIX = "" if TEST_LAB == "labt" else f"-{TEST_LAB}"
STATES = {"small": Path(f"/var/lib/gasp-test{SUFFIX}"), "city": Path(f"/var/lib/gasp-test{SUFFIX}-city")}


def begin(name: str, estate: Path) -> Centre:
    """A centre with an empty state folder. What an interrupted earlier run left of the lab goes first."""
    for state in STATES.values():
        if state.exists():
            Centre(state, estate).run("lab", "down", check=False)
    made = Centre(STATES[name], estate)
    shutil.rmtree(made.state, ignore_errors=True)
    made.state.mkdir(mode=0o700, parents=True)
    return made


@pytest.fixture(scope="session")
def centre(before_lab: dict[str, Any]) -> Iterator[Centre]:
    """The small estate, up and verified. Left-overs of a killed earlier run are part of what `up` must handle.

    GASP_TEST_KEEP=1 (for work on a single test) takes the lab as it is and leaves it running.
    """
    keep = bool(os.environ.get("GASP_TEST_KEEP"))
    made = Centre(STATES["small"], SMALL) if keep else begin("small", SMALL)
    try:
        made.run("bringup", timeout=1500)
        yield made
    finally:
        if not keep:
            made.run("lab", "down", check=False)
