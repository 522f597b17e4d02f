"""Imports as a whole: all problems together, whole or nothing, twice is once, and names of others stay theirs.

Case open-09 (a name of another tenant) is here as data.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from control_plane.model.errors import Invalid, StalePlan
from control_plane.model.network import GENERATED_FROM
from tests.unit.workflow.importing import REFERENCE, Office, directory, person, public_site, tenant
from tools.generate_estate import write_synthetic


@pytest.fixture
def office(tmp_path):
    made = Office(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def two(office):
    office.tenants(
        tenant("gaj", 1, directory("all"), public_site("gaj.qingdao.test")), tenant("wjmj", 2, directory("all"))
    )
    office.people("gaj", person("zhang", "all"), person("wang"))
    office.bring()
    return office


def test_reference_estate(office):
    preview = office.importer.preview(REFERENCE).as_json()
    done = office.bring(REFERENCE, digest=preview["digest"])
    assert (len(done["create"]), done["import"], done["encoding"]) == (113, 1, "UTF-8")
    rows = office.store.estate.tenants()
    assert [row.network_index for row in rows[:94]] == list(range(1, 95))
    counts: dict[str, int] = {}
    for row in office.store.estate.subscriptions():
        counts[row.offering] = counts.get(row.offering, 0) + 1
    assert counts == {
        "directory": 94, "intranet": 82, "public_site": 56, "internet": 82, "security": 62,
        "approval": 46, "mailbox": 75, "disclosure": 61,
    }  # fmt: skip
    people = [p for s in office.store.estate.subscriptions() for p in s.spec.get("people", ())]
    assert len(people) == len({p["uid"] for p in people}) == 10_000
    for row in office.store.estate.subscriptions():
        if row.offering == "directory":
            members = {g for p in row.spec["people"] for g in p["groups"]}
            assert members == {"all", "approvers", "site-editors"} == {g["name"] for g in row.spec["groups"]}
    order = [line.split(",") for line in (REFERENCE / "order.csv").read_text("utf-8").split()[1:]]
    assert [(code, int(index)) for code, index in order] == [(r.code, r.network_index) for r in rows[:94]]

    before = office.state()
    again = office.bring(REFERENCE)
    assert (again["import"], len(again["unchanged"])) == (None, 113)
    assert office.state() == before


def test_one_bad_file_of_94_refuses_all_and_says_which(office, tmp_path):
    for file in [*REFERENCE.glob("*.yaml"), *REFERENCE.glob("people/*.csv")]:
        target = office.folder / file.relative_to(REFERENCE)
        target.write_bytes(file.read_bytes())
    bad = (office.folder / "czj.yaml").read_text("utf-8").replace("tier: L", "tier: XL", 1)
    office.write("czj.yaml", bad)
    ((where, line, field, code),) = office.found()
    assert (where, field, code) == ("czj.yaml", "subscriptions[0].tier", "bad-value")
    assert bad.splitlines()[line - 1].strip() == "tier: XL"


def test_all_problems_of_all_files_at_once(office):
    office.tenants(
        tenant("gaj", 1, public_site("gaj.qingdao.test", "-x.gaj.qingdao.test")),
        tenant("czj", 1, kind=" "),
        tenant("fgw", 1, directory("all"), nonsense=1),
        tenant("wjmj", 2, parent="nobody"),
        tenant("xfj", 3, directory("all")),
        tenant("xfk", 3, directory("all")),
    )
    office.write("hbj.yaml", "code: [")
    office.people("xfj", person("zhang", "nogroup"), person("x"))
    found = {(where, code) for where, _, _, code in office.found()}
    assert found == {
        ("gaj.yaml", "bad-name"),
        ("czj.yaml", "bad-value"),
        ("fgw.yaml", "unknown-field"),
        ("wjmj.yaml", "unknown-parent"),
        ("xfk.yaml", "double-index"),
        ("hbj.yaml", "bad-yaml"),
        ("people/xfj.csv", "bad-value"),
    }


def test_same_code_in_two_files(office):
    office.tenants(tenant("gaj", 1))
    office.write("other.yaml", {**tenant("gaj", 2)})
    assert office.found() == {("other.yaml", 1, "code", "double-code")}


def test_parents_in_a_circle_are_named_once_each(office):
    office.tenants(tenant("aa", 1, parent="bb"), tenant("bb", 2, parent="aa"), tenant("cc", 3, parent="aa"))
    assert {(where, code) for where, _, _, code in office.found()} == {
        ("aa.yaml", "parent-cycle"),
        ("bb.yaml", "parent-cycle"),
    }


def test_shared_with_somebody_who_is_not_there(office):
    site = {
        "title": {"zh": "内网", "en": "Intranet"},
        "names": {"main": "gaj.intra.qingdao.test"},
        "shared_with": ["broken", "nobody"],
    }
    office.tenants(tenant("gaj", 1, {"offering": "intranet", "tier": "S", "spec": {"sites": [site]}}))
    office.write("broken.yaml", {**tenant("broken", 2), "kynd": "x"})
    assert {(where, field, code) for where, _, field, code in office.found()} == {
        ("broken.yaml", "kynd", "unknown-field"),
        ("gaj.yaml", "subscriptions[0].spec.sites[0].shared_with[1]", "unknown-tenant"),
    }


OPEN_09 = [
    "login.gaj.qingdao.test",
    "GAJ.qingdao.test.",
    "*.qingdao.test",
    "qingdao.test",
    "a.wjmj.qingdao.test.gaj.qingdao.test",
    "公安.gaj.qingdao.test",
    "gaj。qingdao。test",
]


@pytest.mark.parametrize("place", ["main", "alias"])
@pytest.mark.parametrize("asked", OPEN_09)
def test_open_09_names_of_another_tenant_are_refused(two, asked, place):
    names = (asked,) if place == "main" else ("wjmj.qingdao.test", asked)
    two.tenants(tenant("wjmj", 2, directory("all"), public_site(*names)))
    found = two.problems()
    field = "subscriptions[1].spec.sites[0].names." + ("main" if place == "main" else "aliases[0]")
    assert {(p.where, p.field) for p in found} == {("wjmj.yaml", field)}
    assert not any("单位gaj" in str(p.text) or "公安局" in str(p.text) for p in found)


def test_a_uid_of_another_tenant_is_refused_with_its_line(two):
    two.people("wjmj", person("lin"), person("wang"))
    assert two.found() == {("people/wjmj.csv", 3, "uid", "taken")}


def test_the_same_uid_in_two_files_of_one_import(office):
    office.tenants(tenant("gaj", 1, directory("all")), tenant("wjmj", 2, directory("all")))
    office.people("gaj", person("zhang"))
    office.people("wjmj", person("zhang"))
    assert office.found() == {("people/wjmj.csv", 2, "uid", "taken")}


def test_update_end_absent_and_estate_are_shown_and_done(two):
    two.tenants(tenant("gaj", 1, directory("all", "more"), names={"zh": "市公安局", "en": "Police"}))
    (two.folder / "wjmj.yaml").unlink()
    two.people("gaj", person("zhang", "all", title="处长"), person("lin"))
    preview = two.importer.preview(two.folder).as_json()
    assert preview["update"] == [
        {
            "code": "gaj",
            "fields": [
                "names.zh",
                "names.en",
                "subscriptions.directory.spec.people",
                "subscriptions.directory.spec.groups",
                "subscriptions.public_site",
            ],
        }
    ]
    assert (preview["end"], preview["absent"], preview["unchanged"]) == (["gaj/public_site"], ["wjmj"], [])
    fields = {d["field"]: (d["before"], d["after"]) for d in two.importer.diff(two.folder)["differences"]}
    assert fields["names.en"] == ("gaj", "Police")
    assert fields["subscriptions.directory.spec.people[zhang].title"] == (None, "处长")
    assert fields["subscriptions.directory.spec.people[wang]"][1] is None
    two.bring()
    assert [row.code for row in two.store.estate.tenants()] == ["gaj", "wjmj"]
    assert [row.id for row in two.store.estate.subscriptions()] == ["gaj/directory", "wjmj/directory"]
    assert [r.cause for r in two.store.estate.revisions("gaj/directory")] == ["import 1", "import 2"]


def test_a_single_file_without_people_beside_it_keeps_the_people(two, tmp_path):
    document = tenant("gaj", 1, directory("all", "more"), public_site("gaj.qingdao.test"))
    two.tenants(document)
    single = tmp_path / "gaj.yaml"
    single.write_bytes((two.folder / "gaj.yaml").read_bytes())
    done = two.bring(single)
    assert (done["update"][0]["fields"], done["absent"]) == (["subscriptions.directory.spec.groups"], [])
    people = next(s for s in two.store.estate.subscriptions() if s.id == "gaj/directory").spec["people"]
    assert [p["uid"] for p in people] == ["zhang", "wang"]
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "gaj.csv").write_text("uid,family_name,display_name\n")
    two.bring(single)
    assert next(s for s in two.store.estate.subscriptions() if s.id == "gaj/directory").spec["people"] == []


def test_what_cannot_change_once_there_are_tenants(two):
    text = (two.folder / "estate.yaml").read_text("utf-8").replace("domain: qingdao.test", "domain: other.test")
    two.write("estate.yaml", text)
    found = two.found()
    assert ("estate.yaml", 4, "domain", "fixed") in found


def test_a_digest_guards_against_files_that_changed(two):
    digest = two.importer.preview(two.folder).digest
    two.tenants(tenant("wjmj", 2, directory("all", "more")))
    before = two.state()
    with pytest.raises(StalePlan):
        two.bring(digest=digest)
    assert two.state() == before


def test_a_digest_guards_against_somebody_elses_import_in_between(two, tmp_path):
    """The files are the same, but by now they would take back what the other import did."""
    two.tenants(tenant("wjmj", 2, directory("all", "mine")))
    digest = two.importer.preview(two.folder).digest
    other = tmp_path / "wjmj.yaml"
    other.write_bytes((two.folder / "wjmj.yaml").read_bytes().replace(b"mine", b"theirs"))
    two.bring(other)
    with pytest.raises(StalePlan):
        two.bring(digest=digest)
    assert [r.cause for r in two.store.estate.revisions("wjmj/directory")] == ["import 1", "import 2"]


def test_status_network_only_has_no_sites(office):
    office.tenants(tenant("shinan", 83, directory("all"), public_site("shinan.qingdao.test"), status="network_only"))
    assert {item[2:] for item in office.found()} == {("subscriptions[1].offering", "network-only")}


def bring_in_a_process(arguments: tuple[str, str, int]) -> str:
    root, code, index = arguments
    office = Office(Path(root), folder=code)
    office.tenants(tenant(code, index, directory("all")))
    office.people(code, *(person(f"{code}{n:03d}", "all") for n in range(40)), person("thesame"))
    try:
        office.bring(office.folder / f"{code}.yaml")
    except Invalid as error:
        return error.problems[0].code
    finally:
        office.store.close()
    return "done"


def test_two_imports_at_once_come_one_after_the_other(two, tmp_path):
    """Both want the uid “thesame”: one gets it, the other is refused whole."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        answers = pool.map(bring_in_a_process, [(str(tmp_path), "aaj", 11), (str(tmp_path), "bbj", 12)], chunksize=1)
    assert sorted(answers) == ["done", "taken"]
    winner = ("aaj", "bbj")[answers.index("done")]
    assert {row.code for row in two.store.estate.tenants()} == {"gaj", "wjmj", winner}
    numbers = [v for (pool_, _), v in two.store.estate.allocations().items() if pool_ == "uid_number"]
    assert len(numbers) == len(set(numbers)) == 2 + 41


def test_generated_estate_uses_the_generated_addresses(office, tmp_path):
    write_synthetic(20, tmp_path / "many", people=200)
    done = office.bring(tmp_path / "many")
    assert len(done["create"]) == 20
    assert office.store.estate.tenants()[0].network_index == GENERATED_FROM
    assert sum(len(s.spec.get("people", ())) for s in office.store.estate.subscriptions()) == 200
    assert not office.catalogue.world().broken


def test_generated_estates_are_the_same_every_time(tmp_path):
    for name in ("one", "two"):
        write_synthetic(5, tmp_path / name, people=60)
    files = [path.relative_to(tmp_path / "one") for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
    assert len(files) == 1 + 5 + 5
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_the_reference_estate_says_what_it_is_and_holds_awkward_names():
    text = (REFERENCE / "estate.yaml").read_text("utf-8")
    assert "ILLUSTRATIVE" in text
    assert "not checked" in text
    people = "".join(file.read_text("utf-8") for file in REFERENCE.glob("people/*.csv"))
    for piece in ("·", "𪚥", "O'Brien", "欧阳", '""老王""', "'=SUM", "Smith, John", "Nguyễn", "\\"):
        assert piece in people
