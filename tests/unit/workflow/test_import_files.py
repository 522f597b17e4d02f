"""Bad files: every kind is refused with file, line, field and remedy, and nothing changes."""

from __future__ import annotations

import codecs

import pytest

from control_plane.workflow.documents import decode, read_people, write_people
from tests.unit.workflow.importing import Office, directory, person, public_site, tenant

GOOD = """\
code: fgw
names: {zh: 市发展和改革委员会, en: Development}
kind: government_department
network: {index: 1}
subscriptions:
- offering: directory
  spec:
    groups:
    - {name: all, title: {zh: 全体, en: All}}
"""


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.store.close()


#: what is put in place of what in GOOD → (line, field, code) of each problem
FAULTS = {
    "unknown field": ("kind: ", "kynd: ", {(1, "kind", "missing-field"), (3, "kynd", "unknown-field")}),
    "wrong type": ("{index: 1}", "{index: one}", {(4, "network.index", "bad-value")}),
    "list instead of fields": ("{index: 1}", "[1]", {(4, "network", "bad-value")}),
    "text that is a number": ("kind: government_department", "kind: 370200", {(3, "kind", "bad-value")}),
    "text that is true": ("en: Development", "en: on", {(2, "names.en", "bad-value")}),
    "text that is a date": ("en: Development", "en: 2007-12-31", {(2, "names.en", "bad-value")}),
    "impossible date": ("kind: ", "valid_from: 2007-13-45\nkind: ", {(3, None, "bad-value")}),
    "index too small": ("{index: 1}", "{index: 0}", {(4, "network.index", "bad-value")}),
    "index without subnet": ("{index: 1}", "{index: 300}", {(4, "network.index", "no-subnet")}),
    "bad code": ("code: fgw", "code: FGW!", {(1, "code", "bad-value")}),
    "reserved code": ("code: fgw", "code: mail", {(1, "code", "reserved-code")}),
    "bad region": ("kind: ", "region_code: '110000'\nkind: ", {(3, "region_code", "foreign-region")}),
    "region not quoted": ("kind: ", "region_code: 370200\nkind: ", {(3, "region_code", "bad-value")}),
    "bad period": (
        "kind: ",
        "valid_from: 2007-01-01\nvalid_to: 2006-01-01\nkind: ",
        {(4, "valid_to", "bad-period")},
    ),
    "bad status": ("kind: ", "status: gone\nkind: ", {(3, "status", "bad-value")}),
    "no network": ("network: {index: 1}\n", "", {(1, "network", "no-network")}),
    "listed with services": (
        "kind: ",
        "status: listed\nkind: ",
        {(5, "network", "listed"), (7, "subscriptions[0].offering", "listed")},
    ),
    "unknown parent": ("kind: ", "parent: nobody\nkind: ", {(3, "parent", "unknown-parent")}),
    "own parent": ("kind: ", "parent: fgw\nkind: ", {(3, "parent", "parent-cycle")}),
    "double key": ("kind: ", "code: fgw\nkind: ", {(3, "code", "double-key")}),
    "unknown offering": ("directory", "telepathy", {(6, "subscriptions[0].offering", "unknown-offering")}),
    "offering twice": (
        "- offering: directory\n",
        "- offering: directory\n- offering: directory\n",
        {(7, "subscriptions[1].offering", "double-offering")},
    ),
    "settings of a declared offering": (
        "- offering: directory\n",
        "- offering: mailbox\n",
        {(7, "subscriptions[0].spec", "no-settings")},
    ),
    "unknown field in a spec": ("    groups:", "    grups:", {(8, "subscriptions[0].spec.grups", "unknown-field")}),
    "bad value in a spec": (
        "name: all",
        "name: A L L",
        {(9, "subscriptions[0].spec.groups[0].name", "bad-value")},
    ),
    "tab": ("  spec:", "\tspec:", {(7, None, "tab")}),
    "broken quotes": ("en: Development", "en: 'Development", {(10, None, "bad-yaml")}),
    "alias": ("{index: 1}", "&n {index: 1}\nparent: *n", {(5, None, "alias"), (5, "parent", "bad-value")}),
    "tag": ("{index: 1}", "!!python/object/new:os.system ['true']", {(4, None, "tag"), (4, "network", "bad-value")}),
    "two documents": ("subscriptions:", "---\nsubscriptions:", {(5, None, "several-documents")}),
    "control character": ("Development", "Devel\x01opment", {(2, None, "bad-character")}),
    "a list": (GOOD, "- a\n- b\n", {(1, None, "no-mapping")}),
    "only a comment": (GOOD, "# nothing\n", {(1, None, "no-mapping")}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_one_file(office, name):
    old, new, expected = FAULTS[name]
    assert old in GOOD
    office.write("fgw.yaml", GOOD.replace(old, new, 1))
    found = office.found()
    assert {where for where, _, _, _ in found} == {"fgw.yaml"}
    if name == "impossible date":
        assert {(line, code) for _, line, _, code in found} >= {(3, "bad-value")}
    elif name == "alias":
        assert (5, None, "alias") in {item[1:] for item in found}
    else:
        assert {item[1:] for item in found} == expected


def test_the_good_file_is_good(office):
    office.write("fgw.yaml", GOOD)
    assert office.bring()["create"] == ["fgw"]


CONTENT = {
    "empty": (b"", "empty-file"),
    "blanks": (b" \n\n", "empty-file"),
    "binary": (b"\x7fELF\0\0\1", "binary-file"),
    "UTF-16": (codecs.BOM_UTF16_LE + GOOD.encode("utf-16-le"), "wrong-encoding"),
    "Latin-1": ("names: Müllerß\n".encode("latin-1") * 3, "wrong-encoding"),
    "half a character": (GOOD.encode() + b"# \xe5\x9b", "wrong-encoding"),
    "deep": (b"a: " + b"[" * 30, "too-deep"),
    "very deep": (b"a: " + b"[" * 100_000, "bad-yaml"),
    "long": (b"a: [" + b"1," * 60_000 + b"1]", "too-many-values"),
    "huge": (b"#" * (5 << 20), "too-large"),
    "laughs": (
        b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 9)),
        "alias",
    ),
    "eats itself": (b"&a [*a]", "alias"),
}


