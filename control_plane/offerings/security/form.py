"""The form of antivirus and patching: which machines a department wants enrolled, and in which ring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from control_plane.model.form_faults import written
from control_plane.model.machine import Ring
from control_plane.model.tenant import Document
from control_plane.model.text import t

_NAME = t("Write at most 63 small letters of a to z, digits, dots and hyphens, beginning with a letter or digit.")
MachineName = Annotated[str, written(r"^[a-z0-9][a-z0-9.-]{0,62}$", _NAME, strip=True)]


class WantedMachine(Document):
    """One machine. Rings 1 to 3 are for workstations: 1 pilot, 2 half of all, 3 the rest."""

    name: MachineName
    ring: Annotated[int, Field(ge=1, le=4)] = Ring.ALL


class SecuritySpec(Document):
    """Machines to enrol, at bring-up or by a request; a ring that is stated here holds. An empty list means the
    department's own workstation, in the last ring.

    Which machines are enrolled is kept in the inventory (`gasp hosts`), with what they really are: one that is taken
    off the list stays there until it is retired.
    """

    machines: tuple[WantedMachine, ...] = Field((), max_length=1000)


EXAMPLE: Mapping[str, Any] = {"machines": [{"name": "example", "ring": 2}]}
