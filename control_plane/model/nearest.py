"""What somebody probably meant who gave a name that nothing has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from control_plane.model.errors import NotFound
from control_plane.model.text import Text, t


def nearest(name: str, known: Iterable[str], otherwise: Text, cutoff: float = 0.6) -> Text:
    """A remedy that names the known name most like this one, or `otherwise` when none is."""
    near = get_close_matches(name, list(known), 1, cutoff)
    return t("Did you mean {near}?", near=near[0]) if near else otherwise


def no_tenant(code: str, codes: Iterable[str]) -> NotFound:
    """That none of these codes is this one."""
    return NotFound(t("There is no tenant “{code}”.", code=code), nearest_tenant(code, codes))


def nearest_tenant(code: str, codes: Iterable[str]) -> Text:
    """The remedy for a code that no tenant has."""
    return nearest(code, codes, t("See gasp tenants list."))
