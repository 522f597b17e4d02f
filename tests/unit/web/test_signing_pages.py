"""Pages of who signs: substitutes, stamped letters, the table of classes, emergencies; what is typed is harmless."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from control_plane.workflow.sign_in import LEAVER_SECONDS
from tests.unit.web.test_asking_pages import HOSTILE, digest_of, entered, get
from tests.web.world import BASE, World, send


def day(world: World, ahead: int) -> str:
    return (world.clock() + timedelta(days=ahead)).date().isoformat()


@pytest.fixture(scope="module")
def helper(world: World) -> str:
    """Somebody of the department without any role."""
    world.directory.add("helper1", "fgw")
    world.store.people.ensure("directory:helper1", "帮手", "fgw", "directory:person/helper1")
    return "helper1"


def test_an_approver_names_a_substitute_who_then_signs(world: World, helper: str) -> None:
    approver = entered(world, "approver")
    page = get(approver, "/console/substitutes")
    assert "Name a substitute for yourself" in page
    assert "somebody else" not in page, "only operators name for others"
    form = {"role": "approver/fgw", "person": helper, "until": day(world, 5), "reason": "on leave"}
    wrong = send(approver, "/console/substitutes", **{**form, "until": "", "reason": ""})
    assert wrong.status_code == 422
    assert "The last day is missing." in wrong.text
    assert f'value="{helper}"' in wrong.text, "what was typed is kept"
    done = send(approver, "/console/substitutes", **form)
    assert done.status_code == 303
    assert "帮手" in get(approver, done.location)
    reference = world.ask(world.person("clerk"), "fgw", "substituted")
    browser = world.enter(helper)
    review = get(browser, f"/console/requests/{reference}")
    assert send(browser, f"/console/requests/{reference}", act="sign", digest=digest_of(review)).status_code == 303
    assert "for 人员 approver1" in get(approver, f"/console/requests/{reference}")
    number = world.client.substitutes.list()[0]["id"]
    refused = send(browser, f"/console/substitutes/{number}/end", reason="")
    assert refused.status_code == 422 and f'href="#end{number}"' in refused.text and f'id="end{number}"' in refused.text
    assert send(browser, f"/console/substitutes/{number}/end", reason="back").status_code == 303
    assert browser.get("/console/requests", base_url=BASE).status_code == 403, "cut at the next request"
    world.client.acting_as("directory:clerk1").requests.withdraw(reference)


def test_another_departments_substitution_is_as_one_that_is_not_there(world: World, helper: str) -> None:
    world.directory.add("chief9", "gaj")
    world.store.people.ensure("directory:chief9", "九", "gaj", "directory:person/chief9")
    world.client.people.grant("chief9", "approver", tenant="gaj", reason="test")
    made = world.client.substitutes.name(
        helper, "approver", tenant="fgw", until=day(world, 3), reason="x", stands_for=world.person("approver")
    )
    foreign = world.enter("chief9")
    answers = [send(foreign, f"/console/substitutes/{n}/end", reason="x") for n in (made["id"], 9999)]
    assert [a.status_code for a in answers] == [404, 404]
    assert "帮手" not in get(foreign, "/console/substitutes")
    world.client.substitutes.end(made["id"], reason="x")


def test_a_letter_is_recorded_on_the_review(world: World) -> None:
    operator = entered(world, "operator")
    reference = world.ask(world.person("clerk"), "fgw", "lettered")
    page = get(operator, f"/console/requests/{reference}")
    form = {"digest": digest_of(page), "number": "青发改〔2026〕1号", "date": day(world, 0), "brought_by": "李娜"}
    wrong = send(operator, f"/console/requests/{reference}/letter", **{**form, "date": "2999-01-01"})
    assert wrong.status_code == 422
    assert "李娜" in wrong.text
    assert send(operator, f"/console/requests/{reference}/letter", **{**form, "digest": "0" * 64}).status_code == 409
    assert send(operator, f"/console/requests/{reference}/letter", **form).status_code == 303
    page = get(operator, f"/console/requests/{reference}")
    assert "Stamped letter 青发改〔2026〕1号" in page
    assert 'value="sign:' not in page, "who recorded it signs nothing else"
    world.client.acting_as("directory:clerk1").requests.withdraw(reference)


def test_a_proposal_is_signed_by_another_person(world: World) -> None:
    operator, officer = entered(world, "operator"), entered(world, "security_officer")
    lines = {f"signs:{name}": ["approver", "operator"] for name in ("public", "destroys", "many", "otherwise")}
    form = {
        **{f"class:{name.partition(':')[2]}": "wide" for name in lines},
        **lines,
        "most_tenants": "7",
        "most_hosts": "9",
        "reason": "smaller",
    }
    wrong = post(operator, "/console/classes", {**form, "most_tenants": "many", "signs:public": ["approver"]})
    assert wrong.status_code == 422
    assert "Two different people sign every change" in wrong.text
    endless = post(operator, "/console/classes", {**form, "most_hosts": "9" * 5000})
    assert endless.status_code == 422
    assert "Write a number from 1 to 10000." in endless.text
    assert post(operator, "/console/classes", form).status_code == 303
    world.clock.advance(31)  # who holds which role is read twice a minute
    assert "waits for your signature" in get(officer, "/console/")
    page = get(officer, "/console/classes")
    number = world.client.classes.show()["proposal"]["number"]
    address = f"/console/classes/{number}"
    assert send(operator, address, act="sign", digest=digest_of(page)).status_code == 422
    assert send(officer, address, act="sign", digest="0" * 64).status_code == 409
    assert send(officer, address, act="refuse", why="").status_code == 422
    assert send(officer, address, act="sign", digest=digest_of(page)).status_code == 303
    assert "More than 7 departments or 9 hosts are many." in get(officer, "/console/classes")
    assert send(officer, "/console/classes/9999", act="sign", digest="0" * 64).status_code == 404


def post(browser: FlaskClient, address: str, form: dict[str, object]):  # type: ignore[no-untyped-def]
    from tests.web.world import token_of

    return browser.post(address, base_url=BASE, data={"token": token_of(browser), **form})


def test_an_emergency_stands_on_every_start_page_until_it_is_reviewed(world: World) -> None:
    operator, officer = entered(world, "operator"), entered(world, "security_officer")
    clerk, auditor = entered(world, "clerk"), entered(world, "auditor")
    reference = world.ask(world.person("clerk"), "fgw", "urgent")
    page = get(operator, f"/console/requests/{reference}")
    form = {"digest": digest_of(page), "once": "e" * 24}
    refused = send(operator, f"/console/requests/{reference}/emergency", reason=" ", **form)
    assert refused.status_code == 422
    assert 'href="#emergency-reason"' in refused.text and 'id="emergency-reason"' in refused.text
    typed = send(
        operator, f"/console/requests/{reference}/emergency", reason="the <line> is cut", digest=form["digest"]
    )
    assert 'value="the &lt;line&gt; is cut"' in typed.text, "what was typed is kept"
    placed = send(operator, f"/console/requests/{reference}/emergency", reason="the line is cut", **form)
    assert placed.status_code == 303
    assert world.client.jobs.work(("runs",)) is not None
    for browser, start in (
        (operator, "/console/"),
        (officer, "/console/"),
        (clerk, "/portal/"),
        (auditor, "/console/"),
    ):
        assert reference in get(browser, start), start
    number = world.client.emergencies.list()[0]["id"]
    assert "What you found" not in get(operator, "/console/emergencies")
    assert send(operator, f"/console/emergencies/{number}/review", text="fine").status_code == 422
    assert "What you found" in get(officer, "/console/emergencies")
    refused = send(officer, f"/console/emergencies/{number}/review", text=" ")
    assert f'href="#review{number}"' in refused.text and f'id="review{number}"' in refused.text
    assert send(officer, f"/console/emergencies/{number}/review", text="seen").status_code == 303
    world.client.acting_as("directory:clerk1").requests.withdraw(reference)
    assert world.client.emergencies.tick() == [number]
    for browser, start in ((operator, "/console/"), (clerk, "/portal/")):
        assert "ahead of its signatures." not in get(browser, start)
    assert "taken back" in get(officer, "/console/emergencies")


@pytest.mark.parametrize("said", HOSTILE)
def test_what_is_typed_is_harmless(world: World, helper: str, said: str) -> None:
    operator = entered(world, "operator")
    client = world.client.substitutes
    made = client.name(
        helper, "clerk", tenant="fgw", until=day(world, 3), reason=said, stands_for=world.person("clerk")
    )
    reference = world.ask(world.person("clerk"), "fgw", "harmless")
    digest = world.client.requests.show(reference)["digest"]
    acting = world.client.acting_as("directory:operator1")
    acting.requests.letter(reference, digest=digest, number=said, date=day(world, 0), brought_by=said, note=said)
    for address in ("/console/substitutes", f"/console/requests/{reference}", "/console/audit"):
        browser = operator if address != "/console/audit" else entered(world, "auditor")
        text = get(browser, address)
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "49" not in text or "{{7*7}}" not in said or "{{7*7}}" in text
    for path in ("person", "role", "since", "until", "reason", "stands_for", "tenant"):
        assert send(operator, "/console/substitutes", **{path: said}).status_code == 422
    world.client.acting_as("directory:clerk1").requests.withdraw(reference)
    client.end(made["id"], reason="over")


def test_when_the_other_leaves_the_substitute_is_cut_at_the_next_request(world: World, helper: str) -> None:
    approver = world.person("approver")
    made = world.client.substitutes.name(
        helper, "approver", tenant="fgw", until=day(world, 3), reason="x", stands_for=approver
    )
    browser = world.enter(helper)
    assert browser.get("/console/requests", base_url=BASE).status_code == 200
    gone = world.directory.entries.pop(approver)
    try:
        world.clock.advance(LEAVER_SECONDS + 1)
        assert browser.get("/console/requests", base_url=BASE).status_code == 403
    finally:
        world.directory.entries[approver] = gone
    row = next(one for one in world.client.substitutes.list(ended=True) if one["id"] == made["id"])
    assert (row["state"], row["ended_by"]) == ("ended", None)
    assert row["ended_reason"]
