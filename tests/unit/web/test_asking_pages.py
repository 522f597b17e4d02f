"""A request on pages, from the catalogue to the live service; what is typed is kept, and harmless where it appears."""

from __future__ import annotations

import copy
import json
import re
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from control_plane.model.errors import Invalid
from control_plane.model.text import t
from tests.web.world import BASE, World, send

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{7*7}}${7*7}{%raw%}",
    "x\r\nSet-Cookie: a=b",
    "=cmd|'/c calc'!A1",
    "*)(uid=*))(|(uid=*",
    "\u202egnp.exe",
    "a\x07b\x1b[31m",
)


@pytest.fixture
def clerk(world: World) -> FlaskClient:
    return entered(world, "clerk")


def entered(world: World, role: str) -> FlaskClient:
    browser = world.enter(world.person(role))
    send(browser, "/language", language="en")
    return browser


def get(browser: FlaskClient, address: str, status: int = 200) -> str:
    answer = browser.get(address, base_url=BASE)
    assert answer.status_code == status, answer.text[:2000]
    return answer.text


def begin(browser: FlaskClient, offering: str, action: str = "change", tenant: str = "fgw") -> str:
    answer = send(browser, "/portal/requests", tenant=tenant, offering=offering, action=action)
    assert answer.status_code == 303, answer.text
    return answer.location.split("/")[3]


def step(browser: FlaskClient, reference: str, page: str, act: str = "go", /, **form: str) -> TestResponse:
    sent = {name.replace("__", "."): value for name, value in form.items()}
    return send(browser, f"/portal/requests/{reference}/form/{page}", act=act, **sent)


def version(page: str) -> str:
    found = re.search('name="version" value="([0-9]+)"', page)
    assert found, page
    return found[1]


def withdrawn(browser: FlaskClient, reference: str) -> None:
    assert send(browser, f"/portal/requests/{reference}", act="withdraw").status_code == 303


def digest_of(text: str) -> str:
    return re.findall(r'name="digest" value="([0-9a-f]+)"', text)[0]


def test_start_and_catalogue(world: World, clerk: FlaskClient) -> None:
    assert clerk.get("/", base_url=BASE).location == "/portal/"
    assert entered(world, "operator").get("/", base_url=BASE).location == "/console/"
    assert world.browser().get("/", base_url=BASE).location == "/console/"
    home = get(clerk, "/portal/")
    for said in ("Development and Reform Commission", "fgw.qingdao.test", "Ask for a service", "Tier M"):
        assert said in home, said
    catalogue = get(clerk, "/portal/catalogue")
    assert "a change is ready within 2 working days" in catalogue
    assert "a change is ready within one working day" in catalogue
    page = get(clerk, "/portal/catalogue/public_site")
    assert "What to have ready" in page
    assert "Change it" in page
    get(clerk, "/portal/catalogue/mailbox", 404)
    get(clerk, "/portal/catalogue/none", 404)
    assert "You act for no department" in get(entered(world, "auditor"), "/portal/")
    service = get(clerk, "/portal/services/fgw/public_site")
    assert "https://fgw.qingdao.test" in service
    assert "End this service" in service
    assert "End this service" not in get(entered(world, "operator"), "/portal/services/fgw/public_site")
    get(clerk, "/portal/services/fgw/none", 404)