@pytest.mark.parametrize("name", CONTENT)
def test_content_that_is_no_document(office, name):
    content, code = CONTENT[name]
    office.write("fgw.yaml", content)
    found = office.found()
    assert code in {item[3] for item in found}
    assert {item[0] for item in found} == {"fgw.yaml"}


@pytest.mark.parametrize(
    ("codec", "said"),
    [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8 with BOM"), ("gb18030", "GB18030")],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(office, codec, said, newline):
    office.write("fgw.yaml", GOOD.replace("\n", newline).encode(codec))
    preview = office.importer.preview(office.folder)
    assert preview.encodings["fgw.yaml"] == said
    assert office.bring()["create"] == ["fgw"]
    assert office.store.estate.tenants()[0].names.zh == "市发展和改革委员会"


def test_gb18030_holds_all_of_unicode():
    text = "𠮷田 𪚥 Müller Nguyễn 买买提·阿卜杜热合曼"
    assert decode(text.encode("gb18030"), "x") == (text, "GB18030", None)


def test_no_folder_no_file_no_tenants(office, tmp_path):
    assert {p.code for p in office.problems(tmp_path / "nowhere.yaml")} == {"no-file", "no-estate"}
    assert {p.code for p in office.problems()} == {"empty-folder"}
    (office.folder / "estate.yaml").unlink()
    office.write("fgw.yaml", GOOD)
    assert office.found() == {("estate.yaml", None, None, "no-estate")}
    (office.folder / "loop.yaml").symlink_to(office.folder)
    assert ("loop.yaml", None, None, "no-file") in office.found()


def test_a_bad_estate_file_is_named_and_tenants_are_looked_at_too(office):
    office.write("estate.yaml", "version: 2\nname: x\n")
    office.write("fgw.yaml", GOOD.replace("kind: ", "kynd: "))
    found = office.found()
    assert ("estate.yaml", 1, "version", "bad-value") in found
    assert ("estate.yaml", 1, "domain", "missing-field") in found
    assert ("fgw.yaml", 3, "kynd", "unknown-field") in found


PEOPLE = {
    "unknown column": ("uid,colour\na,b\n", {(1, None, "bad-header")}),
    "no uid": ("family_name\n张\n", {(1, None, "bad-header")}),
    "column twice": ("uid,uid\na,b\n", {(1, None, "bad-header")}),
    "too few cells": ("uid,family_name,display_name\nzhang\n", {(2, None, "bad-row")}),
    "broken quotes": ('uid,family_name\n"zhang"x,张\n', {(2, None, "bad-csv")}),
    "missing value": ("uid,family_name,display_name\nzhang,张,\n", {(2, "display_name", "missing-field")}),
    "bad uid": (
        "uid,family_name,display_name\n\nT06,张,张\nok1,张,张\n",
        {(3, "uid", "bad-value")},
    ),
    "uid with a branch": ('uid,family_name,display_name\n"t06,ou=admins",王,王五\n', {(2, "uid", "bad-value")}),
    "unknown group": (
        "uid,family_name,display_name,groups\nzhang,张,张,all;nobody\n",
        {(2, "groups[1]", "unknown-group")},
    ),
    "same uid": (
        "uid,family_name,display_name\nzhang,张,张\nzhang,张,张\n",
        {(3, "uid", "double")},
    ),
    "binary": ("uid\0\n", {(None, None, "binary-file")}),
    "empty": ("", {(None, None, "empty-file")}),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_fault_of_a_people_file(office, name):
    text, expected = PEOPLE[name]
    office.tenants(tenant("fgw", 1, directory("all")))
    office.write("people/fgw.csv", text)
    found = office.found()
    assert {item[0] for item in found} == {"people/fgw.csv"}
    assert {item[1:] for item in found} >= expected


def test_people_that_nobody_takes(office):
    office.tenants(tenant("fgw", 1, public_site("fgw.qingdao.test")))
    office.people("fgw", person("zhang"))
    office.people("czj", person("wang"))
    assert office.found() == {
        ("people/fgw.csv", 1, None, "unused-people"),
        ("people/czj.csv", None, None, "people-without-tenant"),
    }


AWKWARD = [
    "买买提·阿卜杜热合曼", "𠮷田", "王", "O'Brien", '王小明 "老王"', '张三, "小张" + 1 \\ <测试>;=#', "#123",
    "=SUM(A1)", "@周", "+吴", "-郑", "'=quoted", "''=twice", "'plain", "Smith, John", "刘\u3000洋", "*)(uid=*",
]  # fmt: skip


def test_awkward_names_come_back_as_typed():
    rows = [person(f"p{n:02d}", "all", display_name=name) for n, name in enumerate(AWKWARD)]
    people, problems = read_people(write_people(rows).decode(), "people/x.csv")
    assert problems == []
    assert people.rows == rows


def test_blanks_around_values_are_left_out_and_said(office):
    office.tenants(tenant("fgw", 1, directory("all")))
    office.write("people/fgw.csv", "uid,family_name,display_name\nzhang,张,' 李四\nwang,王,  李四 \n")
    preview = office.importer.preview(office.folder)
    assert [(p.where, p.line, p.code) for p in preview.warnings] == [("people/fgw.csv", 3, "trimmed")]
    office.bring()
    assert [p["display_name"] for p in office.store.estate.subscriptions()[0].spec["people"]] == ["' 李四", "李四"]
