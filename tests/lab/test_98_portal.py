"""A department's requests in real browsers on the real centre: asked for in the portal, signed in the console, live on
the wire, told by mail, kept in the trail: each of the five services, changes, and the end of them."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Protocol

import ldap3
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import Centre
from tests.lab.faces import LIVE, OWN, begun, come_in, handed_in, hired, live, onward, opened, signed
from tests.lab.world import BASE, Directory, Mailbox
from tests.waiting import wait_until
from tests.web.serving import Visitor, visit

pytestmark = pytest.mark.lab
CODE, LIAISON, DISTRICT = "jyj", "guofanhan@qingdao.test", "shinan"
TAG = f"p{uuid.uuid4().hex[:6]}"
SITE, INNER = f"{TAG}.{CODE}.qingdao.test", f"{CODE}.intra.qingdao.test"
PROXY, CLOSED = "http://gateway.core.qingdao.test:3128", f"games-{TAG}.example.test"
#: What of ours is on a protected machine, and whether its engine is at work.
GUARD = "find /etc/apt /etc/clamav -name '*gasp*' | wc -l; systemctl is-active clamav-daemon || true"


class Enter(Protocol):
    """Somebody with this role, of this department where the role is one of departments."""

    def __call__(self, role: str, code: str = CODE) -> Visitor: ...


@pytest.fixture(scope="module")
def enter(centre: Centre, browser: Browser) -> Iterator[Enter]:
    """Somebody with one role, signed in by hand; the same window each time. At the end nothing went wrong in any."""
    centre.run("web", "--background")
    centre.run("worker", "start")
    origin, known = centre.console(), dict[str, Visitor]()

    def do(role: str, code: str = CODE) -> Visitor:
        tenant = code if role in ("clerk", "approver") else None
        name = f"{TAG}-{role[:3]}-{tenant or 'all'}"
        if name not in known:
            known[name] = hired(centre, visit(browser, origin), name, role, tenant)
        return known[name]

    yield do
    faults = {name: visitor.faults for name, visitor in known.items() if visitor.faults}
    for visitor in known.values():
        visitor.context.close()
    assert faults == {}


def everybody_signs(centre: Centre, enter: Enter, *references: str, code: str = CODE) -> None:
    """Everybody whom these requests need signs them, one person after the other."""
    needs = {reference: centre.json("requests", "show", reference)["needs"] for reference in references}
    for role in dict.fromkeys(need["role"] for need in chain(*needs.values())):
        for reference in references:
            if role in {need["role"] for need in needs[reference]}:
                signed(enter(role, code), reference)


def test_a_public_site_from_the_form_to_the_citizen(centre: Centre, enter: Enter) -> None:
    clerk = enter("clerk")
    page = clerk.page
    assert centre.fetch("citizen", f"https://{SITE}/") != "200"
    begun(clerk, CODE, "public_site", "change", "sites")
    page.click("button[value=add]")
    page.fill("[id='title.zh']", "门户测试")
    page.fill("[id='title.en']", "Trial of the portal")
    onward(clerk, "**-names")
    page.fill("[id='names.main']", f"{TAG}.fgw.qingdao.test")
    page.keyboard.press("Tab")
    expect(page.locator("[id='names.main-problem']")).to_contain_text(f"{CODE}.qingdao.test")
    page.fill("[id='names.main']", SITE)
    onward(clerk, "**-marks", "**/form/sites", "**/form/tier")
    reference = handed_in(clerk, "for people who read <b>")
    for role in ("approver", "security_officer"):
        signed(enter(role), reference)
    live(clerk, reference)
    assert centre.fetch("citizen", f"https://{SITE}/") == "200"
    row = centre.json("requests", "show", reference)
    assert [(s["role"], s["holds"], s["digest"]) for s in row["signoffs"]] == [
        (role, True, row["digest"]) for role in ("approver", "security_officer")
    ]


def test_content_is_uploaded_and_published(centre: Centre, enter: Enter) -> None:
    clerk = enter("clerk")
    page, packed = clerk.page, io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", f"<h1>{TAG}</h1>")
        archive.writestr("big.txt", uuid.uuid4().hex * 100_000)
    clerk.go(f"/portal/sites/{CODE}/{SITE}")
    page.set_input_files("#archive", {"name": "x.zip", "mimeType": "application/zip", "buffer": packed.getvalue()})
    page.click("button[value=upload]")
    page.wait_for_url("**release=**", timeout=60_000)
    clerk.shot("lab-portal-site")
    page.click("button[value^=publish]")
    page.wait_for_url("**said=agreed", timeout=60_000)
    expect(page.locator(".tracker .good")).to_have_count(4, timeout=LIVE)
    assert f"<h1>{TAG}</h1>" in centre.on("citizen", "curl", "-s", f"https://{SITE}/")


def test_it_is_taken_away_by_a_change(centre: Centre, enter: Enter) -> None:
    clerk = enter("clerk")
    begun(clerk, CODE, "public_site", "change", "sites")
    clerk.page.click(f"button[value^=remove]:has-text('{SITE}')")
    expect(clerk.page.get_by_text(SITE)).to_have_count(0)
    onward(clerk, "**/form/tier")
    reference = handed_in(clerk, "it was a trial")
    everybody_signs(centre, enter, reference)
    live(clerk, reference)
    assert centre.fetch("citizen", f"https://{SITE}/") != "200"


def on_the_wire(centre: Centre, outside: str) -> dict[str, object]:
    """What the department's own workstation reaches and has on it, and whether its neighbour reads its website."""
    ours, engine = centre.shell(CODE, GUARD).split()
    return {
        "open": centre.fetch(CODE, f"http://{outside}/", "-x", PROXY),
        "closed": centre.fetch(CODE, f"http://{CLOSED}/", "-x", PROXY),
        "own": centre.fetch(CODE, f"https://{INNER}/"),
        "neighbour": centre.fetch("czj", f"https://{INNER}/"),
        "protected": int(ours) > 0 and engine == "active",
    }


