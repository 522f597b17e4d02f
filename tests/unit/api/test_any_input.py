"""Schemathesis over every operation in four roles: whatever is sent, no 5xx, no status and no form but the declared.

Right and wrong input in turn, about things that are there and things that are not. `GASP_API_EXAMPLES` sets how many
examples of each kind an operation gets in each role.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from control_plane.api.operation import OPERATIONS
from tests.unit.api.conftest import Programs

schemathesis = pytest.importorskip("schemathesis", reason="a test dependency that the lock has yet to name")

EXAMPLES = int(os.environ.get("GASP_API_EXAMPLES", "2"))
WHO = ("clerk", "approver", "operator", "auditor")
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
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    programs.world.clock.advance(60)  # another minute for the limit
    sent = {"headers": {"Authorization": f"Bearer {programs.token(role)}"}}
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    operation = document.find_operation_by_id(name)
    careful = settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip

    @careful
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def right(case: Any) -> None:
        case.call_and_validate(checks=checks, **sent)
        for part in (case.path_parameters, case.body):
            if isinstance(part, dict):
                part.update({key: filled[key] for key in part.keys() & filled.keys()})
        case.call_and_validate(checks=checks, **sent)

    @careful
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def wrong(case: Any) -> None:
        case.call_and_validate(checks=checks, **sent)

    right()
    wrong()
    if name == "end_token":  # it may have ended the very token that it used
        programs.tokens.clear()
