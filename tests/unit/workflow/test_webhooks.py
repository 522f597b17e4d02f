"""Webhooks against a real HTTP receiver: what is told, how it is signed, what becomes of a receiver that is away."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from control_plane.drivers.webhooks import HttpPoster
from control_plane.model.audit import Subject
from control_plane.model.errors import Invalid, NotFound, Rejected, TemporaryError
from control_plane.model.text import in_language
from control_plane.model.webhook import allowed, event
from control_plane.workflow.webhooks import WebhookTicker
from tests.drivers.slapd import Authority
from tests.web.world import World, make_world


@dataclass
class Receiver:
    """What it got, and what it answers."""

    url: str
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self) -> list[dict]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            self.send_header("Location", made.url)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_port}/hook?from=gasp")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with in_language("en"):
        made = make_world(tmp_path_factory.mktemp("hooks"))
        made.person("operator")
        yield made
        made.close()


@pytest.fixture
def told(world: World, receiver: Receiver) -> Iterator[WebhookTicker]:
    hooks = world.client.webhooks
    hooks.allowed_to = (receiver.url.partition("/hook")[0],)
    yield WebhookTicker(world.store, hooks.vault, HttpPoster(seconds=5), hooks.allowed_to, world.clock)
    for row in hooks.list():
        hooks.end(row["id"])


def make(world: World, receiver: Receiver, **more: object) -> dict:
    given = {"name": "tickets", "url": receiver.url, "families": ["freeze", "request"], **more}
    return world.client.webhooks.create(**given)  # type: ignore[arg-type]


def frozen(world: World, scope: str = "tenant:fgw") -> int:
    return int(world.client.freezes.set(scope, reason="王伟 is away: secret-word")["id"])


def good(secret: str, headers: dict[str, str], body: bytes) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split()


def test_what_happened_is_told_once_and_signed(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    frozen(world)
    made = make(world, receiver)
    number = frozen(world)
    world.client.plan("tenant:fgw")
    assert told.tick() == "1 sent"
    assert told.tick() is None
    ((headers, body),) = receiver.got
    event = json.loads(body)
    assert (event["type"], event["data"]["freeze"], event["data"]["tenants"]) == ("freeze.set", str(number), ["fgw"])
    assert good(made["secret"], headers, body)
    assert not good("whsec_" + base64.b64encode(b"x" * 32).decode(), headers, body)
    assert headers["webhook-id"] == world.client.webhooks.deliveries(made["id"])[0]["message"]
    assert abs(int(headers["webhook-timestamp"]) - world.clock.now.timestamp()) < 1
    for word in ("王伟", "secret-word", "local:", "whsec_", "directory:"):
        assert word not in body.decode()


def test_a_former_secret_signs_for_a_day(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    made = make(world, receiver)
    fresh = world.client.webhooks.rotate(made["id"])
    assert fresh["rotated_until"] is not None
    with pytest.raises(Rejected, match="got a new secret lately"):  # it would leave the receiver without one it knows
        world.client.webhooks.rotate(made["id"])
    frozen(world)
    told.tick()
    assert all(good(secret, *receiver.got[0]) for secret in (made["secret"], fresh["secret"]))
    world.clock.advance(25 * 3600)
    frozen(world)
    told.tick()
    assert good(fresh["secret"], *receiver.got[-1])
    assert not good(made["secret"], *receiver.got[-1])


def test_who_is_away_is_asked_later_and_later_for_a_day(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    made = make(world, receiver)
    receiver.answers = [500] * 100
    frozen(world)
    told.tick()
    assert told.tick() is None and len(receiver.got) == 1, "not before its time"
    began = world.clock.now
    while (row := world.client.webhooks.deliveries(made["id"])[0])["state"] == "waiting":
        world.clock.now = datetime.fromisoformat(row["next_at"])
        told.tick()
    assert timedelta(hours=20) < world.clock.now - began <= timedelta(hours=24)
    assert 14 < len(receiver.got) < 25
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1, "one message however often"
    failed = world.client.webhooks.deliveries(made["id"], state="failed")[0]
    assert (failed["status"], failed["tries"]) == (500, len(receiver.got))
    assert world.client.webhooks.list()[0]["failed"] == 1
    receiver.answers = []
    again = world.client.webhooks.resend(failed["id"])
    assert (again["state"], again["message"]) == ("waiting", failed["message"])
    assert told.tick() == "1 sent"
    assert world.client.webhooks.deliveries(made["id"])[0]["state"] == "sent"


def test_a_silent_one_holds_up_nobody(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    away = make(world, receiver)
    here = make(world, receiver, name="second")
    with world.store.database.write() as connection:
        connection.exec_driver_sql(f"update webhooks set url = 'http://127.0.0.1:1/' where id = {away['id']}")
    told = WebhookTicker(told.store, told.vault, told.poster, [*told.targets, "http://127.0.0.1:1"], told.clock)
    frozen(world)
    frozen(world)
    assert told.tick() == "2 sent"
    rows = world.client.webhooks.deliveries(away["id"])
    assert [row["tries"] for row in rows] == [0, 1], "asked once in a turn"
    assert "gave no answer" in rows[-1]["error"]
    assert {row["state"] for row in world.client.webhooks.deliveries(here["id"])} == {"sent"}


def test_one_with_much_that_waits_takes_no_others_place(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    away, here = make(world, receiver), make(world, receiver, name="second")
    hooks = world.store.webhooks
    with world.store.database.write() as connection:
        connection.exec_driver_sql(f"update webhooks set url = 'http://127.0.0.1:1/' where id = {away['id']}")
    hook = hooks.get(away["id"])
    hooks.gather(hook, {9000 + n: {"type": "freeze.set"} for n in range(700)}, hook.seen)
    frozen(world)
    told = WebhookTicker(told.store, told.vault, told.poster, [*told.targets, "http://127.0.0.1:1"], told.clock)
    assert told.tick() == "1 sent"
    assert {row["state"] for row in world.client.webhooks.deliveries(here["id"])} == {"sent"}


def test_a_slow_one_gets_its_share_and_the_next_its_turn(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    slow, here = make(world, receiver, name="slow"), make(world, receiver)
    got: list[str] = []

    class Poster:
        def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
            got.append(headers["webhook-id"])
            world.clock.advance(9)
            return 200

    for _ in range(4):
        frozen(world)
    ticker = WebhookTicker(told.store, told.vault, Poster(), told.targets, told.clock)
    assert ticker.tick() == "4 sent"
    left = [sum(row["waiting"] for row in world.client.webhooks.list() if row["id"] == n["id"]) for n in (slow, here)]
    assert left == [2, 2]


def test_a_worker_that_may_not_send_there_says_what_it_lacks(
    world: World, receiver: Receiver, told: WebhookTicker
) -> None:
    make(world, receiver)
    frozen(world)
    WebhookTicker(told.store, told.vault, told.poster, (), told.clock).tick()
    assert "GASP_WEBHOOK_TARGETS of the worker" in world.client.webhooks.deliveries()[0]["error"]


def test_one_that_ends_in_the_middle_of_a_turn_hears_no_more(
    world: World, receiver: Receiver, told: WebhookTicker
) -> None:
    made, got = make(world, receiver), list[str]()

    class Poster:
        def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
            got.append(headers["webhook-id"])
            world.client.webhooks.end(made["id"])
            return 200

    frozen(world)
    frozen(world)
    WebhookTicker(told.store, told.vault, Poster(), told.targets, told.clock).tick()
    assert len(got) == 1


def test_a_secret_of_another_key_holds_up_nobody(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    from cryptography.fernet import Fernet

    odd, here = make(world, receiver), make(world, receiver, name="second")
    sealed = Fernet(Fernet.generate_key()).encrypt(b"whsec_x").decode()
    with world.store.database.write() as connection:
        connection.exec_driver_sql(f"update webhooks set secret = '{sealed}' where id = {odd['id']}")
    frozen(world)
    assert told.tick() == "1 sent"
    assert "another key" in world.client.webhooks.deliveries(odd["id"])[0]["error"]
    assert world.client.webhooks.deliveries(here["id"])[0]["state"] == "sent"


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_an_answer_drop_by_drop_gets_no_more_time(said: bytes) -> None:
    over = threading.Event()

    def drip() -> None:
        with server.accept()[0] as peer, contextlib.suppress(OSError):
            while not over.wait(0.05):
                peer.sendall(said or b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(TemporaryError, match="timed out"):
                HttpPoster(seconds=0.3).post(f"http://127.0.0.1:{server.getsockname()[1]}/", {}, b"{}")
        finally:
            over.set()
            thread.join()


def test_a_receiver_over_tls_is_who_its_certificate_says(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            got.append(self.headers["Host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    got: list[str] = []
    certificate, key = Authority(tmp_path).issue("localhost", "127.0.0.9")
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = trusted.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        where, known = f"localhost:{server.server_port}", HttpPoster(tmp_path / "ca.pem", seconds=5)
        assert (known.post(f"https://{where}/", {}, b"{}"), got) == (204, [where])
        for poster, host in ((HttpPoster(seconds=5), "localhost"), (known, "127.0.0.1")):
            with pytest.raises(TemporaryError, match="certificate"):
                poster.post(f"https://{host}:{server.server_port}/", {}, b"{}")
        assert len(got) == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_department_is_told_no_request_of_others() -> None:
    about = [Subject("run", "7"), Subject("request", "R-2"), Subject("tenant", "t1"), Subject("tenant", "t2")]
    entry: Any = SimpleNamespace(
        act="run.began", number=1, outcome="done", at=datetime.now(), requests=["R-2"], subjects=about
    )
    codes = {"t1": "fgw", "t2": "gaj"}
    assert event(SimpleNamespace(tenant_id="t1"), entry, codes)["data"] == {  # type: ignore[arg-type]
        **{"number": 1, "outcome": "done", "tenants": ["fgw"], "run": "7"}
    }
    assert event(SimpleNamespace(tenant_id=None), entry, codes)["data"]["request"] == "R-2"  # type: ignore[arg-type]


def test_a_department_hears_of_itself_only(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    make(world, receiver, tenant="fgw")
    for scope in ("tenant:czj", "estate", "tenant:fgw"):
        frozen(world, scope)
    told.tick()
    assert [event["data"]["tenants"] for event in receiver.bodies()] == [["fgw"]]
    assert "czj" not in str(receiver.got)
    with pytest.raises(NotFound):
        make(world, receiver, tenant="zzz")


def test_it_goes_where_it_may_only(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    for url in ("https://evil.example/", receiver.url.replace("127.0.0.1", "localhost"), "ftp://x/", ""):
        with pytest.raises(Invalid) as error:
            make(world, receiver, url=url, name="", families=["nothing"])
        assert [problem.field for problem in error.value.problems] == ["name", "url", "families"]
    targets = ("https://hooks.example.test",)
    assert allowed("https://hooks.example.test/a?b", targets)
    assert allowed("https://HOOKS.example.test:443/", targets)
    for url in (
        *("http://hooks.example.test/", "https://hooks.example.test:8443/", "https://hooks.example.test@evil/"),
        *("https://u@hooks.example.test/", "https://hooks.example.test.evil/", "https://hooks.example.test:x/"),
    ):
        assert not allowed(url, targets), url
    plain = world.client.webhooks
    plain.allowed_to = (*plain.allowed_to, "http://hooks.example.com", "http://10.1.2.3", "http://[2001:db8::1]:8080")
    for url in ("http://hooks.example.com/x", "http://10.1.2.3/", "http://[2001:db8::1]:8080/"):
        with pytest.raises(Invalid) as error:
            make(world, receiver, url=url)
        assert [(p.field, "http://" in str(p.text)) for p in error.value.problems] == [("url", True)]
    made = make(world, receiver)
    receiver.answers = [302]
    frozen(world)
    told.tick()
    assert (len(receiver.got), world.client.webhooks.deliveries(made["id"])[0]["status"]) == (1, 302)
    nowhere = WebhookTicker(told.store, told.vault, told.poster, (), told.clock)
    world.clock.advance(3600)
    nowhere.tick()
    assert len(receiver.got) == 1, "what is not allowed any more is not sent to"


def test_a_form_that_was_sent_twice_makes_one(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    made = make(world, receiver)
    with pytest.raises(Rejected, match=f"Webhook {made['id']} has this name"):
        make(world, receiver, families=["request", "freeze"])
    assert make(world, receiver, families=["request"])["id"] != made["id"]
    assert make(world, receiver, tenant="fgw")["id"] != made["id"]


def test_what_has_ended_is_told_nothing(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    made = make(world, receiver)
    receiver.answers = [500]
    frozen(world)
    told.tick()
    ended = world.client.acting_as("directory:operator1").webhooks.end(made["id"])
    assert (ended["state"], ended["waiting"], ended["failed"]) == ("ended", 0, 1)
    frozen(world)
    world.clock.advance(3600)
    told.tick()
    assert len(receiver.got) == 1
    for act in (world.client.webhooks.rotate, world.client.webhooks.end):
        with pytest.raises(Rejected):
            act(made["id"])
    with pytest.raises(Rejected):
        world.client.webhooks.resend(world.client.webhooks.deliveries(made["id"])[0]["id"])
    with pytest.raises(NotFound):
        world.client.webhooks.resend(9999)
    acts = [entry["act"] for entry in world.client.audit.list({"act": "webhook"}, limit=3)]
    assert acts[:2] == ["webhook.ended", "webhook.made"]
    assert world.client.webhooks.list() == []


def test_no_secret_lies_open(world: World, receiver: Receiver, told: WebhookTicker, tmp_path: Path) -> None:
    made = make(world, receiver)
    with world.store.database.read() as connection:
        rows = str(connection.exec_driver_sql("select * from webhooks").all())
        trail = str(connection.exec_driver_sql("select * from audit_entries").all())
    assert "from=gasp" not in trail, "an address may be a secret of the receiver"
    for said in (rows, trail, str(world.client.webhooks.list(ended=True))):
        assert made["secret"].removeprefix("whsec_") not in said


def test_the_log_forgets_after_a_month(world: World, receiver: Receiver, told: WebhookTicker) -> None:
    made = make(world, receiver)
    frozen(world)
    told.tick()
    world.clock.advance(31 * 86400)
    told.tick()
    assert world.client.webhooks.deliveries(made["id"]) == []