def test_internet_protection_and_intranet_end_begin_anew_and_change(centre: Centre, enter: Enter) -> None:
    """Side by side, as a clerk does it. The officer asks back about a part of the plan first."""
    clerk = enter("clerk")
    page = clerk.page
    outside = next(row["ipv4"] for row in centre.json("lab", "status")["hosts"] if row["name"] == "citizen")
    services = ("internet", "security", "intranet")

    ends = []
    for offering in services:
        begun(clerk, CODE, offering, "end", "reason")
        ends.append(handed_in(clerk, "we move to another building"))
    officer, security = enter("security_officer"), ends[1]
    opened(officer, security)
    officer.page.click(".block details.more summary")
    officer.page.fill("[id='text-1']", "For good?")
    officer.page.click(".block button[value=return]")
    officer.page.wait_for_url("**said=return")
    clerk.go(f"/portal/requests/{security}")
    page.fill("#text", "Until we have moved.")
    page.click("button[value=answer]")
    page.wait_for_url("**said=submitted", timeout=60_000)
    everybody_signs(centre, enter, *ends)
    live(clerk, *ends)
    gone = on_the_wire(centre, outside)
    assert "200" not in (gone["open"], gone["own"], gone["neighbour"]), gone
    assert not gone["protected"]

    begun(clerk, CODE, "internet", "new", "access")
    onward(clerk, "**/form/rules")
    page.click("button[value=add]")
    page.check("input[name=action][value=block]")
    page.fill("#hosts", CLOSED)
    page.fill("[id='reason.zh']", "与工作无关")
    page.fill("[id='reason.en']", "Not needed for work")
    onward(clerk, "**-hours", "**/rules", "**/direct", "**/peers", "**/contact", "**/limits", "**/tier")
    fresh = [handed_in(clerk, "we have moved", "L")]
    begun(clerk, CODE, "security", "new", "machines")
    page.click("button[value=add]")
    page.fill("#name", CODE)
    onward(clerk, "**/machines", "**/tier")
    fresh.append(handed_in(clerk, "we have moved", "L"))
    begun(clerk, CODE, "intranet", "new", "sites-1-title")
    page.fill("[id='title.zh']", "市教育局内网")
    page.fill("[id='title.en']", "Education Bureau: intranet")
    onward(clerk, "**-names")
    page.fill("[id='names.main']", INNER)
    onward(clerk, "**-readers")
    page.fill("[id='shared_with.0']", "czj")
    onward(clerk, "**-sign-in", "**/sites", "**/tier")
    fresh.append(handed_in(clerk, "we have moved", "S"))
    everybody_signs(centre, enter, *fresh)
    live(clerk, *fresh)
    there = on_the_wire(centre, outside)
    assert there == {"open": "200", "closed": "403", "own": "200", "neighbour": "200", "protected": True}
    machine = centre.json("hosts", "mend", CODE, "--yes")["row"]  # its signatures, where they did not come yet
    assert (machine["managed"], machine["ring"], machine["faults"]) == (True, 3, [])

    begun(clerk, CODE, "internet", "change", "access")
    onward(clerk, "**/rules")
    page.click("button[value='remove:0']")
    expect(page.locator("main .rows li")).to_have_count(0)
    onward(clerk, "**/direct", "**/peers", "**/contact", "**/limits", "**/tier")
    changes = [handed_in(clerk, "they may play at noon")]
    begun(clerk, CODE, "intranet", "change", "sites")
    page.click("main .rows a")
    onward(clerk, "**-names", "**-readers")
    page.fill("[id='shared_with.0']", "")
    onward(clerk, "**-sign-in", "**/sites", "**/tier")
    changes.append(handed_in(clerk, "only for ourselves"))
    everybody_signs(centre, enter, *changes)
    live(clerk, *changes)
    after = on_the_wire(centre, outside)
    assert (after["open"], after["own"], after["protected"]) == ("200", "200", True)
    assert after["closed"] != "403" and after["neighbour"] != "200"
    assert centre.plan(",".join(f"subscription:{CODE}/{offering}" for offering in services))["changes"] == []
    told_and_kept(centre, *ends, *fresh, *changes)


