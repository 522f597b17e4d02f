"""After everything above: what is not ours is byte for byte as it was."""

from __future__ import annotations

import pytest

from tests.lab.conftest import ENTRIES, FILES, RECORDS, Strangers

pytestmark = pytest.mark.lab


def test_500_foreign_objects_survived(strangers: Strangers):
    assert RECORDS + ENTRIES + FILES == 500
    now = strangers.look()
    assert len(now) == RECORDS + ENTRIES + 2
    assert now == strangers.before
