"""SCOPE as it is written."""

from __future__ import annotations

import pytest

from control_plane.model.errors import Invalid
from control_plane.model.scope import SYSTEMS, parse_scope


def test_every_system_can_be_named_and_is_named_where_one_was_not_known():
    for system in SYSTEMS:
        assert parse_scope(f"system:{system}").terms == (("system", system),)
    with pytest.raises(Invalid) as refused:
        parse_scope("system:mail,fgw")
    assert [str(problem.text) for problem in refused.value.problems] == [
        "“system:mail” is no scope.",
        "“fgw” is no scope.",
    ]
    assert all(system in str(problem.remedy) for problem in refused.value.problems for system in SYSTEMS)
