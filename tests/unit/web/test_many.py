"""Many at once from a file: all faults together by row and column, nothing half done, one request of it."""

from __future__ import annotations

import cProfile
import io
import pstats
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, stream_encode_multipart

from control_plane.model.questions import Several
from control_plane.model.table_file import TableFile
from control_plane.model.text import t
from control_plane.offerings import discover
from control_plane.web.forms import Form
from control_plane.workflow.request_tables import columns_of, read_rows
from tests.web.world import BASE, World, send, token_of


@pytest.fixture
def clerk(world: World) -> FlaskClient:
    browser = world.enter(world.person("clerk"))
    send(browser, "/language", language="en")
    return browser


@pytest.fixture
def draft(world: World, clerk: FlaskClient) -> Iterator[dict[str, str]]:
    """References of drafts that change the directory and the internet access."""
    mine = world.client.acting_as("directory:clerk1").requests
    found = {name: mine.draft("fgw", name, "change")["reference"] for name in ("directory", "internet")}
    yield found
    for reference in found.values():
        if "withdraw" in mine.show(reference)["acts"]:
            mine.withdraw(reference)


def upload(browser: FlaskClient, reference: str, part: str, content: bytes, name: str = "t.csv") -> TestResponse:
    sent = {"token": token_of(browser), "file": FileStorage(io.BytesIO(content), name)}
    body, _, boundary = stream_encode_multipart(sent, use_tempfile=False)
    return browser.post(
        f"/portal/requests/{reference}/many/{part}", base_url=BASE, data=body.read(),
        content_type=f"multipart/form-data; boundary={boundary}",
    )  # fmt: skip


def spec(world: World, reference: str) -> dict[str, Any]:
    return dict(world.client.acting_as("directory:clerk1").requests.show(reference)["spec"])


def people(*rows: str) -> bytes:
    return "\r\n".join(["Family name,Given name,Name as it is shown,Account name,Groups,Position", *rows]).encode()


def test_thirty_accounts_become_one_request(world: World, clerk: FlaskClient, draft: dict[str, str]) -> None:
    reference = draft["directory"]
    assert "Many at once from a file" in clerk.get(
        f"/portal/requests/{reference}/form/people", base_url=BASE
    ).text  # fmt: skip
    before = spec(world, reference).get("people", [])
    rows = [f"张,{n},张{n},many{n:02},all; site-editors,科员" for n in range(30)]
    answer = upload(clerk, reference, "people", people(*rows))
    assert answer.status_code == 303, re.findall("<li>.*?</li>", answer.text)
    after = spec(world, reference)["people"]
    assert after[: len(before)] == before
    assert after[-1] == {
        "family_name": "张", "given_name": "29", "display_name": "张29", "uid": "many29", "title": "科员",
        "groups": ["all", "site-editors"],
    }  # fmt: skip
    text = clerk.get(answer.location, base_url=BASE).text
    assert "From the file: 30 new, 0 changed, 0 as before." in text
    mine = world.client.acting_as("directory:clerk1").requests
    mine.save(reference, note="a new section")
    assert "What will happen" in clerk.get(answer.location, base_url=BASE).text
    assert len(mine.preview(reference)["plan"]["changes"]) >= 30
    again = upload(clerk, reference, "people", people(*rows))
    assert again.status_code == 422
    assert "nothing would change" in again.text
    changed = upload(clerk, reference, "people", people("张,0,张零,many00,all,", "李,四,李四,many99,,"))
    assert "added=1&changed=1&same=0" in changed.location
    known = {person["uid"]: person for person in spec(world, reference)["people"]}
    assert known["many00"]["display_name"] == "张零"
    assert "title" not in known["many00"], "an empty cell empties what need not be there"
    template = clerk.get(f"/portal/requests/{reference}/many/people/table.csv?now=1", base_url=BASE)
    assert template.headers["Content-Disposition"].startswith("attachment")
    assert template.data.startswith("\ufeffFamily name,".encode())
    same = upload(clerk, reference, "people", template.data)
    assert "nothing would change" in same.text, "what was downloaded is what is there"