def test_from_the_form_to_the_live_service(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "public_site")
    assert begin(clerk, "public_site") == reference, "pressed twice it is the same draft"
    assert step(clerk, reference, "sites", "add").location.endswith("/form/sites-2-title")
    wrong = step(clerk, reference, "sites-2-title")
    assert wrong.status_code == 422
    assert 'href="#title.zh"' in wrong.text
    assert "“Name in Chinese” is empty." in wrong.text
    assert "<title>Error:" in wrong.text
    answer = step(clerk, reference, "sites-2-title", title__zh="测试", title__en="Trial")
    assert answer.location.endswith("/form/sites-2-names")
    wrong = step(clerk, reference, "sites-2-names", names__main="trial.gaj.qingdao.test")
    assert wrong.status_code == 422
    assert "does not lie in fgw.qingdao.test" in wrong.text, "rules of the whole centre stand at the field too"
    assert 'value="trial.gaj.qingdao.test"' in wrong.text
    answer = step(clerk, reference, "sites-2-names", names__main="trial.fgw.qingdao.test")
    assert answer.location.endswith("/form/sites-2-marks")
    assert step(clerk, reference, "sites-2-marks").location.endswith("/form/sites")
    assert step(clerk, reference, "sites").location.endswith("/form/tier")
    assert step(clerk, reference, "tier", tier="S").location.endswith("/form/reason")
    assert "cannot be handed in yet" in get(clerk, f"/portal/requests/{reference}/check")
    assert step(clerk, reference, "reason").status_code == 422
    assert step(clerk, reference, "reason", reason="for the citizens").location.endswith("/check")
    check = get(clerk, f"/portal/requests/{reference}/check")
    for said in ("trial.fgw.qingdao.test", "answers stay as they are", "department approver", "Hand it in"):
        assert said in check, said
    assert world.client.subscription("fgw/public_site")["generation"] == 1, "nothing is wanted yet"
    stale = send(clerk, f"/portal/requests/{reference}/check", digest="0" * 64)
    assert stale.location.endswith("/check?moved=1")
    done = send(clerk, f"/portal/requests/{reference}/check", digest=digest_of(check))
    assert done.location.endswith(f"/portal/requests/{reference}?said=submitted")
    handed_in = [request["reference"] for request in world.client.requests.list()]
    for tab in (clerk, entered(world, "clerk")):  # pressed twice; a second tab that shows the draft (open-18)
        again = send(tab, f"/portal/requests/{reference}/check", digest=digest_of(check))
        assert (again.status_code, again.location) == (303, done.location)
    assert [request["reference"] for request in world.client.requests.list()] == handed_in
    number = world.client.requests.show(reference)["id"]
    assert [e["type"] for e in world.client.requests.events(number)].count("request.submitted") == 1
    page = get(clerk, f"/portal/requests/{reference}")
    for said in ("submitted", "人员 approver1" if "approver1" in world.directory.entries else "approver", "2026-11-26"):
        assert said in page, said
    assert step(clerk, reference, "tier", tier="L").location.endswith("?said=locked")

    approver, officer = entered(world, "approver"), entered(world, "security_officer")
    assert reference in get(approver, "/portal/")
    review = get(approver, f"/console/requests/{reference}")
    for said in ("Approve as department approver", "trial.fgw.qingdao.test", "create", "Everybody on the internet"):
        assert said in review, said
    address = f"/console/requests/{reference}"
    assert send(approver, address, act="refuse").status_code == 422, "a reason is needed"
    assert send(approver, address, act="nothing").status_code == 422
    assert send(approver, address, act="sign", digest="0" * 64).status_code == 409
    assert send(approver, address, act="sign:operator", digest=digest_of(review)).status_code == 422
    assert send(clerk, address, act="sign", digest=digest_of(review)).status_code == 403
    assert send(approver, address, act="sign:approver", digest=digest_of(review)).status_code == 303
    asked = send(officer, address, act="return", text="Which office is it for?")
    assert asked.status_code == 303
    assert "Which office is it for?" in get(clerk, f"/portal/requests/{reference}")
    assert "paused" in get(clerk, "/portal/")
    assert send(clerk, f"/portal/requests/{reference}", act="answer").status_code == 422
    assert send(clerk, f"/portal/requests/{reference}", act="answer", text="The one in the south.").status_code == 303
    review = get(officer, address)
    assert "The one in the south." in review
    assert review.count("not signed yet") == 1, "the first signoff holds: the content is the same"
    assert send(officer, address, act="sign:security_officer", digest=digest_of(review)).status_code == 303
    assert world.work() == [reference]
    page = get(clerk, f"/portal/requests/{reference}")
    assert page.count("<small>done</small>") == 4
    assert "trial.fgw.qingdao.test" in get(clerk, "/portal/services/fgw/public_site")


