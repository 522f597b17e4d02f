"""The plan of a request on its review page, part by part: marks, questions about one, and who sees what."""

from __future__ import annotations

import html
import re

import pytest
from flask.testing import FlaskClient

from tests.unit.web.test_asking_pages import HOSTILE, entered, get
from tests.web.world import World, send

BLOCK = re.compile(r'<section class="block.*?</section>', re.S)


def blocks(page: str) -> list[str]:
    return BLOCK.findall(page)


def sent(block: str) -> dict[str, str]:
    """What the forms of a part send beside their button."""
    found = dict(re.findall(r'name="(block|content|place)" value="([^"]*)"', block))
    return {name: html.unescape(value) for name, value in found.items()}


@pytest.fixture
def asked(world: World) -> str:
    reference = world.ask(world.person("clerk"), "fgw", "parted")
    yield reference
    world.client.acting_as("directory:clerk1").requests.withdraw(reference)


def mark(browser: FlaskClient, address: str, block: str, act: str = "mark") -> str:
    answer = send(browser, address, act=act, **sent(block))
    assert answer.status_code == 303, answer.text
    assert "#block-" in answer.location
    return get(browser, answer.location)


def test_a_part_is_marked_as_looked_at_and_the_mark_taken_away(world: World, asked: str) -> None:
    approver, address = entered(world, "approver"), f"/console/requests/{asked}"
    first = blocks(get(approver, address))
    assert len(first) >= 2
    assert f"0 of {len(first)} parts looked at" in get(approver, address)
    page = mark(approver, address, first[0])
    assert f"1 of {len(first)} parts looked at" in page
    assert "Marked as looked at; this is for you alone." in page
    assert "open" not in re.findall(r"<details ([a-z]*)", blocks(page)[0]), "what was looked at is folded"
    assert f"0 of {len(first)} parts looked at" in get(entered(world, "operator"), address)
    page = mark(approver, address, blocks(page)[0], "unmark")
    assert f"0 of {len(first)} parts looked at" in page


def test_a_question_about_a_part_reaches_the_department(world: World, asked: str) -> None:
    approver, clerk, address = entered(world, "approver"), entered(world, "clerk"), f"/console/requests/{asked}"
    block = blocks(get(approver, address))[0]
    empty = send(approver, address, act="return", text="", **sent(block))
    assert empty.status_code == 422
    title = re.search('aria-label="([^"]+)"', block)
    assert title is not None
    assert send(approver, address, act="comment", text="about this", **sent(block)).status_code == 303
    assert send(approver, address, act="return", text="why this one?", **sent(block)).status_code == 303
    page = get(clerk, f"/portal/requests/{asked}")
    assert page.count(f"About this part of the plan: {title[1]}") == 2
    assert "why this one?" in page
    assert "about an earlier preview" not in page
    assert send(clerk, f"/portal/requests/{asked}", act="answer", text="we use it").status_code == 303


def test_what_was_written_stays_when_the_part_is_another_now(world: World, asked: str) -> None:
    approver, address = entered(world, "approver"), f"/console/requests/{asked}"
    block = sent(blocks(get(approver, address))[0])
    answer = send(approver, address, act="comment", text="kept <words>", **{**block, "content": "0" * 64})
    assert answer.status_code == 409
    assert "This part of the plan is another now" in answer.text
    assert "kept &lt;words&gt;" in answer.text
    assert send(approver, address, act="mark", **{**block, "block": "none"}).status_code == 422


def test_who_only_watches_sees_parts_and_no_buttons(world: World, asked: str) -> None:
    page = get(entered(world, "auditor"), f"/console/requests/{asked}")
    assert blocks(page)
    assert "parts looked at" not in page
    assert 'value="mark"' not in page


@pytest.mark.parametrize("said", HOSTILE)
def test_what_is_typed_is_harmless(world: World, asked: str, said: str) -> None:
    approver, address = entered(world, "approver"), f"/console/requests/{asked}"
    block = sent(blocks(get(approver, address))[0])
    assert send(approver, address, act="comment", text=said, **block).status_code in (303, 422)
    for field in ("block", "content", "place"):
        status = send(approver, address, act="mark", **{**block, field: said}).status_code
        assert status in (303, 409, 422), field
    for where in (address, f"/portal/requests/{asked}"):
        page = get(approver, where)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