def told_and_kept(centre: Centre, *references: str) -> None:
    """The department was told of each from the beginning to the end, and so says the trail."""
    centre.run("worker", "run", "--once", "--chore", "mail", env={"GASP_MAIL_GATHER": "0"})
    words = [f"{reference} {what}" for reference in references for what in ("已提交", "已开通")]

    def missing() -> list[str]:
        told = "\n".join(f"{mail['Subject']}\n{mail.get_content()}" for mail in Mailbox(centre).to(LIAISON))
        return [word for word in words if word not in told]

    wait_until(lambda: not missing(), 30, "mail of every request")
    for reference in references:
        rows = centre.json("audit", "list", "--subject", f"request:{reference}")["items"]
        acts = {row["act"] for row in rows}
        assert {"request.submitted", "request.signed", "request.live", "run.ended"} <= acts, (reference, acts)
    assert centre.json("audit", "verify")["ok"]


def test_an_account_from_the_form_to_the_day_its_holder_leaves(centre: Centre, enter: Enter, browser: Browser) -> None:
    clerk, people = enter("clerk"), f"/portal/people/{CODE}"
    page, dn = clerk.page, f"uid={TAG},ou=people,ou={CODE},ou=tenants,{BASE}"

    def binds(password: str) -> bool:
        with suppress(ldap3.core.exceptions.LDAPBindError), Directory(centre).bind(dn, password):
            return True
        return False

    clerk.go(people)
    page.click("button[value=add]")
    page.wait_for_url("**/form/people")
    page.click("button[value=add]")
    for field, value in (("family_name", "请"), ("given_name", "求"), ("display_name", "请求"), ("uid", TAG)):
        page.fill(f"#{field}", value)
    onward(clerk, "**-work", "**/people", "**/groups", "**/services", "**/tier")
    reference = handed_in(clerk, "a new colleague")
    live(clerk, reference)  # agreed on beforehand: nobody signs
    assert centre.json("requests", "show", reference)["needs"] == []

    def given(act: str) -> None:
        clerk.go(people)
        page.fill("#uid", TAG)
        page.fill("#reason", "a new colleague" if act == "reset" else "resigned")
        page.click(f"button[value={act}]")
        page.wait_for_url(f"**said={act}*")

    given("reset")
    sheet = page.locator("li", has_text=TAG).locator("button[value=csv]")
    wait_until(lambda: page.reload() and sheet.count(), 60, "the sheet is sealed")
    with page.expect_download() as file:
        sheet.first.click()
    first = file.value.path().read_text("utf-8").split(",")[-1].strip()
    assert binds(first)
    somebody = visit(browser, clerk.origin)
    come_in(somebody, TAG, first)
    assert not binds(first)
    assert binds(OWN)
    given("leave")
    somebody.go("/console/me")
    expect(somebody.page).to_have_url(re.compile("/sign-in"))
    somebody.context.close()
    assert not binds(OWN)
    rows = {row["uid"]: row["status"] for row in centre.json("accounts", "list", "--tenant", CODE)["items"]}
    assert rows[TAG] == "left"
    wait_until(lambda: centre.plan(f"subscription:{CODE}/directory")["changes"] == [], 60, "the rest has followed")


