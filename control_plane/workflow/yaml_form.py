"""A form written as YAML or JSON, from a file or a page: strict as a tenant's document, and only what can be kept.

Pages and commands read with this one, so that a form means the same wherever it is handed in.
"""

from __future__ import annotations

import json
from dataclasses import replace

import orjson

from control_plane.model.client import Json
from control_plane.model.errors import Invalid, Problem
from control_plane.model.text import Text, t
from control_plane.workflow.import_yaml import read_yaml


def read_form(written: bytes | str, where: str | None = None, field: str | None = None) -> Json:
    """Fields and their values, as JSON keeps them. `where` is the file, `field` the field of a page it stands in.

    Raises Invalid with every problem and its line: no mapping, a double field, a reference, a tag, or a value that JSON
    has no word for (it would be kept as “none”, which a patch understands as “take it away”).
    """
    if isinstance(written, bytes):
        try:
            written = written.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            problem = Problem("not-utf8", t("The file is not in UTF-8."), t("Save it as plain text in UTF-8."))
            raise Invalid([replace(problem, where=where, line=line, field=field)]) from None
    tree, problems = read_yaml(written, where or "")
    if tree is None and any(p.code == "no-mapping" for p in problems):
        problems = [_unfit("no-mapping", t("This is no mapping of fields to values."))]
    if tree is None or problems:
        raise Invalid([replace(p, where=where, field=field or p.field) for p in problems])
    try:
        json.dumps(tree.data, allow_nan=False, default=str)
        kept: Json = orjson.loads(orjson.dumps(tree.data))
    except ValueError:
        unfit = _unfit("unstorable", t("A number is infinite, or none at all."))
    except TypeError as error:
        unfit = _unfit("unstorable", t("The form holds something that cannot be kept: {reason}.", reason=error))
    else:
        return kept
    raise Invalid([replace(unfit, where=where, field=field)])


def _unfit(code: str, text: Text) -> Problem:
    return Problem(code, text, t("Write field: value."))
