"""Schemathesis over every operation in four roles: whatever is sent, no 5xx, no status and no form but the declared.

Right and wrong input in turn, about things that are there and things that are not. `GASP_API_EXAMPLES` sets how many
examples of each kind an operation gets in each role.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis

from control_plane.api.operation import OPERATIONS
from nightly.any_input import CHECKS, examine
from nightly.roles import WHO
from tests.unit.api.conftest import Programs

EXAMPLES = int(os.environ.get("GASP_API_EXAMPLES", "2"))
#: What is there, for the parts of addresses and bodies that name something.
THERE = {
    **{"code": "fgw", "name": "fgw", "tenant": "fgw", "offering": "public_site", "action": "change"},
    **{"reference": "R-2026-0001", "number": 1, "site": "fgw.qingdao.test"},
}


@pytest.fixture(scope="module")
def filled(programs: Programs) -> dict[str, Any]:
    """A world with a request, a freeze, a plan and a job; names of what is there."""
    programs.world.person("clerk")
    programs.world.ask("clerk1", "fgw", "any")
    digest = programs.post("/plans", {"scope": "tenant:fgw"}).json["digest"]
    assert programs.post("/freezes", {"scope": "tenant:jyj", "reason": "audit"}).status_code == 201
    return {**THERE, "digest": digest, "plan": digest, "scope": "tenant:fgw"}


@pytest.fixture(scope="module")
def document(programs: Programs) -> Any:
    """The document as Schemathesis reads it."""
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", programs.world.app)


@pytest.mark.parametrize("role", WHO)
@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_sent(programs: Programs, filled: dict[str, Any], document: Any, role: str, name: str) -> None:
    programs.world.clock.advance(60)  # another minute for the limit
    sent = {"headers": {"Authorization": f"Bearer {programs.token(role)}"}}
    operation = document.find_operation_by_id(name)
    examine(operation, EXAMPLES, filled, lambda case: case.call_and_validate(checks=CHECKS, **sent))
    if name == "end_token":  # it may have ended the very token that it used
        programs.tokens.clear()
