"""What is exported is what an import reads: importing it again changes nothing."""

from __future__ import annotations

import pytest

from control_plane.model.errors import NotFound, Rejected
from control_plane.workflow.documents import write_people, write_yaml
from control_plane.workflow.export_tenants import export_tenants
from tests.unit.workflow.importing import REFERENCE, Office


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    made = Office(tmp_path_factory.mktemp("export"))
    made.bring(REFERENCE)
    yield made
    made.store.close()


def test_export_and_import_again_is_nothing(office, tmp_path):
    files = export_tenants(office.store, tmp_path)["files"]
    assert len(files) == 1 + 113 + 94
    before = office.state()
    done = office.bring(tmp_path)
    assert (done["import"], done["update"], done["end"], done["estate"]) == (None, [], [], {})
    assert office.state() == before


def test_an_export_into_an_empty_centre_makes_the_same_estate(office, tmp_path):
    export_tenants(office.store, tmp_path / "out")
    other = Office(tmp_path)
    other.bring(tmp_path / "out")
    for centre in (office, other):
        assert len(centre.store.estate.tenants()) == 113
    assert [(s.id, s.tier, s.spec) for s in other.store.estate.subscriptions()] == [
        (s.id, s.tier, s.spec) for s in office.store.estate.subscriptions()
    ]
    other.store.close()


def test_people_are_written_as_the_reference_estate_has_them(office, tmp_path):
    export_tenants(office.store, tmp_path)
    changed = [
        file.name
        for file in sorted(REFERENCE.glob("people/*.csv"))
        if file.read_bytes() != (tmp_path / "people" / file.name).read_bytes()
    ]
    assert changed == ["gaj.csv"]  # the one with blanks around a name
    assert (tmp_path / "estate.yaml").read_bytes() == (REFERENCE / "estate.yaml").read_bytes()


def test_chosen_ones_only(office, tmp_path):
    assert export_tenants(office.store, tmp_path, ["fgw", "lgbj"])["files"] == [
        "estate.yaml",
        "fgw.yaml",
        "lgbj.yaml",
        "people/fgw.csv",
    ]
    with pytest.raises(NotFound, match="nobody"):
        export_tenants(office.store, tmp_path, ["fgw", "nobody"])


def test_a_folder_that_cannot_be_written(office, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Rejected):
        export_tenants(office.store, tmp_path / "file", ["fgw"])


def test_no_secrets_of_yaml_in_text():
    """Values that YAML would read as something else are quoted."""
    assert write_yaml({"a": "370200", "b": "no", "c": "- x", "d": "中 : 文"}).decode() == (
        "{a: '370200', b: 'no', c: '- x', d: '中 : 文'}\n"
    )
    assert write_people([{"uid": "a", "first_uid": "b"}]).decode().endswith("groups,first_uid\na,,,,,,,,,,b\n")
