"""What fields of forms are called by people. Programs get the code; a field that has no word here is shown by its code.

Pure: must not know who has which field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from control_plane.model.text import Text, t

PERSON: Mapping[str, Text] = {
    "uid": t("Account name"),
    "display_name": t("Name as it is shown"),
    "family_name": t("Family name"),
    "given_name": t("Given name"),
    "pinyin": t("Name in Latin letters"),
    "employee_number": t("Staff number"),
    "title": t("Position"),
    "mail": t("E-mail"),
    "phone": t("Telephone"),
    "groups": t("Groups"),
    "left_on": t("Left on"),
}
_OTHERS: Mapping[str, Text] = {
    **{name: PERSON[name] for name in ("uid", "display_name", "groups")},
    "code": t("Code"),
    "file": t("File"),
    "machines": t("Machines"),
    "name": t("Name"),
    "offering": t("Service"),
    "people": t("People"),
    "person": t("Person"),
    "reason": t("Reason"),
    "role": t("Role"),
    "rules": t("Rules"),
    "scope": t("Scope"),
    "sites": t("Websites"),
    "tenant": t("Department"),
    "text": t("Text"),
    "tier": t("Tier"),
    "title": t("Title"),
}
_PERSON = re.compile(r"(?:^|\.)people\[\d+\]\.(\w+)(?:\[\d+\])?\Z")
_LAST = re.compile(r"(?:^|\.)(\w+)(?:\[\d+\])?\Z")


def field_words(field: str) -> Text | str:
    """A field by its name; one that lies within others with its path as well, which leads there in a document."""
    of_person, last = _PERSON.search(field), _LAST.search(field)
    word = PERSON.get(of_person[1]) if of_person else _OTHERS.get(last[1]) if last else None
    if word is None:
        return field
    return word if field.isidentifier() else t("{name} ({path})", name=word, path=field)
