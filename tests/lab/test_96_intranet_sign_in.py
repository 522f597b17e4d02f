"""An intranet site that asks for sign-in, on real hosts: nginx before it, the console at its address for departments, a
real Chromium and a plain client at a workstation. Who may read it, who may not, and how soon somebody is out."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import SMALL, Centre
from tests.lab.browser import visit
from tests.lab.changing import edit
from tests.lab.test_97_directory_sign_in import change
from tests.lab.world import Directory
from tests.waiting import wait_until

pytestmark = pytest.mark.lab
SITE, TEAM, OTHER = "fgw.intra.qingdao.test", "team.fgw.intra.qingdao.test", "czj.intra.qingdao.test"
CONSOLE, VHOST = "https://console.core.qingdao.test", f"/etc/nginx/sites-enabled/{SITE}.conf"
PAC = "http://why.intra.qingdao.test/proxy.pac"
REFUSED, AWAY = "您无权访问本网站", "Nobody can be recognised just now"
#: A plain client: follows the way to the sign-in, fills in the form, goes on. Its cookies are in a file.
CLIENT = r"""
import html, http.cookiejar, json, re, sys, urllib.error, urllib.parse, urllib.request
given = json.load(sys.stdin)
strict = http.cookiejar.DefaultCookiePolicy(strict_ns_domain=http.cookiejar.DefaultCookiePolicy.DomainStrictNonDomain)
jar = http.cookiejar.LWPCookieJar(given["jar"], policy=strict)  # as browsers do: a cookie of one host stays there
try:
    jar.load(ignore_discard=True)
