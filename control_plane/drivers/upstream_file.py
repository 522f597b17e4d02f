"""Reads where a centre's packages and signatures come from: `upstream/sources.yaml` of the estate and its keys."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from control_plane.model.errors import Invalid, Problem
from control_plane.model.form_faults import words_of
from control_plane.model.text import t
from control_plane.model.upstream import UpstreamDocument


def read_upstream(estate: Path) -> UpstreamDocument | None:
    """The document with the text of its keys; None when the estate has none. Raises Invalid with all problems."""
    path = estate / "upstream" / "sources.yaml"
    if not path.exists():
        return None
    keys = {key.stem: key.read_text("ascii", "replace") for key in sorted(path.parent.glob("*.asc"))}
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
        if not isinstance(data, dict):
            raise yaml.YAMLError("no mapping")
        return UpstreamDocument.model_validate({**data, "keys": keys})
    except yaml.YAMLError as error:
        found = [Problem("bad-yaml", t("This is no YAML: {reason}", reason=error), t("Mend the file."), str(path))]
        raise Invalid(found) from None
    except ValidationError as error:
        raise Invalid(
            [
                Problem(
                    f"upstream-{fault['type']}",
                    *words_of(fault, t("Mend the file, then run gasp bringup again.")),
                    str(path),
                    field=".".join(str(step) for step in fault["loc"]) or None,
                )
                for fault in error.errors()
            ]
        ) from None