def test_a_directory_ends_and_begins_anew_from_files(centre: Centre, enter: Enter) -> None:
    """A district keeps its tables, ends the service, and asks for it again with them: everybody has their number."""
    clerk, tables = enter("clerk", DISTRICT), dict[str, bytes]()
    page = clerk.page

    def people() -> dict[str, int]:
        rows = centre.json("accounts", "list", "--tenant", DISTRICT)["items"]
        return {row["uid"]: row["uid_number"] for row in rows}

    before = people()
    assert len(before) >= 9
    begun(clerk, DISTRICT, "directory", "change", "people")
    draft = clerk.reference()
    for part in ("groups", "services", "people"):
        clerk.go(f"/portal/requests/{draft}/form/{part}")
        page.click("main a[href*='/many/']")
        with page.expect_download() as file:
            page.click("a[href*='now=1']")
        tables[part] = file.value.path().read_bytes()
    clerk.go(f"/portal/requests/{draft}")
    page.click("details:has(button[value=withdraw]) summary")
    page.click("button[value=withdraw]")
    page.wait_for_url("**said=withdrawn")

    begun(clerk, DISTRICT, "directory", "end", "reason")
    ending = handed_in(clerk, "the district has a directory of its own")
    everybody_signs(centre, enter, ending, code=DISTRICT)
    live(clerk, ending)
    assert people() == {}
    assert not [dn for dn in Directory(centre).everything() if dn.endswith(f"ou={DISTRICT},ou=tenants,{BASE}")]

    begun(clerk, DISTRICT, "directory", "new", "people")
    draft = clerk.reference()
    for part, table in tables.items():
        clerk.go(f"/portal/requests/{draft}/form/{part}")
        page.click("main a[href*='/many/']")
        page.set_input_files("#file", {"name": f"{part}.csv", "mimeType": "text/csv", "buffer": table})
        page.click("main form button")
        page.wait_for_url("**/check*", timeout=60_000)
    clerk.go(f"/portal/requests/{draft}/form/tier")
    anew = handed_in(clerk, "it was too much work", "M")
    everybody_signs(centre, enter, anew, code=DISTRICT)
    live(clerk, anew)
    assert people() == before
    assert centre.plan(f"tenant:{DISTRICT}")["changes"] == []


def test_of_the_removed_site_nothing_is_left(centre: Centre, enter: Enter) -> None:
    """Its names have left all caches meanwhile: nobody does anything for it."""
    wait_until(lambda: not centre.shell("web", f"ls /etc/nginx/sites-enabled | grep {TAG} || true").strip(), 120)
    assert centre.plan(f"subscription:{CODE}/public_site")["changes"] == []
