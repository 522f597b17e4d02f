"""The passwords that bring-up gives out."""

from __future__ import annotations

import csv
import secrets
from datetime import timedelta
from pathlib import Path

from control_plane.workflow.first_passwords import issue_first_passwords
from tests.web.world import World


def test_what_bring_up_gave_out_is_good_for_as_long_as_a_sheet(world: World, tmp_path: Path) -> None:
    """Unused, it opens nothing afterwards, and its owner gets another with the next sheet of their department."""
    file, until = tmp_path / "first.csv", world.clock() + timedelta(days=14)
    issue_first_passwords(
        world.client.planner.catalogue, world.directory, file, lambda: secrets.token_urlsafe(12),
        lambda path, content: path.write_bytes(content) and None, lambda *_: None, lambda _: None,
        world.client.actor, until,
    )  # fmt: skip
    rows = [row for row in csv.DictReader(file.read_text("utf-8").splitlines()) if row["tenant"] == "gaj"]
    given = {row["uid"]: row["password"] for row in rows}
    sheet = world.client.sheets.list("gaj")[0]
    assert (sheet["state"], sheet["uids"], sheet["expires_at"]) == ("opened", [*given], until.isoformat())
    used, *others = given
    world.directory.set_password(world.directory.entries[used].dn, "a password of one's own")
    world.clock.advance(13 * 86400)
    world.client.sheets.expire()
    assert all(world.directory.check_bind(world.directory.entries[uid].dn, given[uid]) for uid in others)
    world.clock.advance(2 * 86400)
    world.client.sheets.expire()
    assert not any(world.directory.check_bind(world.directory.entries[uid].dn, given[uid]) for uid in others)
    assert world.directory.check_bind(world.directory.entries[used].dn, "a password of one's own")
    assert {*others} <= {*world.client.sheets.issue("gaj", reason="once more")["uids"]}
