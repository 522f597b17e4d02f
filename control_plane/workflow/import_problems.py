"""What a form says about bad values: pydantic's faults become `Problem`s, each with its path."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.form_faults import words_of
from control_plane.model.text import Text, t
from control_plane.workflow.import_yaml import Path, field_text

_FORM = t("See docs/tenant-document.md for the fields and what they may hold.")
_CODES = {"missing": "missing-field", "extra_forbidden": "unknown-field"}


def problems_of(error: ValidationError, prefix: Path = (), see: Text = _FORM) -> list[tuple[Path, Problem]]:
    """Each fault with its path; `field` of the problem is that path as text. `see`: where the fields are told of."""
    return [
        (prefix + path, Problem(code, text, remedy, field=field_text(prefix + path)))
        for path, code, text, remedy in faults_of(error, see)
    ]


def faults_of(error: ValidationError, see: Text = _FORM) -> Iterator[tuple[Path, str, Text, Text | None]]:
    """Path, code, what is wrong and what to do, of each fault."""
    for item in error.errors(include_url=False):
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, ProblemError):
            own = inner.problem
            yield item["loc"], own.code, own.text, own.remedy
        else:
            yield item["loc"], _CODES.get(item["type"], "bad-value"), *words_of(item, see)
