"""What a refusal advises, as the reader of the page can follow it."""

from __future__ import annotations

import pytest

from control_plane.web.remedies import without_commands
from tests.unit.web.test_asking_pages import begin, digest_of, entered, get, step, withdrawn
from tests.web.world import World, send

REFERENCE = "R-2026-0001"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"Let it end, or take it back: gasp requests withdraw {REFERENCE}", "Let it end, or take it back."),
        ("让它结束，或撤回：gasp requests withdraw R-2026-0001", "让它结束，或撤回。"),
        ("Keep, accept or revert that first: gasp drift list", "Keep, accept or revert that first."),
        ("Nothing was changed. Try again when it answers; gasp doctor says more.",
         "Nothing was changed. Try again when it answers."),
        ("Name the other person who agreed: --second NAME.", "Name the other person who agreed."),
        ("Set the folder first: GASP_STATE=/srv/gasp", "Set the folder first."),
        ("See gasp requests show R-2026-0001.", ""),
        ("请查看 gasp accounts list。", ""),
        ("Look first: gasp plan", ""),
        ("See: gasp plan", ""),
        ("https://gasp.test/a: choose another one.", "https://gasp.test/a: choose another one."),
    ],
)  # fmt: skip
def test_what_names_a_command_is_left_out(said: str, left: str) -> None:
    assert without_commands(said) == left


def test_departments_are_led_to_the_request_and_operators_to_the_command(world: World) -> None:
    """Two drafts for one service: the second one cannot be handed in."""
    clerk, operator = entered(world, "clerk"), entered(world, "operator")
    first, second = begin(clerk, "public_site"), begin(clerk, "public_site", "end")
    names = {"names.main": "fgw.qingdao.test", "names.aliases": "other.fgw.qingdao.test"}
    assert step(clerk, first, "sites-1-names", **names).status_code == 303
    for reference in (first, second):
        assert step(clerk, reference, "reason", reason="it has another name").status_code == 303
    checks = {reference: get(clerk, f"/portal/requests/{reference}/check") for reference in (first, second)}
    handed_in = send(clerk, f"/portal/requests/{first}/check", digest=digest_of(checks[first]))
    assert handed_in.location == f"/portal/requests/{first}?said=submitted"
    refused = send(clerk, f"/portal/requests/{second}/check", digest=digest_of(checks[second]))
    assert refused.status_code == 422
    assert f'Let it end, or take it back. <a href="/portal/requests/{first}">Open {first}</a>' in refused.text
    assert "gasp " not in refused.text
    assert "See gasp tenants list and gasp hosts list." in send(operator, "/console/plans", scope="tenant:nobody").text
    withdrawn(clerk, first)
    withdrawn(clerk, second)