except OSError:
    pass
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
def get(url, **form):
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        answer = opener.open(url, data, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.geturl(), answer.read().decode()
seen = get(given["url"])
if "/sign-in?" in seen[1] and "password" in given:
    token = re.search('name="token" value="([^"]+)"', seen[2])[1]
    back = urllib.parse.parse_qs(urllib.parse.urlsplit(seen[1]).query)["next"][0]
    seen = get(seen[1].partition("?")[0], token=token, name=given["name"], password=given["password"], next=back)
onward = re.search('http-equiv="refresh" content="0; url=([^"]+)"', seen[2])
if onward:
    seen = get(html.unescape(onward[1]))
jar.save(ignore_discard=True)
print(json.dumps(seen))
"""


@dataclass
class Reader:
    """Somebody at a workstation."""

    centre: Centre
    uid: str
    password: str
    host: str = "fgw"

    def open(self, url: str = f"https://{SITE}/", *, signing_in: bool = True) -> tuple[int, str, str]:
        given = {"url": url, "jar": f"/tmp/reader-{self.uid}", "name": self.uid}
        if signing_in:
            given["password"] = self.password
        said = self.centre.on(self.host, "python3", "-c", CLIENT, stdin=json.dumps(given).encode())
        status, at, text = json.loads(said)
        return status, at, text

    def reads(self, url: str = f"https://{SITE}/") -> bool:
        """Whether the page itself comes, without another sign-in."""
        status, at, text = self.open(url, signing_in=False)
        return status == 200 and at == url and "发展和改革委员会" in text


def people(centre: Centre, code: str) -> list[Reader]:
    return [Reader(centre, uid, own) for uid, own in Directory(centre).own_passwords(code).items()]


def groups(code: str) -> dict[str, set[str]]:
    with (SMALL / "people" / f"{code}.csv").open() as file:
        return {row["uid"]: set(row["groups"].split(";")) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def group(centre: Centre) -> str:
    """A group of the department that some of those with a password are in, and some are not."""
    known, own = groups("fgw"), {reader.uid for reader in people(centre, "fgw")}
    names = sorted(set().union(*known.values()))
    return next(name for name in names if 0 < sum(name in known[uid] for uid in own) < len(own))


@pytest.fixture(scope="module")
def asking(centre: Centre, group: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The department's site asks for sign-in, and a second one for a group; yields the plan that did it."""
    centre.run("web", "--background")
    folder = tmp_path_factory.mktemp("asking")
    for name in ("before", "after"):
        centre.run("tenants", "export", str(folder / name))

    def ask(document: Any) -> None:
        spec = next(s["spec"] for s in document["subscriptions"] if s["offering"] == "intranet")
        first = spec["sites"][0]
        first |= {"sign_in": "department", "shared_with": []}
        title = {"zh": "市发展和改革委员会专班", "en": "Team"}
        spec["sites"] = [first, {"title": title, "names": {"main": TEAM}, "sign_in": "groups", "groups": [group]}]

    edit(folder / "after" / "fgw.yaml", ask)
    centre.run("tenants", "import", str(folder / "after"), "--yes")
    plan = centre.plan("tenant:fgw")
    centre.apply("tenant:fgw")
    yield plan
    centre.run("web", "--background")
    centre.run("tenants", "import", str(folder / "before"), "--yes")
    wait_until(lambda: centre.apply("tenant:fgw")["counts"]["total"] == 0, 60, "the second site is gone")
    centre.shell("fgw", "rm -f /tmp/reader-*")


@pytest.fixture(scope="module")
def readers(centre: Centre, asking: Any, group: str) -> dict[str, Reader]:
    """One in the group, two who are not, one of another department; all at this department's workstation."""
    known, own = groups("fgw"), people(centre, "fgw")
    inside = [r for r in own if group in known[r.uid]]
    outside = [r for r in own if group not in known[r.uid]]
    return {
        "inside": inside[0],
        "outside": outside[0],
        "third": (inside[1:] + outside[1:])[0],
        "stranger": people(centre, "gaj")[0],
    }


def test_the_rule_is_planned_as_a_change_of_the_website(centre: Centre, asking: Any) -> None:
    changed = {change["id"]: change["action"] for change in asking["changes"]}
    assert changed[f"web:intranet/vhost/{SITE}"] == "update"
    assert f"web:intranet/vhost/{TEAM}" in changed
    assert centre.plan("tenant:fgw")["changes"] == []
    centre.on("intranet", "nginx", "-t", "-q")
    assert centre.shell("intranet", "stat -c %a /etc/nginx/host/gate.conf").strip() == "600"
    results = centre.json("probes", "run", "subscription:fgw/intranet")["items"]
    assert {row["state"] for row in results} <= {"passed", "warning"}, results


def test_a_browser_goes_to_the_sign_in_and_comes_back(centre: Centre, readers: dict[str, Reader]) -> None:
    reader = readers["inside"]
    form = {"fill": {"#name": reader.uid, "#password": reader.password}, "until": f"https://{SITE}/**"}
    seen = visit(centre, "fgw", PAC, [{"url": f"https://{SITE}/?from=here", "forms": [form]}])[0]
    assert seen["error"] is None, seen
    assert seen["landed"] == f"https://{SITE}/?from=here"
    assert "发展和改革委员会" in seen["text"]
    held = {(c["name"], c["domain"]): c for c in seen["cookies"]}
    cookie = held["__Host-gasp-site", SITE]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    assert ("__Host-gasp", "console.core.qingdao.test") in held
    assert ("__Host-gasp", SITE) not in held, "no session of the console at the site"


def test_departments_and_groups(centre: Centre, readers: dict[str, Reader]) -> None:
    for name, team in (("inside", True), ("outside", False)):
        status, at, text = readers[name].open()
        assert (status, at) == (200, f"https://{SITE}/"), text[:500]
        assert "发展和改革委员会" in text
        status, at, text = readers[name].open(f"https://{TEAM}/")
        assert status == (200 if team else 403), (name, at, text)
        assert team or REFUSED in text
    status, at, text = readers["stranger"].open()
    assert (status, at) == (403, f"https://{SITE}/")
    assert REFUSED in text
    assert "You may not read this website" in text
    assert centre.fetch("gaj", f"https://{SITE}/") == "403", "other networks are refused as before"
    assert centre.fetch("czj", f"https://{OTHER}/") == "200", "other sites ask nobody"


def test_a_rule_that_was_changed_by_hand_is_drift(centre: Centre, asking: Any) -> None:
    centre.shell("intranet", f'sed -i \'s/X-Gasp-Departments "fgw"/X-Gasp-Departments "*"/\' {VHOST}')
    rows = centre.json("drift", "list", "tenant:fgw")["items"]
    assert f"web:intranet/vhost/{SITE}" in json.dumps(rows)
    centre.apply("tenant:fgw")
    assert 'X-Gasp-Departments "fgw"' in centre.shell("intranet", f"cat {VHOST}")


def test_who_is_cut_or_signed_out_is_refused_within_a_minute(centre: Centre, readers: dict[str, Reader]) -> None:
    leaver, ended = readers["outside"], readers["inside"]
    readers["third"].open()
    for reader in (leaver, ended, readers["third"]):
        assert reader.reads()
    change(centre, leaver.uid, pwdAccountLockedTime="000001010000Z")
    cut = time.monotonic()
    try:
        centre.run("users", "reset", ended.uid, "--yes")
        signed_out = time.monotonic()
        wait_until(lambda: not ended.reads(), 60, "the session that ended opens nothing")
        assert time.monotonic() - signed_out < 60
        wait_until(lambda: not leaver.reads(), 60, "the leaver reads nothing")
        assert time.monotonic() - cut < 60
        status, at, _ = leaver.open()
        assert not at.startswith(f"https://{SITE}/"), status
    finally:
        change(centre, leaver.uid, pwdAccountLockedTime=None)


def test_without_the_control_plane_nothing_is_shown(centre: Centre, readers: dict[str, Reader]) -> None:
    centre.run("web", "--stop")
    try:
        assert centre.fetch("fgw", f"https://{SITE}/") == "503", "nobody is sent to a console that is away"
        wait_until(lambda: readers["third"].open(signing_in=False)[0] == 503, 30, "a yes that was kept is too old")
        assert AWAY in readers["third"].open(signing_in=False)[2]
        assert centre.fetch("czj", f"https://{OTHER}/") == "200"
        assert centre.fetch("fgw", "https://fgw.qingdao.test/") == "200"
    finally:
        centre.run("web", "--background")
    assert readers["third"].reads(), "and it goes on by itself"
