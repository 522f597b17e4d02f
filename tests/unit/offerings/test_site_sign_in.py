"""Internal websites that ask for sign-in: the form, the vhost, and a real nginx before the real gate."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import ValidationError

from control_plane.drivers.authority import Authority
from control_plane.model.change_class import Facts, classify
from control_plane.model.errors import Problem, TemporaryError
from control_plane.model.resource import Resource
from control_plane.model.site_sign_in import COOKIE, Gate, Said, admits
from control_plane.model.text import in_language, t
from control_plane.offerings import discover
from control_plane.offerings._site.vhost import GATE_PAGES
from control_plane.web.gate import Gate as GateApplication
from tests.unit.offerings.estates import estate, subscription, tenant
from tests.unit.offerings.test_vhosts import NGINX, VHOST, Prefix, content, prefix
from tests.waiting import wait_until

__all__ = ["prefix"]
INTRANET = discover()["intranet"]
SZB, GAJ, WJMJ = tenant("szb", 3), tenant("gaj", 4), tenant("wjmj", 5)
DIRECTORY = {"groups": [{"name": "all"}, {"name": "leaders"}]}
WORLD = replace(estate([SZB, GAJ, WJMJ]), specs={"szb/directory": DIRECTORY})
NAME = "oa.szb.intra.qingdao.test"
TEMPLATES = Path(__file__).parents[3] / "playbooks" / "roles" / "nginx" / "templates"
SECRET, GOOD, STATE = "shown by nginx", "g" * 43, "5" * 32


def spec(**more: Any) -> dict[str, Any]:
    return {"sites": [{"title": {"zh": "站", "en": "Site"}, "names": {"main": NAME}, **more}]}


def check(world: Any = WORLD, **more: Any) -> list[Problem]:
    assert INTRANET.check is not None
    return INTRANET.check(subscription(INTRANET, SZB, spec(**more)), world)


def vhost(world: Any = WORLD, **more: Any) -> Resource:
    assert INTRANET.desired is not None
    found = INTRANET.desired(subscription(INTRANET, SZB, spec(**more)), world)
    return next(r for r in found if r.kind == "web.vhost")


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"groups": ["all"]}, "groups-without-sign-in", "sites[0].groups"),
        ({"sign_in": "department", "groups": ["all"]}, "groups-without-sign-in", "sites[0].groups"),
        ({"sign_in": "groups"}, "no-group", "sites[0].groups"),
        ({"sign_in": "groups", "groups": ["all", "leader"]}, "unknown-group", "sites[0].groups[1]"),
        (
            {"sign_in": "groups", "groups": ["all"], "shared_with": ["gaj"]},
            "shared-with-nobody",
            "sites[0].shared_with",
        ),
    ],
)
def test_a_rule_that_nobody_could_meet_is_told(given: dict[str, Any], code: str, field: str) -> None:
    (problem,) = check(**given)
    assert (problem.code, problem.field) == (code, field)
    assert problem.remedy
    if code == "unknown-group":
        assert "all, leaders" in str(problem.remedy)


def test_a_department_without_accounts_cannot_ask_for_sign_in() -> None:
    (problem,) = check(replace(WORLD, specs={}), sign_in="department")
    assert (problem.code, problem.field) == ("nobody-to-sign-in", "sites[0].sign_in")


@pytest.mark.parametrize("given", [{}, {"sign_in": "department"}, {"sign_in": "groups", "groups": ["leaders"]}])
def test_good_rules_have_no_fault(given: dict[str, Any]) -> None:
    assert check(**given) == []


@pytest.mark.parametrize("given", [{"sign_in": "yes"}, {"groups": ["领导"]}, {"groups": ['x"; deny all; #']}])
def test_the_form_takes_nothing_else(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        subscription(INTRANET, SZB, spec(**given))


def test_a_site_that_asks_nobody_has_the_file_that_it_always_had() -> None:
    text = vhost().payload["text"]
    assert text == vhost(sign_in="none", groups=[]).payload["text"]
    assert "gasp_" not in text
    assert "auth_request" not in text


def test_the_rule_stands_in_the_file_and_in_its_preview() -> None:
    text = vhost(sign_in="department", shared_with=["wjmj", "gaj"]).payload["text"]
    assert 'X-Gasp-Departments "gaj,szb,wjmj"' in text
    assert 'X-Gasp-Departments "*"' in vhost(sign_in="department", shared_with=["*"]).payload["text"]
    grouped = vhost(sign_in="groups", groups=["leaders", "all"]).payload["text"]
    assert 'X-Gasp-Departments "szb"' in grouped
    assert 'X-Gasp-Groups "all,leaders"' in grouped
    assert "https://console.core.qingdao.test/sign-in/site?site=$host" in text
    other = replace(WORLD, console_url="https://portal.example.test:8443")
    assert (
        "return 302 https://portal.example.test:8443/sign-in/site" in vhost(other, sign_in="department").payload["text"]
    )
    assert INTRANET.desired is not None
    shown = INTRANET.desired(subscription(INTRANET, SZB, spec(sign_in="department", preview="0" * 32)), WORLD)
    texts = [r.payload["text"] for r in shown if r.kind == "web.vhost"]
    assert len(texts) == 2
    assert all("auth_request /.gasp/verify" in text for text in texts)


def test_only_sites_with_sign_in_are_entrances() -> None:
    assert INTRANET.entrances is not None
    assert INTRANET.entrances(subscription(INTRANET, SZB, spec(preview="0" * 32)), WORLD) == []
    found = INTRANET.entrances(subscription(INTRANET, SZB, spec(sign_in="department", preview="0" * 32)), WORLD)
    assert found[0] == NAME
    assert [name.startswith("preview-") for name in found] == [False, True]


def test_probes_want_the_way_to_the_sign_in() -> None:
    assert INTRANET.probes is not None
    for asks, status in ((False, 200), (True, 302)):
        view = subscription(INTRANET, SZB, spec(sign_in="department" if asks else "none"))
        pages = [p for p in INTRANET.probes(view, WORLD) if p.kind == "http" and p.spec["url"].startswith("https")]
        assert {p.spec["status"] for p in pages} == {status}


def test_a_request_says_in_plain_words_who_may_read_it() -> None:
    assert INTRANET.asking is not None

    def form(**more: Any) -> Any:
        return subscription(INTRANET, SZB, spec(**more)).spec

    free, own = form(), form(sign_in="department")
    grouped = form(sign_in="groups", groups=["leaders", "all"])
    words = INTRANET.asking.words
    assert (words(None, free), words(own, own), words(own, None)) == ([], [], [])
    with in_language("en"):
        assert [str(text) for text in words(free, own)] == [
            f"Whoever reads {NAME} has to sign in and belong to the department."
        ]
        assert "one of the groups all, leaders" in str(words(own, grouped)[0])
        assert "or to gaj" in str(words(own, form(sign_in="department", shared_with=["gaj"]))[0])
        assert "whatever their department" in str(words(None, form(sign_in="department", shared_with=["*"]))[0])
        assert "without a sign-in" in str(words(grouped, free)[0])
    facts = Facts(None, None, (), 1, 0, "intranet", tuple(words(free, own)))
    assert classify(facts).reasons == tuple(words(free, own))
    assert INTRANET.asking.standard(free, own) is None, "it is signed"


def test_who_is_admitted() -> None:
    assert admits(["szb"], [], "szb", [])
    assert admits(["*"], [], "gaj", [])
    assert not admits(["szb"], [], "gaj", [])
    assert not admits(["*"], [], None, [])
    assert admits(["szb"], ["a", "b"], "szb", ["b"])
    assert not admits(["szb"], ["a"], "szb", ["b"])
    assert not admits(["szb"], ["a"], "gaj", ["a"])


def test_pages_hold_nothing_that_means_something_to_nginx() -> None:
    for page in GATE_PAGES.values():
        assert not set(page) & set("'\\$")
        assert 'lang="zh-CN"' in page
        assert 'lang="en"' in page


# nginx ---------------------------------------------------------------------------------------------------------------
@dataclass
class Answers:
    """What the gate says, for tests."""

    said: Said = Said.YES
    away: bool = False
    asked: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    exchanged: list[tuple[str, str, str]] = field(default_factory=list)

    def knows(self, secret: str) -> bool:
        return secret == SECRET

    def judge(self, value: str, name: str, departments: Any, groups: Any) -> Said:
        self.asked.append((value, name, tuple(departments), tuple(groups)))
        if self.away:
            raise TemporaryError(t("The directory is away."))
        return self.said if value else Said.UNKNOWN

    def exchange(self, code: str, state: str, name: str) -> str | None:
        self.exchanged.append((code, state, name))
        return GOOD if code == "right" and state == STATE else None


@dataclass
class Site:
    prefix: Prefix
    answers: Answers
    stop: Callable[[], None]

    def get(self, path: str = "/", cookie: str = "", host: str = NAME) -> tuple[int, http.client.HTTPMessage, str]:
        context = ssl.create_default_context(cafile=str(self.prefix.root / "state/ca/ca.pem"))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self.prefix.ports[443], timeout=20, context=context)
        try:
            connection.request("GET", path, headers={"Host": host, **({"Cookie": cookie} if cookie else {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(prefix: Prefix) -> Iterator[Site]:
    root, answers = prefix.root, Answers()
    content(root)
    certificate, key = Authority(root / "state").server_certificate(["console.test"], [], datetime.now(UTC))
    server: WSGIServer = make_server("127.0.0.1", 0, GateApplication(answers), handler_class=Quiet)  # type: ignore[arg-type]
    server.base_environ["SCRIPT_NAME"] = ""
    inner = server.get_app()
    assert inner is not None

    def below(environ: Any, start: Any) -> Any:
        assert environ["PATH_INFO"].startswith("/gate/")
        assert not any(name.startswith("HTTP_COOKIE") for name in environ)
        return inner({**environ, "PATH_INFO": environ["PATH_INFO"].removeprefix("/gate")}, start)

    server.set_app(below)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    values = {
        "console": {"address": f"127.0.0.1:{server.server_port}", "name": "console.test"},
        "secrets": {"site_gate": SECRET.replace(" ", "-")},
    }
    answers.knows = lambda secret: secret == values["secrets"]["site_gate"]  # type: ignore[method-assign]
    (root / "host").mkdir()
    asked = templates.get_template("gate.conf.j2").render(values)
    ca = str(root / "state/ca/ca.pem")
    (root / "host/gate.conf").write_text(asked.replace("/etc/ssl/certs/ca-certificates.crt", ca))
    shared = templates.get_template("gate-http.conf.j2").render(values).replace("/run/gasp-gate", f"{root}/cache")
    conf = root / "nginx.conf"
    conf.write_text(conf.read_text().replace("  include sites-enabled", f"{shared}\n  include sites-enabled"))
    gate = Gate("https://console.test", ("gaj", "szb"))
    guarded = replace(VHOST, id=f"web:web/vhost/{NAME}", main=NAME, names=(NAME,), gate=gate, rate=1000)
    shut = replace(
        guarded, main="shut.szb.intra.qingdao.test", names=("shut.szb.intra.qingdao.test",), networks=("10.9.9.0/24",)
    )
    for made in (guarded, shut, replace(VHOST, rate=1000)):
        prefix.write(made.main, made.text())
    done = prefix.run("-t")
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr, done.stderr
    nginx = subprocess.Popen([NGINX, "-p", str(root), "-c", str(conf), "-e", str(root / "start.log")])

    def stop() -> None:
        server.shutdown()
        thread.join(20)
        server.server_close()

    made = Site(prefix, answers, stop)
    try:
        wait_until(lambda: (root / "nginx.pid").exists() and _answers(made), 60, "nginx answers")
        answers.asked.clear()
        yield made
    finally:
        nginx.terminate()
        nginx.wait(20)
        stop()


def _answers(site: Site) -> bool:
    try:
        return site.get(host=VHOST.main)[0] == 200
    except OSError:
        return False


def test_who_has_not_signed_in_is_sent_to_the_sign_in_and_sees_nothing(site: Site) -> None:
    status, headers, body = site.get("/a/?q=1&x=%E4%BA%AC")
    assert status == 302
    assert "below" not in body
    state = headers["Location"].partition("&state=")[2][:32]
    assert headers["Location"] == (
        f"https://console.test/sign-in/site?site={NAME}&state={state}&back=/a/?q=1&x=%E4%BA%AC"
    )
    assert headers["Set-Cookie"] == (f"__Host-gasp-begin={state}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=900")
    assert headers["Cache-Control"] == "no-store"
    again = site.get("/b", f"other=1; __Host-gasp-begin={state}")[1]
    assert f"&state={state}&back=/b" in again["Location"], "a second window goes the same way"


def test_who_may_read_it_reads_it_and_is_asked_for_once(site: Site) -> None:
    cookie = f"a=b; {COOKIE}={GOOD}; c=d"
    status, headers, body = site.get("/", cookie)
    assert (status, body) == (200, "home")
    assert headers["Cache-Control"] == "private, no-cache"
    assert site.get("/a/", cookie)[2] == "below"
    assert site.get("/nothing", cookie)[:3:2] == (404, "own page")
    assert site.answers.asked == [(GOOD, NAME, ("gaj", "szb"), ())], "a yes is kept, for this cookie alone"
    site.answers.said = Said.NO
    assert site.get("/", f"{COOKIE}={'h' * 43}")[0] == 403
    for wrong in ("", "short", GOOD + "x", GOOD[:-1] + "$"):
        assert site.get("/", f"{COOKIE}={wrong}")[0] == 302, wrong
    assert {asked[0] for asked in site.answers.asked} == {GOOD, "h" * 43, ""}


def test_who_may_not_is_told_why_in_both_languages(site: Site) -> None:
    site.answers.said = Said.NO
    for _ in range(2):
        status, _, body = site.get("/", f"{COOKIE}={GOOD}")
        assert (status, body) == (403, GATE_PAGES["department"])
    assert len(site.answers.asked) == 2, "a no is not kept"


def test_without_an_answer_nothing_is_shown(site: Site) -> None:
    site.answers.away = True
    for cookie in ("", f"{COOKIE}={GOOD}"):
        status, headers, body = site.get("/", cookie)
        assert (status, body) == (503, GATE_PAGES["away"])
        assert headers["Retry-After"] == "60"
    site.answers.away = False
    assert site.get("/", f"{COOKIE}={GOOD}")[0] == 200
    site.stop()
    for path in ("/", "/a/", "/nothing", "/.gasp/sign-in?code=right&back=/"):
        status, _, body = site.get(path, f"{COOKIE}={'n' * 43}; __Host-gasp-begin={STATE}")
        assert (status, body) == (503, GATE_PAGES["away"]), path
    assert site.get(host=VHOST.main)[2] == "home", "other sites do not notice"


def test_a_wrong_secret_or_certificate_is_no_answer(site: Site) -> None:
    site.answers.knows = lambda secret: False  # type: ignore[method-assign]
    assert site.get("/", f"{COOKIE}={GOOD}")[0] == 503
    assert site.answers.asked == []


def test_a_code_becomes_a_cookie_of_this_site_alone(site: Site) -> None:
    begun = f"__Host-gasp-begin={STATE}"
    status, headers, _ = site.get("/.gasp/sign-in?code=right&back=/a/?q=1&x=2", begun)
    assert (status, headers["Location"]) == (303, f"https://{NAME}/a/?q=1&x=2")
    assert headers["Set-Cookie"].startswith(f"{COOKIE}={GOOD}; Path=/; Secure; HttpOnly; SameSite=Lax")
    assert "Domain" not in headers["Set-Cookie"]
    for path, cookie in (("code=wrong&back=/", begun), ("code=right&back=/", ""), ("", begun)):
        status, headers, body = site.get(f"/.gasp/sign-in?{path}", cookie)
        assert (status, body) == (403, GATE_PAGES["again"])
        assert "Set-Cookie" not in headers
    assert site.get("/.gasp/verify", f"{COOKIE}={GOOD}")[0] == 404, "the question itself is nobody's page"
    log = (site.prefix.root / "logs" / f"{NAME}.access.log").read_text()
    assert "code=" not in log


@pytest.mark.parametrize("back", ["//evil.test/", "/\\evil.test", "https://evil.test/", "@evil.test", "", "/x\ty"])
def test_the_way_back_never_leaves_the_site(site: Site, back: str) -> None:
    shown = back.replace("\t", "%09")
    _, headers, _ = site.get(f"/.gasp/sign-in?code=right&back={shown}", f"__Host-gasp-begin={STATE}")
    assert headers["Location"].startswith(f"https://{NAME}/")
    assert "evil" not in headers["Location"]


def test_other_networks_are_refused_before_anybody_is_asked(site: Site) -> None:
    status, _, body = site.get("/", f"{COOKIE}={GOOD}", host="shut.szb.intra.qingdao.test")
    assert status == 403
    assert "登录" not in body
    assert site.answers.asked == []
