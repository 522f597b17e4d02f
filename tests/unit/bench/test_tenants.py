"""Items about tenants with workstations: what they change, what they watch with, and the estates they need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment, FileSystemLoader

from bench import __main__ as entry
from bench import estates, tenant, wire
from bench.centre import SMALL
from bench.items import gateway_many
from control_plane.drivers.gateway_render import table_text
from tests.unit.workflow.importing import Office


def test_every_tenant_with_a_network_has_its_workstation_in_the_first_ring(tmp_path: Path):
    folder = estates.write_enrolled(SMALL, tmp_path / "enrolled")
    machines = {}
    for path in folder.glob("*.yaml"):
        for row in yaml.safe_load(path.read_text("utf-8")).get("subscriptions", []):
            if row["offering"] == "security":
                machines[path.stem] = row["spec"]["machines"]
    assert machines == {code: [{"name": code, "ring": 1}] for code in ("czj", "fgw", "gaj", "jyj", "shinan", "sjj")}
    Office(tmp_path / "state").bring(folder)


def test_every_item_has_one_place_whatever_is_asked_for():
    assert set(entry.items_with_tenants(False)[0]) == {"gateway", "machines", "wave"}
    few, whole = entry.items_with_tenants(True)
    assert (set(few), set(whole)) == ({"gateway"}, {"machines", "wave"})


def test_rules_of_many_tenants_are_told_apart_and_taken_out_again():
    rules = gateway_many.many(300)
    assert len({one.number for one in rules}) == len({one.lan for one in rules}) == 300
    text, away = table_text(rules), gateway_many.away(rules)
    made = [line.split()[1] for line in text.splitlines() if line.startswith("\tchain ") and line.endswith("{ }")]
    gone = [line.split()[-1] for line in away.splitlines() if line.startswith("delete chain")]
    assert sorted(made) == sorted(gone)
    added = {line.split()[4] for line in text.splitlines() if line.startswith("add element")}
    assert added == {line.split()[4] for line in away.splitlines() if line.startswith("delete element")}


class Page(BaseHTTPRequestHandler):
    """Answers with a status that a test turns, and endlessly slow or fast."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def page() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def ssh(tmp_path: Path) -> list[str]:
    """Stands for ssh: runs the command here."""
    fake = tmp_path / "ssh"
    fake.write_text('#!/bin/sh\nshift\nexec sh -c "$1"\n')
    fake.chmod(0o755)
    return [str(fake)]


def test_a_page_is_watched_until_it_is_refused(page: ThreadingHTTPServer, ssh: list[str]):
    program = wire.ASK.replace("3128", str(page.server_address[1]))
    Page.status = 200
    watch = wire.Watch(ssh, "fgw", program, "127.0.0.1", "http://a.test/", "200", "403")
    watch.start()
    Page.status = 403
    assert 0 < watch.seconds() < 10


def test_a_watch_that_does_not_see_the_state_before_says_why(ssh: list[str]):
    with pytest.raises(RuntimeError, match="no such thing"):
        wire.Watch(ssh, "fgw", "import sys; sys.exit('no such thing')")


def test_a_change_that_never_comes_is_no_figure(ssh: list[str]):
    watch = wire.Watch(ssh, "fgw", "print('ready')")
    watch.start()
    with pytest.raises(RuntimeError, match="never reached"):
        watch.seconds()


def test_the_template_of_the_role_has_the_rules_of_the_product():
    folder = Path(tenant.HERE) / "ansible_role" / "roles" / "many" / "templates"
    made, wishes = gateway_many.many(20), gateway_many.invented(20)
    tenants = [{"code": one.code, "number": one.number, "direct": wishes[one.code]["direct"]} for one in made]
    text = (
        Environment(loader=FileSystemLoader(folder), trim_blocks=True)
        .get_template("rules.nft.j2")
        .render(tenants=tenants)
    )

    def told(words: str) -> set[str]:
        lines = (line.strip() for line in words.replace("203.0.113.9/32", "203.0.113.9").splitlines())
        return {re.sub("0x[0-9a-f]+", lambda n: str(int(n[0], 16)), line) for line in lines if line}

    ours = {line for line in told(table_text(made)) if not line.startswith("flush ") and not line.endswith("{ }")}
    assert ours <= told(text), sorted(ours - told(text))[:5]


@pytest.mark.parametrize("book", ["rule", "rate", "many"])
def test_the_role_is_read_by_ansible(book: str):
    play = Path(tenant.HERE) / "ansible_role" / f"{book}.yml"
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "--syntax-check", "-i", "gateway,", str(play)]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_the_plain_deploy_knows_nothing_of_the_product():
    tree = ast.parse((Path(tenant.HERE) / "wave_deploy.py").read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "pyinfra", "pyinfra.operations"}