def test_a_signoff_for_something_else_looks_different(world: World, clerk: FlaskClient) -> None:
    reference = world.ask("clerk1", "fgw", "voided")
    approver, officer = entered(world, "approver"), entered(world, "security_officer")
    address = f"/console/requests/{reference}"
    send(approver, address, act="sign:approver", digest=digest_of(get(approver, address)))
    send(officer, address, act="return", text="Another name, please.")
    names = {"names.main": "fgw.qingdao.test", "names.aliases": "other.fgw.qingdao.test"}
    assert step(clerk, reference, "sites-1-names", **names).status_code == 303
    check = get(clerk, f"/portal/requests/{reference}/check")
    send(clerk, f"/portal/requests/{reference}/check", digest=digest_of(check), text="Changed.")
    review = get(approver, address)
    assert "no longer holds" in review
    assert "The content was changed." in review
    assert review.count("not signed yet") == 2
    withdrawn(clerk, reference)


def test_the_end_of_a_service_is_a_request_too(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "intranet", "end")
    assert step(clerk, reference, "reason", reason="nobody reads it").location.endswith("/check")
    check = get(clerk, f"/portal/requests/{reference}/check")
    assert "This ends the service Internal website" in check
    assert "Taken away: website fgw.intra.qingdao.test" in check
    assert send(clerk, f"/portal/requests/{reference}/check", digest=digest_of(check)).status_code == 303
    assert "end of service" in get(clerk, f"/portal/requests/{reference}")
    assert "A request is on its way" in get(clerk, "/portal/services/fgw/intranet")
    withdrawn(clerk, reference)


def test_rows_are_added_and_taken_away_without_scripts(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "intranet")
    more = step(clerk, reference, "sites-1-readers", "more:shared_with", shared_with="czj")
    assert "more=shared_with" in more.location
    page = get(clerk, more.location)
    assert page.count('name="shared_with"') == 2
    assert step(clerk, reference, "sites-1-readers", "drop:shared_with:0", shared_with="czj").status_code == 303
    assert page.count('name="shared_with"') - 1 == get(clerk, more.location.split("?")[0]).count('name="shared_with"')
    for act in ("drop:shared_with:99", "drop:nothing:0", "drop:", "more:", "remove:99999999999", "add:x", "drop:a:²"):
        assert step(clerk, reference, "sites-1-readers", act).status_code in (303, 422), act
    assert step(clerk, reference, "sites", "remove:0").location.endswith("/form/sites")
    assert "No website yet." in get(clerk, f"/portal/requests/{reference}/form/sites")
    get(clerk, f"/portal/requests/{reference}/form/sites-1-names", 404)
    withdrawn(clerk, reference)


def test_a_field_that_is_left_keeps_itself_and_says_what_is_wrong(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "internet")
    told = json.loads(step(clerk, reference, "contact", "keep", contact__email="it@example.test").text)
    assert told["saved"].startswith("Draft saved")
    assert told["problems"] == {"contact.name": "“Name” is empty. Fill it in."}
    assert 'value="it@example.test"' in get(clerk, f"/portal/requests/{reference}/form/contact")
    later = step(clerk, reference, "contact", "later", contact__name="科")
    assert later.location == "/portal/requests?said=kept"
    assert "Nothing is handed in yet" in get(clerk, later.location)
    assert reference in get(clerk, "/portal/")
    withdrawn(clerk, reference)


def test_what_another_window_saved_is_not_overwritten_and_nothing_typed_is_lost(
    world: World, clerk: FlaskClient
) -> None:
    reference = begin(clerk, "internet")
    mine = world.client.acting_as("directory:clerk1").requests
    opened = version(get(clerk, f"/portal/requests/{reference}/form/contact"))
    assert step(clerk, reference, "contact", contact__name="other window", version=opened).status_code == 303
    for act, sent in (("keep", "typed here"), ("go", "typed here"), ("later", "typed here")):
        late = step(clerk, reference, "contact", act, contact__name=sent, version=opened)
        assert late.status_code == 409, act
        assert "saved in another window" in late.text
        assert mine.show(reference)["spec"]["contact"]["name"] == "other window"
    assert 'value="typed here"' in late.text
    assert step(clerk, reference, "contact", contact__name="typed here", version=version(late.text)).status_code == 303
    assert mine.show(reference)["spec"]["contact"]["name"] == "typed here"
    withdrawn(clerk, reference)


