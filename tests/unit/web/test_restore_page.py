"""The console's way back for one tenant: a form on its page, a plan like any other, carried out as a job."""

from __future__ import annotations

from tests.unit.web.test_acting import get, submit
from tests.unit.workflow.test_restores import change, later, spec
from tests.web.world import World

PAGE = "/console/tenants/fgw"


def test_from_the_form_to_the_plan(world: World) -> None:
    clerk = world.enter(world.person("clerk"))
    assert "Back to a former day" not in get(clerk, PAGE)
    moment = later(world)
    who = world.enter(world.person("operator"))
    change(world, "fgw/public_site", alias="more.fgw.qingdao.test")
    assert get(who, PAGE).count('name="what"') == 4
    wrong = submit(who, PAGE, f"{PAGE}/restore", to="?")
    assert wrong.status_code == 422
    assert "is no time" in wrong.text
    made = submit(who, PAGE, f"{PAGE}/restore", to=moment, what="records")
    assert made.status_code == 303
    shown = get(who, made.location)
    assert "What would be wanted again" in shown
    assert "fgw/public_site" in shown
    assert "more.fgw.qingdao.test" in str(spec(world, "fgw/public_site")), "a plan changes nothing"
    submit(who, made.location, f"{made.location}/apply")
    world.client.jobs.work(("runs",))
    assert "more.fgw.qingdao.test" not in str(spec(world, "fgw/public_site"))
    assert world.client.runs()[0]["kind"] == "restore"
