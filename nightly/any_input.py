"""Schemathesis at one operation: right and wrong input in turn, about things that are there and things that are not.
No 5xx, no status and no form but the declared, no traceback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)


def no_traceback(_context: Any, response: Any, _case: Any) -> None:
    """Nothing of the program's inside is told."""
    assert "Traceback (most recent call last)" not in response.text, "a traceback is in the answer"


CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance, no_traceback,
]  # fmt: skip


def examine(operation: Any, examples: int, there: Mapping[str, Any], send: Callable[[Any], None]) -> None:
    """Give `send` its cases: `examples` of right input, each also with what is `there` in the parts that name
    something, and as many of wrong input."""
    careful = settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip

    @careful
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def right(case: Any) -> None:
        send(case)
        for part in (case.path_parameters, case.body):
            if isinstance(part, dict):
                part.update({key: there[key] for key in part.keys() & there.keys()})
        send(case)

    @careful
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def wrong(case: Any) -> None:
        send(case)

    right()
    wrong()