def test_of_a_list_that_another_window_changed_nothing_is_taken_away(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "internet")
    mine = world.client.acting_as("directory:clerk1").requests
    opened = version(get(clerk, f"/portal/requests/{reference}/form/rules"))
    assert step(clerk, reference, "rules", "add", version=opened).status_code == 303
    count = len(mine.show(reference)["spec"]["rules"])
    assert step(clerk, reference, "rules", "remove:0", version=opened).status_code == 409
    assert len(mine.show(reference)["spec"]["rules"]) == count
    withdrawn(clerk, reference)


def test_a_field_that_kept_itself_is_this_window(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "internet")
    opened = version(get(clerk, f"/portal/requests/{reference}/form/contact"))
    kept = step(clerk, reference, "contact", "keep", contact__name="first", version=opened)
    again = step(clerk, reference, "contact", contact__name="second", version=str(json.loads(kept.text)["version"]))
    assert again.status_code == 303
    withdrawn(clerk, reference)


@pytest.mark.parametrize(
    "again",
    [
        *("www.fgw.qingdao.test", "WWW.fgw.qingdao.test.", "fgw.qingdao.test", "FGW.qingdao.test"),
        *("xn--6qq79v.fgw.qingdao.test", "你好.fgw.qingdao.test。"),
    ],
)
def test_a_name_twice_in_a_list_is_named_with_a_remedy(world: World, clerk: FlaskClient, again: str) -> None:
    mine = world.client.acting_as("directory:clerk1").requests
    draft = mine.draft("fgw", "public_site", "change")
    site = copy.deepcopy(draft["spec"])
    names = site["sites"][0]["names"]
    known = [name for name in names["aliases"] if name != "www.fgw.qingdao.test"]
    names["aliases"] = [*known, "www.fgw.qingdao.test", "你好.fgw.qingdao.test", again]
    found = [p for p in mine.save(draft["id"], spec=site, note="x")["problems"] if p["code"] == "double-name"]
    assert [p["severity"] for p in found] == ["error"], found
    assert found[0]["pointer"].endswith(f"aliases[{len(names['aliases']) - 1}]")
    assert found[0]["remedy"]
    with pytest.raises(Invalid):
        mine.preview(draft["id"])
    mine.withdraw(draft["id"])


def test_every_list_of_names_of_every_form_holds_each_once(world: World, clerk: FlaskClient) -> None:
    mine = world.client.acting_as("directory:clerk1").requests
    internet = {
        "rules": [{"number": 1, "action": "block", "hosts": ["a.example.com", "A.example.com."], "since": "2026-11-20",
                   "reason": {"zh": "一", "en": "one"}}],
        "direct": [{"to": ["b.example.com", "B.example.com"], "ports": "443"}],
        "peers": ["gaj", "gaj"],
    }  # fmt: skip
    codes = [(p["pointer"], p["severity"]) for p in mine.check("fgw", "internet", "change", internet)
             if p["code"] == "double-name"]  # fmt: skip
    assert codes == [("rules[0].hosts[1]", "error"), ("direct[0].to[1]", "error"), ("peers[1]", "error")]


def test_from_the_last_look_to_a_page_and_back(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "internet")
    page = get(clerk, f"/portal/requests/{reference}/form/peers?back=check")
    assert 'name="back" value="check"' in page
    assert step(clerk, reference, "peers", back="check").location.endswith("/check")
    added = step(clerk, reference, "rules", "add", back="check")
    assert added.location.endswith("/form/rules-1-rule?back=check")
    rule = {"action": "block", "hosts": "a.example.test", "reason.zh": "无", "reason.en": "none", "back": "check"}
    assert step(clerk, reference, "rules-1-rule", **rule).location.endswith("/check")
    withdrawn(clerk, reference)


