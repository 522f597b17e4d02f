"""What of an entry is ours, what is foreign and blocks whom, what a look must have shown, in which order is written."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.drivers.directory import DirectoryDriver, Incomplete
from control_plane.drivers.directory_ber import RawEntry, Result
from control_plane.drivers.directory_entries import KINDS, foreign, hidden, moved, observed, sort_out
from control_plane.drivers.directory_order import batches
from control_plane.drivers.directory_session import Answer
from control_plane.model.plan import Change

BASE = "ou=tenants,dc=test"


def entry(dn: str, key: str = "", csn: str = "1", **attributes: list[str]) -> RawEntry:
    marks = {"gaspOwner": ["t_1/directory"], "gaspKey": [key], "entryCSN": [csn]} if key else {}
    return dn, {"objectClass": ["top", "GASPmanaged" if key else "device"], **marks, **attributes}


def test_an_entry_in_the_form_that_offerings_declare() -> None:
    seen = observed(
        entry(
            "CN=All,OU=groups,ou=fgw," + BASE,
            "directory:group/fgw/all",
            cn=["All"],
            member=["UID=b,dc=test", "uid=A, dc=test"],
            memberOf=["cn=x"],
            userPassword=["secret"],
        )
    )
    assert seen is not None
    assert seen.attributes == {
        "dn": f"cn=all,ou=groups,ou=fgw,{BASE}",
        "objectClass": ["gaspManaged"],
        "cn": ["All"],
        "member": ["uid=a,dc=test", "uid=b,dc=test"],
    }
    assert (seen.kind, seen.owner_marker, seen.token, seen.label) == ("directory.group", "t_1/directory", "1", "All")


@pytest.mark.parametrize("key", ["", "directory:other/x", "dns:fgw/A", "nonsense"])
def test_without_marks_that_we_know_it_is_foreign(key: str) -> None:
    assert observed(entry(f"cn=x,{BASE}", key)) is None


BLOCKS: list[tuple[str, dict[str, list[str]], set[str]]] = [
    (f"OU=fgw,{BASE}", {}, {"directory:ou/fgw"}),
    (f"ou=people,ou=fgw,{BASE}", {}, {"directory:ou/fgw/people"}),
    (f"cn=All,ou=groups,ou=fgw,{BASE}", {}, {"directory:group/fgw/All", "directory:group/fgw/all"}),
    (f"uid=fgw-scan,ou=services,ou=fgw,{BASE}", {}, {"directory:service/fgw/fgw-scan", "directory:service/fgw/scan"}),
    (f"uid=t01,ou=people,ou=fgw,{BASE}", {"uid": ["t01"]}, {"directory:person/p_1"}),
    (f"cn=x,ou=strange,ou=fgw,{BASE}", {"uid": ["t02", "t01"]}, {"directory:person/p_1"}),
    (f"cn=x,{BASE}", {}, set()),
    (f"cn=deep,ou=a,ou=b,ou=c,{BASE}", {}, set()),
    ("cn=#04, what is that", {}, set()),
]


@pytest.mark.parametrize(("dn", "attributes", "blocked"), BLOCKS, ids=[case[0] for case in BLOCKS])
def test_foreign_entries_say_what_they_block(dn: str, attributes: dict[str, list[str]], blocked: set[str]) -> None:
    found = foreign(entry(dn, **attributes), BASE, {"t01": "directory:person/p_1"}.get)
    assert set(found.blocks) == blocked
    assert found.label == dn


def test_a_copy_is_foreign_whichever_comes_first() -> None:
    old, new = entry(f"uid=a,{BASE}", "directory:person/p_1", "1"), entry(f"uid=b,{BASE}", "directory:person/p_1", "2")
    for order in ((old, new), (new, old)):
        ours, others = sort_out(order, BASE, None)
        assert ours["directory:person/p_1"].attributes["dn"] == f"uid=a,{BASE}"
        assert [f.id for f in others] == [f"directory:dn/uid=b,{BASE}"]


UNIT = f"ou=fgw,{BASE}"
HIDDEN: list[tuple[list[RawEntry], str | None]] = [
    ([], None),
    ([entry(UNIT)], None),
    ([entry(UNIT, hasSubordinates=["TRUE"])], f"*,{UNIT}"),
    ([entry(UNIT, hasSubordinates=["TRUE"]), entry(f"ou=people,{UNIT}", hasSubordinates=["FALSE"])], None),
    ([entry(f"ou=people,{UNIT}")], UNIT),
    ([(UNIT, {})], UNIT),
    ([(UNIT, {"objectClass": ["gaspManaged"], "gaspOwner": ["x"], "gaspKey": ["y"]})], UNIT),
]


@pytest.mark.parametrize(("entries", "missing"), HIDDEN)
def test_what_was_not_shown(entries: list[RawEntry], missing: str | None) -> None:
    assert hidden(entries, BASE) == missing


def test_moved_follows_what_is_above() -> None:
    renamed = {"ou=a,dc=test": "ou=b,dc=test", "cn=x,ou=a,dc=test": "cn=y,ou=b,dc=test"}
    assert moved("cn=z,ou=a,dc=test", renamed) == "cn=z,ou=b,dc=test"
    assert moved("cn=x,ou=a,dc=test", renamed) == "cn=y,ou=b,dc=test"
    assert moved("cn=z,ou=aa,dc=test", renamed) == "cn=z,ou=aa,dc=test"


ANSWERS = {
    "a reference in the answer": Answer(Result(0), [entry(BASE)], referrals=1),
    "a referral as the result": Answer(Result(10, BASE), []),
    "the size limit": Answer(Result(4), [entry(BASE)] * 500),
    "the time limit": Answer(Result(3), []),
    "busy": Answer(Result(51), []),
    "a missing base": Answer(Result(32, "dc=test"), []),
    "no access": Answer(Result(50), []),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_open_14_an_answer_that_is_not_whole(what: str, tmp_path: Any) -> None:
    driver = DirectoryDriver("127.0.0.1", 1, "x", tmp_path, "dc=test", "cn=cp", tmp_path)
    for base in (BASE, UNIT):
        conversation = driver._look(base, 2)
        next(conversation)
        conversation.send(Answer(Result(0), [entry(BASE)], cookie=b"more"))
        with pytest.raises(Incomplete):
            conversation.send(ANSWERS[what])


def change(
    action: Any, kind: str, name: str, before: str | None, after: str | None, member: list[str] | None = None
) -> Change:
    def content(dn: str | None) -> dict[str, Any] | None:
        return None if dn is None else {"dn": dn, **({"member": member or []} if kind == "group" else {})}

    phase = next(k.phase for k in KINDS if k.name == f"directory.{kind}")
    return Change(
        action, name, f"directory.{kind}", "directory:tenants", phase, "fgw", "t_1", "directory", "new", name,
        content(before), content(after), None, None,
    )  # fmt: skip


def test_order() -> None:
    given = [
        change("create", "group", "g new", None, "cn=g,ou=u"),
        change("delete", "group", "g old", "cn=h,ou=u", None),
        change("update", "group", "g held", "cn=i,ou=u", "cn=i,ou=u", ["uid=c,ou=u"]),
        change("create", "person", "newcomer", None, "uid=a,ou=u"),
        change("update", "person", "a to b", "uid=a,ou=u", "uid=b,ou=u"),
        change("update", "person", "b to c", "uid=b,ou=u", "uid=c,ou=u"),
        change("delete", "person", "leaver", "uid=c,ou=u", None),
        change("create", "unit", "unit", None, "ou=u"),
        change("create", "unit", "branch", None, "ou=people,ou=u"),
        change("delete", "unit", "old unit", "ou=v", None),
        change("delete", "unit", "old branch", "ou=people,ou=v", None),
    ]
    for changes in (given, given[::-1]):
        flat = [(b.prelude, {c.id for c in b.changes}) for _, listed in batches(changes) for b in listed]
        assert flat == [
            (False, {"unit"}),
            (False, {"branch"}),
            (False, {"g old"}),
            (False, {"leaver"}),
            (True, {"g held"}),
            (False, {"b to c"}),
            (False, {"a to b"}),
            (False, {"newcomer"}),
            (False, {"g new", "g held"}),
            (False, {"old branch"}),
            (False, {"old unit"}),
        ]