def test_every_fault_of_every_row_is_told_at_once_and_nothing_is_taken(
    world: World, clerk: FlaskClient, draft: dict[str, str]
) -> None:
    reference = draft["directory"]
    before = spec(world, reference)
    taken = world.client.accounts("gaj")[0]["uid"]
    answer = upload(
        clerk, reference, "people",
        people("张,三,张三,ok-one,all,", ",,,Bad Name!,,", "李,四,李四,ok,,", "王,五,王五,ok-one,,",
               "赵,六,赵六,ok2,a,,x"),
    )  # fmt: skip
    assert answer.status_code == 422
    text = answer.text
    for words in ("row 5, Account name: “ok-one” is in row 2 already", "row 6: There are cells beyond"):
        assert words in text, words
    assert [int(row) for row in re.findall(r"<li>row (\d+)", text)] == [3, 3, 3, 4, 5, 6, 6], "of rules too, in order"
    answer = upload(
        clerk, reference, "people",
        people("张,三,张三,ok-one,all,", ",,,Bad Name!,,", f"李,四,李四,{taken},,", "赵,六,赵六,ok-two,no such,"),
    )  # fmt: skip
    assert answer.status_code == 422
    found = re.findall(r"<li>(row \d+[^<]*)", answer.text)
    assert any(line.startswith("row 3, Family name: “Family name” is empty.") for line in found), found
    assert any(line.startswith("row 3, Account name:") for line in found), found
    assert any(line.startswith("row 5, Groups:") for line in found), found
    assert any(line.startswith("row 4, Account name:") for line in found), "what the centre knows comes with the rest"
    assert spec(world, reference) == before
    answer = upload(clerk, reference, "people", people("张,三,张三,ok-one,all,", f"李,四,李四,{taken},,"))
    assert answer.status_code == 422
    assert re.search(r"row 3, Account name:", answer.text), "what only the centre knows is told too"
    assert spec(world, reference) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty."),
        (b"Nonsense\nx\n", "“Nonsense” is no column of this table."),
        (b"Family name,Family name\nx,y\n", "There are two columns “Family name”."),
        (b"Family name\nx\n", "The column “Account name” is missing"),
        (b"Account name\n", "There is no row below the heads."),
        (b"PK\x03\x04zzz", "damaged or no workbook"),
        (b"<script>alert(1)</script>\nx\n", "is no column of this table"),
    ],
)
def test_what_is_no_table_of_this_list_is_told(
    world: World, clerk: FlaskClient, draft: dict[str, str], content: bytes, words: str
) -> None:
    answer = upload(clerk, draft["directory"], "people", content)
    assert answer.status_code == 422
    assert words in answer.text
    assert "<script>alert" not in answer.text


def test_entries_of_an_allow_list_become_one_rule(world: World, clerk: FlaskClient, draft: dict[str, str]) -> None:
    reference = draft["internet"]
    head = "What it names is,Sites,Reason in Chinese,Reason in English"
    rows = [f"allowed,s{n}.example.test,工作需要,For work" for n in range(12)]
    word = t("allowed").render("zh_CN")
    answer = upload(clerk, reference, "rules", "\n".join([head, *rows, f"{word},s99.test,会议,A meeting"]).encode())
    assert answer.status_code == 303, answer.text
    rules = spec(world, reference)["rules"]
    assert [(rule["action"], len(rule["hosts"]), rule["number"]) for rule in rules] == [
        ("allow", 12, 10),
        ("allow", 1, 20),
    ]
    mine = world.client.acting_as("directory:clerk1").requests
    mine.save(reference, note="for work")
    assert mine.preview(reference)["class"] == "standard"
    more = "\n".join([head, "allow,s3.example.test,工作需要,For work", "allow,new.example.test,工作需要,For work"])
    answer = upload(clerk, reference, "rules", more.encode())
    assert "added=1&changed=0&same=1" in answer.location
    bad = upload(clerk, reference, "rules", f"{head}\nallow,http://x y/,a,b\nmaybe,ok.test,a,b".encode())
    assert bad.status_code == 422
    assert "row 2, Sites" in bad.text
    assert "row 3, What it names is" in bad.text


def test_other_lists_and_other_requests_take_none(world: World, clerk: FlaskClient, draft: dict[str, str]) -> None:
    for part in ("direct", "peers", "zzz"):
        assert clerk.get(f"/portal/requests/{draft['internet']}/many/{part}", base_url=BASE).status_code == 404
    mine = world.client.acting_as("directory:clerk1").requests
    reference = world.ask("clerk1", "fgw", "closed")
    assert clerk.get(f"/portal/requests/{reference}/many/sites", base_url=BASE).status_code == 303
    mine.withdraw(reference)


@pytest.mark.parametrize(
    ("path", "columns"), [("people", ["uid", "display_name"]), ("rules", ["action", "hosts", "reason.zh"])]
)
def test_rows_are_read_and_judged_in_a_time_that_grows_with_their_number(path: str, columns: list[str]) -> None:
    offering = discover()["directory" if path == "people" else "internet"]

    def calls(count: int) -> int:
        rows = [
            ["allow", f"h{n}.example.test", f"reason {n}"] if path == "rules" else ["B D", f"x{n}"]
            for n in range(count)
        ]
        form = Form(offering, {"spec": {path: []}, "tier": "S", "reason": "x"})
        several = next(part for part in form.parts if part.name == path)
        assert isinstance(several, Several)
        numbered = [(number, row) for number, row in enumerate(rows, 2)]
        table = TableFile(columns, numbered, "utf-8")
        profile = cProfile.Profile()
        profile.enable()
        read = read_rows(columns_of(offering, several), several, [], table, date(2026, 11, 24))
        trial = Form(offering, {"spec": {path: read.items}, "tier": "S", "reason": "x"})
        wrong = trial.wrong()
        profile.disable()
        assert len(read.items) == count or read.problems
        assert wrong
        return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    assert calls(800) < 8 * calls(200), "four times as many; sixteen would be its square"
