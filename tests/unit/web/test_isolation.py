"""Who gets what: every route × every role × own, other and absent tenant. A new route without a row fails."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from control_plane.model.people import ROLES
from tests.web.world import BASE, PEOPLE, World, send, token_of

TENANT_ROLES = ("clerk", "approver")
ESTATE_ROLES = tuple(role for role in ROLES if role not in TENANT_ROLES)
PLANNERS = ("operator", "security_officer", "deputy_director")
STOPPERS = PLANNERS
APPLIERS = ("operator",)
WATCHERS = ("security_officer", "auditor")
EVERY = (*ROLES, "nobody")
OWN, OTHER, ABSENT = "fgw", "gaj", "zzz"

#: `METHOD rule` → who gets it (all others are refused with 403). `PUBLIC`: everybody, signed in or not.
PUBLIC = "PUBLIC"
MATRIX: dict[str, tuple[str, ...] | str] = {
    "GET /": PUBLIC,
    "GET /problems": PUBLIC,
    "GET /problems/<slug>": PUBLIC,
    "GET /static/<path:filename>": PUBLIC,
    "GET /sign-in": PUBLIC,
    "POST /sign-in": PUBLIC,
    "POST /language": PUBLIC,
    "GET /sign-in/site": EVERY,
    "GET /sign-in/code": EVERY,
    "POST /sign-in/code": EVERY,
    "GET /sign-in/password": EVERY,
    "POST /sign-in/password": EVERY,
    "GET /sign-in/second-factor": EVERY,
    "POST /sign-in/second-factor": EVERY,
    "POST /sign-out": EVERY,
    "GET /console/": EVERY,
    "GET /console/me": EVERY,
    "POST /console/me": EVERY,
    "GET /console/me/tokens": EVERY,
    "POST /console/me/tokens": EVERY,
    "POST /console/me/tokens/end": EVERY,
    "POST /console/views": EVERY,
    "POST /console/views/end": EVERY,
    "GET /console/tenants": tuple(ROLES),
    "GET /console/tenants/<code>": tuple(ROLES),
    "POST /console/tenants/<code>/restore": PLANNERS,
    "GET /console/tenants/<code>/services/<offering>": tuple(ROLES),
    "GET /console/sites": tuple(ROLES),
    "GET /console/accounts": tuple(ROLES),
    "GET /console/tenants/<code>/accounts/<uid>": tuple(ROLES),
    "GET /console/accounts/new": APPLIERS,
    "POST /console/accounts/new": APPLIERS,
    "GET /console/accounts/import": APPLIERS,
    "POST /console/accounts/import": APPLIERS,
    "GET /console/tenants/<code>/people": tuple(ROLES),
    "POST /console/tenants/<code>/people": APPLIERS,
    "GET /console/tenants/<code>/people/groups": tuple(ROLES),
    "POST /console/tenants/<code>/people/groups": APPLIERS,
    "GET /console/tenants/<code>/people/groups/<group>": tuple(ROLES),
    "POST /console/tenants/<code>/people/groups/<group>": APPLIERS,
    "GET /console/tenants/<code>/people/review": tuple(ROLES),
    "GET /console/probes": tuple(ROLES),
    "GET /console/search": tuple(ROLES),
    "POST /console/probes": PLANNERS,
    "GET /console/explain": ESTATE_ROLES,
    "GET /console/runs": ESTATE_ROLES,
    "GET /console/runs/<int:number>": ESTATE_ROLES,
    "GET /console/runs/<int:number>/events": ESTATE_ROLES,
    "GET /console/runs/<int:number>/log": ESTATE_ROLES,
    "POST /console/runs/<int:number>/stop": STOPPERS,
    "POST /console/runs/<int:number>/resume": APPLIERS,
    "POST /console/runs/<int:number>/undo": PLANNERS,
    "GET /console/jobs": ESTATE_ROLES,
    "GET /console/jobs/<int:number>": ESTATE_ROLES,
    "POST /console/plans/<digest>/apply": APPLIERS,
    "GET /console/plans": ESTATE_ROLES,
    "POST /console/plans": PLANNERS,
    "GET /console/plans/<digest>": ESTATE_ROLES,
    "GET /console/drift": ESTATE_ROLES,
    "POST /console/drift": PLANNERS,
    "POST /console/drift/answer": APPLIERS,
    "GET /console/hosts": tuple(ROLES),
    "GET /console/hosts/<name>": tuple(ROLES),
    "GET /console/security": tuple(ROLES),
    "GET /console/internet": tuple(ROLES),
    "GET /console/internet/<code>": tuple(ROLES),
    "GET /console/snapshots": ESTATE_ROLES,
    "GET /console/rollouts": ESTATE_ROLES,
    "GET /console/rollouts/<int:number>": ESTATE_ROLES,
    "GET /console/freezes": ESTATE_ROLES,
    "GET /console/director": ESTATE_ROLES,
    "GET /console/savings": ESTATE_ROLES,
    "GET /console/nightly": ESTATE_ROLES,
    "GET /console/try": APPLIERS,
    "POST /console/try": APPLIERS,
    "GET /portal/": tuple(ROLES),
    "GET /portal/catalogue": tuple(ROLES),
    "GET /portal/catalogue/<offering>": tuple(ROLES),
    "GET /portal/services/<code>/<offering>": tuple(ROLES),
    "GET /portal/sites/<code>/<site>": tuple(ROLES),
    "POST /portal/sites/<code>/<site>": TENANT_ROLES,
    "GET /portal/sites/<code>/<site>/notices": tuple(ROLES),
    "POST /portal/sites/<code>/<site>/notices": TENANT_ROLES,
    "GET /portal/sites/<code>/<site>/notices/new": TENANT_ROLES,
    "GET /portal/sites/<code>/<site>/notices/<int:number>": tuple(ROLES),
    "POST /portal/sites/<code>/<site>/notices/<int:number>": TENANT_ROLES,
    "GET /portal/sites/<code>/<site>/notices/<int:number>/file": tuple(ROLES),
    "GET /portal/people/<code>": tuple(ROLES),
    "POST /portal/people/<code>": TENANT_ROLES,
    "POST /portal/people/<code>/sheets/<int:number>": TENANT_ROLES,
    "GET /portal/people/<code>/groups": tuple(ROLES),
    "POST /portal/people/<code>/groups": TENANT_ROLES,
    "GET /portal/people/<code>/groups/<group>": tuple(ROLES),
    "POST /portal/people/<code>/groups/<group>": TENANT_ROLES,
    "GET /portal/people/<code>/review": tuple(ROLES),
    "POST /portal/people/<code>/review": TENANT_ROLES,
    "GET /console/reviews": ESTATE_ROLES,
    "POST /console/reviews/<int:number>/move": APPLIERS,
    "GET /portal/internet/<code>": tuple(ROLES),
    "POST /portal/internet/<code>": TENANT_ROLES,
    "GET /portal/requests": tuple(ROLES),
    "POST /portal/requests": TENANT_ROLES,
    "GET /portal/requests/<reference>": tuple(ROLES),
    "POST /portal/requests/<reference>": TENANT_ROLES,
    "GET /portal/requests/<reference>/form/<step>": TENANT_ROLES,
    "POST /portal/requests/<reference>/form/<step>": TENANT_ROLES,
    "GET /portal/requests/<reference>/check": TENANT_ROLES,
    "POST /portal/requests/<reference>/check": TENANT_ROLES,
    "GET /portal/requests/<reference>/many/<part>": TENANT_ROLES,
    "POST /portal/requests/<reference>/many/<part>": TENANT_ROLES,
    "GET /portal/requests/<reference>/many/<part>/table.csv": TENANT_ROLES,
    "POST /portal/requests/<reference>/files": TENANT_ROLES,
    "GET /portal/requests/<reference>/files/<int:number>": tuple(ROLES),
    "GET /console/requests": tuple(ROLES),
    "GET /console/requests/<reference>": tuple(ROLES),
    "POST /console/requests/<reference>": ("approver", *PLANNERS),
    "POST /console/requests/<reference>/letter": ("approver", *PLANNERS),
    "GET /console/rollouts/new": APPLIERS,
    "POST /console/rollouts/new": APPLIERS,
    "POST /console/rollouts/<int:number>": APPLIERS,
    "POST /console/rollouts/<int:number>/pause": STOPPERS,
    "POST /console/hosts": APPLIERS,
    "POST /console/security": ("operator", "security_officer"),
    **dict.fromkeys(
        (
            *("GET /console/webhooks", "POST /console/webhooks", "POST /console/webhooks/<int:number>/rotate"),
            *("POST /console/webhooks/<int:number>/end", "POST /console/webhooks/deliveries/<int:number>/resend"),
        ),
        ("operator", "security_officer"),
    ),
    "POST /console/internet": PLANNERS,
    "GET /console/policies": ESTATE_ROLES,
    "GET /console/policies/<int:number>": ESTATE_ROLES,
    "POST /console/policies/<int:number>": APPLIERS,
    "GET /console/policies/new": APPLIERS,
    "POST /console/policies/new": APPLIERS,
    "POST /console/freezes": STOPPERS,
    "POST /console/freezes/<int:number>/lift": STOPPERS,
    "GET /console/people": WATCHERS,
    "POST /console/people": ("security_officer",),
    "GET /console/people/<person>": WATCHERS,
    "POST /console/snapshots": APPLIERS,
    "GET /console/audit": WATCHERS,
    "GET /console/audit/export.<form>": WATCHERS,
    "GET /console/tenants/<code>/audit": tuple(ROLES),
    "GET /console/sign-ins": WATCHERS,
    "GET /console/emergencies": tuple(ROLES),
    "POST /console/emergencies/<int:number>/review": PLANNERS,
    "POST /console/requests/<reference>/emergency": APPLIERS,
    "GET /console/classes": ESTATE_ROLES,
    "POST /console/classes": PLANNERS,
    "POST /console/classes/<int:number>": PLANNERS,
    "GET /console/substitutes": tuple(ROLES),
    "POST /console/substitutes": tuple(ROLES),
    "POST /console/substitutes/<int:number>/end": tuple(ROLES),
}
#: Steps of a sign-in send somebody who is in already on; a form without content is told what is wrong.
PASSES = (200, 302, 303, 422, 429)
#: What is sent beside the token.
FORMS: dict[str, dict[str, str]] = {
    "POST /portal/requests": {"tenant": OWN, "offering": "public_site", "action": "change"},
    "POST /portal/people/<code>/groups/<group>": {"act": "people"},
    "POST /console/tenants/<code>/people/groups/<group>": {"act": "people"},
    "POST /console/policies/new": {"based_on": "1"},
}
#: Numbers of notices and files by tenant; the absent one has that of the other.
POSTS = {OWN: 1, OTHER: 2, ABSENT: 2}
#: Somebody of each tenant; the absent one has whom the other has.
UIDS = {OWN: "dingfanghui", OTHER: "", ABSENT: ""}
#: Requests by tenant; that of the own one was sent back to the clerk.
REFERENCES = {ABSENT: "R-2026-9999"}


def routes(world: World) -> set[str]:
    return {f"{m} {rule.rule}" for rule in world.app.url_map.iter_rules() for m in rule.methods & {"GET", "POST"}}


def populate(world: World) -> dict[str, FlaskClient]:
    """Something of everything that has a page, of two departments; a browser of every role."""
    world.directory.add("nobody1", OWN)
    found = {role: world.enter(world.person(role)) for role in PEOPLE}
    UIDS[OTHER] = UIDS[ABSENT] = next(row["uid"] for row in world.client.accounts(OTHER))
    world.store.people.ensure("directory:clerk9", "九", OTHER, "directory:person/clerk9")
    world.client.people.grant("clerk9", "clerk", tenant=OTHER, reason="test")
    REFERENCES[OWN], REFERENCES[OTHER] = world.ask("clerk1", OWN, "isolated"), world.ask("clerk9", OTHER, "isolated")
    for reference in (REFERENCES[OWN], REFERENCES[OTHER]):
        world.client.acting_as("directory:security1").requests.send_back(reference, reason="Which one?")
    paper = world.folder / "paper"
    paper.write_bytes(b"%PDF-1.4 isolated %%EOF")
    for number, (tenant, who) in enumerate(((OWN, "clerk1"), (OTHER, "clerk9")), 1):
        posts = world.client.acting_as(f"directory:{who}").posts
        files = world.client.acting_as(f"directory:{who}").attachments
        assert files.add(REFERENCES[tenant], paper, name="paper.pdf")["id"] == number
        given = {"column": "notices/", "title": "isolated", "day": "2026-11-24", "text": "x", "file": paper}
        assert posts.save(f"{tenant}.qingdao.test", **given)["id"] == number
    assert world.client.attachments.scan()["clean"] == 2
    operator = world.client.acting_as("directory:operator1")
    operator.classes.propose(
        {**world.client.classes.show()["table"], "most_tenants": 7}, reason="so that there is a proposal"
    )
    operator.policies.add({**world.client.policies.show()["policy"], "last": []}, reason="video is open")
    hook = operator.webhooks.create(name="isolated", url="https://hooks.example.test/", families=["run"])
    world.store.webhooks.gather(world.store.webhooks.get(hook["id"]), {9: {"type": "run.ended"}}, 9)
    operator.jobs.place("measure", {"scope": "estate"}, subject="estate", once="x" * 20)
    return {**found, "nobody": world.enter("nobody1")}


@pytest.fixture(scope="module")
def browsers(world: World) -> dict[str, FlaskClient]:
    return populate(world)


def address(world: World, rule: str, tenant: str) -> str:
    digest = world.client.status()["last_plan"]
    if "/notices/" in rule or "/files/" in rule:
        rule = rule.replace("<int:number>", str(POSTS[tenant]))
    filled = rule.replace("<code>", tenant).replace("<offering>", "public_site").replace("<int:number>", "1")
    filled = filled.replace("<reference>", REFERENCES.get(tenant, "")).replace("<step>", "sites-1-names")
    filled = filled.replace("<group>", "all").replace("<uid>", UIDS[tenant])
    filled = filled.replace("<part>", "sites").replace("<person>", "clerk1")
    filled = filled.replace("<site>", f"{tenant}.qingdao.test")
    filled = filled.replace("<digest>", digest["digest"] if digest else "0" * 64).replace("<name>", tenant)
    filled = filled.replace("<slug>", "invalid")
    return filled.replace("<path:filename>", "console.css").replace("<form>", "csv")


def ask(world: World, browser: FlaskClient, route: str, tenant: str = OWN) -> tuple[int, str]:
    method, _, rule = route.partition(" ")
    where = address(world, rule, tenant)
    if method == "POST":
        answer = browser.post(where, base_url=BASE, data={"token": token_of(browser), **FORMS.get(route, {})})
    else:
        answer = browser.get(where, base_url=BASE)
    return answer.status_code, answer.text


def test_every_route_has_a_row(world: World) -> None:
    assert routes(world) == set(MATRIX)


@pytest.mark.parametrize("route", [r for r in MATRIX if r != "POST /sign-out"])
def test_every_role_gets_what_the_row_says(world: World, browsers: dict[str, FlaskClient], route: str) -> None:
    world.client.plan("tenant:fgw")
    for role, browser in browsers.items():
        status, text = ask(world, browser, route)
        if MATRIX[route] == PUBLIC or role in MATRIX[route]:
            assert status in PASSES, (role, status, text[:300])
        else:
            assert status == 403, (role, status)
            assert "<table" not in text


@pytest.mark.usefixtures("browsers")
@pytest.mark.parametrize("route", MATRIX)
def test_a_stranger_is_sent_to_the_sign_in(world: World, route: str) -> None:
    status, text = ask(world, world.browser(), route)
    if MATRIX[route] == PUBLIC:
        assert status in PASSES
    else:
        assert status == 302
        assert "<table" not in text


@pytest.mark.parametrize("route", [r for r in MATRIX if re.search("<(code|name|reference)>", r)])
def test_a_tenant_of_others_is_as_one_that_is_not_there(
    world: World, browsers: dict[str, FlaskClient], route: str
) -> None:
    """Workstations are called as their tenants."""

    def worded(text: str, tenant: str) -> str:
        bare = re.sub(r'nonce="[^"]*"|value="[0-9a-f]{64}"', "", text)
        return bare.replace(REFERENCES[tenant], "X").replace(tenant, "X")

    for role, browser in browsers.items():
        own, other = ask(world, browser, route)[0], ask(world, browser, route, OTHER)
        absent = ask(world, browser, route, ABSENT)
        if role not in MATRIX[route]:
            assert (own, other[0], absent[0]) == (403, 403, 403)
        elif role in TENANT_ROLES:
            assert own in (200, 303, 422)
            assert (other[0], absent[0]) == (404, 404)
            assert worded(other[1], OTHER) == worded(absent[1], ABSENT)
        else:
            assert own == other[0] in (200, 422)
            assert absent[0] == 404


def test_a_draft_is_seen_by_who_wrote_it_only(world: World, browsers: dict[str, FlaskClient]) -> None:
    world.store.people.ensure("directory:clerk8", "八", OWN, "directory:person/clerk8")
    world.client.people.grant("clerk8", "clerk", tenant=OWN, reason="test")
    draft = world.ask("clerk8", OWN, "drafted", submit=False)
    for role, browser in browsers.items():
        for place in ("portal", "console"):
            status = browser.get(f"/{place}/requests/{draft}", base_url=BASE).status_code
            assert status == (403 if role == "nobody" else 404), role


def test_a_count_of_others_does_not_leak(world: World, browsers: dict[str, FlaskClient]) -> None:
    send(browsers["clerk"], "/language", language="en")
    text = browsers["clerk"].get("/console/accounts?q=nothing-fits", base_url=BASE).text
    own = sum(1 for row in world.client.accounts() if row["tenant"] == OWN)
    assert f"None of {own} rows" in text
    for page in ("hosts", "internet", "security"):
        text = browsers["clerk"].get(f"/console/{page}?q=nothing-fits", base_url=BASE).text
        assert "The only row does not fit" in text, page
        assert "Something" not in text
    assert "not settled" in browsers["clerk"].get("/console/security", base_url=BASE).text
    assert "Eicar" not in browsers["clerk"].get("/console/security", base_url=BASE).text


def test_the_centres_own_hosts_and_histories_are_not_for_tenants(
    world: World, browsers: dict[str, FlaskClient]
) -> None:
    for name in ("web", "gateway", "zzz"):
        assert browsers["clerk"].get(f"/console/hosts/{name}", base_url=BASE).status_code == 404
    text = browsers["clerk"].get("/console/hosts/fgw", base_url=BASE).text
    assert "10.95." not in text, "management address"
    assert "on the machine itself" not in text
    assert "test (on the machine itself)" in browsers["auditor"].get("/console/hosts/fgw", base_url=BASE).text


def test_pages_show_only_what_may_be_opened(world: World, browsers: dict[str, FlaskClient]) -> None:
    for role, browser in browsers.items():
        for start in ("/console/", "/portal/") if role != "nobody" else ("/console/",):
            text = browser.get(start, base_url=BASE).text
            for link in set(re.findall(r'href="(/[^"?#]*)"', text)) - {start}:
                if not link.startswith("/static"):
                    assert browser.get(link, base_url=BASE).status_code == 200, (role, link)


def test_a_role_that_is_taken_away_is_gone_at_the_next_request(world: World) -> None:
    world.directory.add("short1", "sjj")
    world.store.people.ensure("directory:short1", "短", "sjj", "directory:person/short1")
    world.client.people.grant("short1", "clerk", tenant="sjj", reason="test")
    browser = world.enter("short1")
    assert browser.get("/console/tenants/sjj", base_url=BASE).status_code == 200
    world.client.people.revoke("short1", "clerk", tenant="sjj", reason="test")
    assert browser.get("/console/tenants/sjj", base_url=BASE).status_code == 403


def test_who_acts_is_recorded(world: World, browsers: dict[str, FlaskClient]) -> None:
    answer = send(browsers["operator"], "/console/plans", scope="tenant:fgw")
    assert answer.status_code == 303
    stored = world.store.plans.load(answer.location.rpartition("/")[2])
    assert world.store.actors.name(stored.actor_key) == "directory:operator1"
    acting = world.client.acting_as("directory:operator1")
    for area in ("machines", "record", "internet", "people", "rollouts", "freezes", "jobs"):
        assert getattr(acting, area).actor().name == "directory:operator1", area
        assert getattr(world.client, area).actor().name == "local:test", area
    assert acting.offboarding.retire.__self__ is acting.machines  # type: ignore[attr-defined]
    assert acting.freezes.set("tenant:sjj", reason="test")["by"] == "directory:operator1"
    acting.rollouts.abort(1, reason="test")
    assert world.client.rollouts.events(1)[-1]["actor"] == "directory:operator1"
