"""A dry run refuses what the act would refuse, says what it would do otherwise, and leaves nothing; nobody is asked
about an act that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from control_plane.cli.app import App
from control_plane.cli.main import gasp as root
from tests.web.world import World, make_world

REFUSED = (
    "tokens create nobody --name x --scope tenants:read",
    "tokens create operator1 --name x --scope tenants:read --until yesterday",
    "tokens revoke 99",
    "webhooks create x ftp://example.test --about request",
    "webhooks rotate 99",
    "webhooks end 99",
    "webhooks resend 99",
    "users grant nobody operator --reason test",
    "users grant operator1 clerk --reason test",
    "users revoke operator1 auditor --reason test",
    "substitutes end 99 --reason test",
    "classes refuse 99 --reason test",
    "emergencies review 99 --text looked",
    "mail retry 99",
    "runs stop 99",
    "freezes lift 99 --second li --reason test",
    "record hold set --case Q-1 --reason test --from 2026-11-24 --to 2026-11-23",
    "record hold set --case Q-1 --reason test --from 2026-11-24 --to 2026-11-24 --tenant nobody",
    "record hold lift 99 --second li --reason test",
    "record register add 10.94.1.256 --machine pc-17 --from 2026-11-24",
    "record register add 10.94.1.10 --from 2026-11-24",
    "security clear f_none --reason test",
    "snapshots publish p20990101-000000 --ring 1",
    "snapshots publish nothing --ring 0",
    "requests refuse R-2026-0099 --reason test",
    "requests withdraw R-2026-0099",
    "requests comment R-2026-0099 --text hello",
    "requests retry R-2026-0099",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("rehearsals"))
    for role in ("operator", "clerk"):
        made.person(role)
    yield made
    made.close()


def run(world: World, line: str, *more: str, interactive: bool = False) -> Result:
    app = App(lambda: world.client, interactive=interactive)
    return CliRunner().invoke(root, [*line.split(), *more], obj=app, env={"GASP_LANG": "en"}, input="n\n")


def kept(world: World) -> int:
    return len(world.client.audit.list(limit=1000))


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_refused_is_refused_before_anybody_is_asked(world: World, line: str) -> None:
    before = kept(world)
    for more, interactive in (("--dry-run", False), ("--yes", False)):
        answer = run(world, line, more, interactive=interactive)
        assert answer.exit_code == 4, answer.output
        assert "Traceback" not in answer.output and "would" not in answer.stderr
    asked = run(world, line, interactive=True)
    assert asked.exit_code == 4 and "[y/N]" not in asked.output, asked.output
    assert kept(world) == before


def test_a_freeze_without_a_reason_is_refused_by_its_dry_run(world: World) -> None:
    answer = run(world, "freezes set --reason", " ", "--dry-run")
    assert answer.exit_code == 4 and "would" not in answer.stderr, answer.output


def test_what_would_be_done_is_said_and_not_done(world: World) -> None:
    reference = world.ask("clerk1", "fgw", "rehearsed")
    before = kept(world)
    for line in (
        "tokens create operator1 --name x --scope tenants:read",
        "webhooks create x https://hooks.example.test/x --about request",
        "record hold set --case Q-1 --reason test --from 2026-11-24 --to 2026-11-24 --tenant fgw",
        "record register add 10.94.1.10 --machine pc-17 --from 2026-11-24",
        "snapshots publish p20261124-020000 --ring 0",
        "users revoke clerk1 clerk --tenant fgw --reason test",
        f"requests comment {reference} --text hello",
        f"requests refuse {reference} --reason test",
    ):
        answer = run(world, line, "--dry-run")
        assert answer.exit_code == 0 and "would" in answer.stderr, answer.output
    assert kept(world) == before
    assert world.client.requests.show(reference)["state"] == "submitted"
    assert world.client.tokens.list() == [] == world.client.webhooks.list()
