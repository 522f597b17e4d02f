"""A centre that imports: real store, the real offerings, files written by the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from control_plane.model.errors import Invalid, Problem
from control_plane.model.network import plan_for
from control_plane.model.offering import HostView
from control_plane.offerings import discover
from control_plane.store.repository import Store
from control_plane.workflow.catalogue import Catalogue
from control_plane.workflow.documents import write_people, write_yaml
from control_plane.workflow.import_tenants import Importer
from tests.databases import database_url

REFERENCE = Path(__file__).parents[3] / "tenants" / "qingdao"
HOSTS = (
    HostView("web", "web", "10.94.0.14", "fd94::14", "198.51.100.80", "fd94:0:1:1::80"),
    HostView("intranet", "intranet", "10.94.0.15", "fd94::15"),
)
ESTATE = {
    "version": 1,
    "name": "qingdao",
    "title": {"zh": "青岛", "en": "Qingdao"},
    "domain": "qingdao.test",
    "base_dn": "dc=qingdao,dc=test",
    "region_code": "370200",
}


def public_site(*names: str) -> dict[str, Any]:
    site = {"title": {"zh": "网站", "en": "Site"}, "names": {"main": names[0], "aliases": list(names[1:])}}
    return {"offering": "public_site", "tier": "S", "spec": {"sites": [site]}}


def directory(*groups: str) -> dict[str, Any]:
    spec = {"groups": [{"name": name, "title": {"zh": "组", "en": "Group"}} for name in groups]}
    return {"offering": "directory", "tier": "S", "spec": spec}


def person(uid: str, *groups: str, **more: str) -> dict[str, Any]:
    return {"uid": uid, "family_name": "张", "display_name": "张三", "groups": list(groups), **more}


def tenant(code: str, index: int, *subscriptions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "names": {"zh": f"单位{code}", "en": code},
        "kind": "government_department",
        "status": "served",
        "network": {"index": index},
        "subscriptions": list(subscriptions),
        **more,
    }


class Office:
    """Writes files into `folder` and imports them."""

    def __init__(self, tmp_path: Path, folder: str = "estate") -> None:
        self.folder = tmp_path / folder
        (self.folder / "people").mkdir(parents=True)
        self.store = Store(database_url(tmp_path))
        self.store.upgrade()
        self.catalogue = Catalogue(self.store, discover, plan_for("lab"), lambda: HOSTS, 300, lambda estate: [])
        self.importer = Importer(self.store, self.catalogue.offerings, self.catalogue.estate)
        self.actor = self.store.actors.get("local:test")
        self.write("estate.yaml", ESTATE)

    def write(self, name: str, content: dict[str, Any] | str | bytes) -> Path:
        path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(write_yaml(data) if isinstance(data, dict) else data)
        return path

    def tenants(self, *documents: dict[str, Any]) -> None:
        for document in documents:
            self.write(f"{document['code']}.yaml", document)

    def people(self, code: str, *people: dict[str, Any]) -> None:
        self.write(f"people/{code}.csv", write_people(people))

    def bring(self, path: Path | None = None, **more: Any) -> dict[str, Any]:
        return self.importer.commit(path or self.folder, self.actor, **more)

    def problems(self, path: Path | None = None) -> Sequence[Problem]:
        """Problems of an import; asserts that it changed nothing and that the preview says the same."""
        before = self.state()
        for act in (self.importer.preview, self.bring):
            try:
                act(path or self.folder)
            except Invalid as error:
                found = error.problems
            else:
                raise AssertionError("the import was not refused")
        assert self.state() == before
        return found

    def found(self, path: Path | None = None) -> set[tuple[str | None, int | None, str | None, str]]:
        """(file, line, field, code) of each problem; asserts that each has a sentence and a remedy."""
        problems = self.problems(path)
        assert all(str(p.text) and p.remedy and str(p.remedy) for p in problems)
        return {(p.where, p.line, p.field, p.code) for p in problems}

    def state(self) -> list[Any]:
        estate = self.store.estate
        return [
            estate.document(),
            estate.tenants(ended=True),
            estate.subscriptions(ended=True),
            estate.allocations(),
        ]
