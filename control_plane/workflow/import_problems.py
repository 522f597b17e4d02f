"""What a form says about bad values: pydantic's faults become `Problem`s, each with its path."""

from __future__ import annotations

from pydantic import ValidationError

from control_plane.model.errors import Problem, ProblemError
from control_plane.model.form_faults import words_of
from control_plane.model.text import t
from control_plane.workflow.import_yaml import Path, field_text

_FORM = t("See docs/tenant-document.md for the fields and what they may hold.")
_CODES = {"missing": "missing-field", "extra_forbidden": "unknown-field"}


def problems_of(error: ValidationError, prefix: Path = ()) -> list[tuple[Path, Problem]]:
    """Each fault with its path; `field` of the problem is that path as text."""
    found = []
    for item in error.errors(include_url=False):
        path = prefix + tuple(item["loc"])
        inner = item.get("ctx", {}).get("error")
        own = inner.problem if isinstance(inner, ProblemError) else None
        text, remedy = (own.text, own.remedy) if own is not None else words_of(item, _FORM)
        code = own.code if own is not None else _CODES.get(item["type"], "bad-value")
        found.append((path, Problem(code, text, remedy, field=field_text(path))))
    return found