def test_a_choice_that_nobody_made_is_no_change(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "internet")
    step(clerk, reference, "rules", "add")
    page = get(clerk, f"/portal/requests/{reference}/check")
    listed = re.findall(r"<dt>(What it names is|Or a kind of site|Days)</dt><dd>(.*?)</dd>", page, re.S)
    assert len(listed) == 3
    assert not [answer for _, answer in listed if "new" in answer]
    withdrawn(clerk, reference)


def test_a_text_with_nul_is_refused_and_nothing_is_kept_of_it(world: World, clerk: FlaskClient) -> None:
    reference = begin(clerk, "public_site")
    own = world.client.acting_as("directory:clerk1").requests
    before = own.show(reference)
    answer = step(clerk, reference, "reason", reason="a\0b")
    assert (answer.status_code, "the character NUL" in answer.text) == (422, True)
    assert own.show(reference) == before
    withdrawn(clerk, reference)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_wherever_it_appears(world: World, clerk: FlaskClient, text: str) -> None:
    reference = begin(clerk, "public_site")
    for page, fields in (
        ("sites-1-title", ("title.zh", "title.en")),
        ("sites-1-names", ("names.main", "names.aliases")),
        ("sites-1-marks", ("marks.organiser", "marks.icp", "marks.site_code")),
        ("tier", ("tier",)),
        ("reason", ("reason",)),
    ):
        answer = step(clerk, reference, page, **dict.fromkeys(fields, text))
        assert answer.status_code in (303, 422)
        assert "Set-Cookie: a=b" not in str(answer.headers)
        harmless(get(clerk, f"/portal/requests/{reference}/form/{page}"))
    harmless(get(clerk, f"/portal/requests/{reference}/check"))
    for address in (f"/portal/requests/{reference}", "/portal/requests", "/portal/"):
        harmless(get(clerk, address))
    withdrawn(clerk, reference)
    asked = world.ask("clerk1", "fgw", "quiet", note=text)
    send(clerk, f"/portal/requests/{asked}", act="comment", text=text)
    operator = entered(world, "security_officer")
    harmless(get(operator, f"/console/requests/{asked}"))
    harmless(get(operator, f"/console/requests?all=1&q={quote(text)}"))
    assert send(operator, f"/console/requests/{asked}", act="return", text=text).status_code == 303
    for address in (f"/portal/requests/{asked}", "/portal/", "/portal/requests"):
        harmless(get(clerk, address))
    for bad in (quote(text, safe=""), "R-2026-9999", "0", "9" * 400):
        assert clerk.get(f"/portal/requests/{bad}", base_url=BASE).status_code == 404
    for field in ("tenant", "offering", "action"):
        form = {"tenant": "fgw", "offering": "internet", "action": "change", field: text}
        assert send(clerk, "/portal/requests", **form).status_code in (404, 409)
    withdrawn(clerk, asked)


def harmless(page: str) -> None:
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "${49}" not in page
    assert "{{7*7}}49" not in page
    assert re.findall("<script(?! nonce=)", page) == []


def test_what_cannot_be_seen_is_said_and_nothing_is_handed_in(world: World, clerk: FlaskClient) -> None:
    reference = world.ask("clerk1", "fgw", "unseen", submit=False)
    world.drivers[0].blind["dns:qingdao.test"] = t("SERVFAIL from {server}", server="ns1")
    world.drivers[2].blind["web:web"] = t("No route to host")
    try:
        page = get(clerk, f"/portal/requests/{reference}/check")
        assert "Could not measure DNS zone qingdao.test: SERVFAIL from ns1" in page
        assert "Could not measure websites on host web: No route to host" in page
        assert "Hand it in" not in page
        answer = send(clerk, f"/portal/requests/{reference}/check")
        assert answer.status_code == 422
        assert "submit it when the system answers again" in answer.text
    finally:
        world.drivers[0].blind.clear()
        world.drivers[2].blind.clear()
    withdrawn(clerk, reference)
