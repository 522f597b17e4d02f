"""What people are told of contents in which the engine found something."""

from __future__ import annotations

import pytest

from control_plane.model.attachment import infected_problem
from control_plane.model.content_check import CheckState, ContentCheck, infected_file, infected_release


@pytest.mark.parametrize(
    ("found", "words", "not_said"),
    [
        ("Win.Test.EICAR_HDB-1", "malware was found: Win.Test.EICAR_HDB-1", "encrypted"),
        ("Heuristics.Encrypted.PDF", "it is encrypted", "was found"),
        ("Heuristics.Limits.Exceeded.MaxFiles", "packed too deep", "was found"),
    ],
)
def test_what_nobody_can_look_into_is_not_called_malware(found: str, words: str, not_said: str) -> None:
    check = ContentCheck("ab12", CheckState.INFECTED, found, "表.pdf")
    said = (infected_problem("表.pdf", found, "file"), infected_file("表.pdf", found))
    for text in (*(str(problem.text) for problem in said), str(infected_release("ab12", check))):
        assert words in text
        assert not_said not in text
        assert "表.pdf" in text
