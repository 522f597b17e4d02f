"""Estates to measure with: an empty one for the lab, workload W, and the generated one of 1,000 tenants.

Deterministic. W's tenants are the issue's: two record sets, a vhost with certificate, a unit with three groups.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from control_plane.model.network import GENERATED_FROM
from control_plane.workflow.documents import ESTATE_FILE, write_yaml
from tools.generate_estate import write_synthetic

W_TENANTS = 94
DOMAIN, BASE_DN = "qingdao.test", "dc=qingdao,dc=test"
GROUPS = (
    ("all", "全体人员", "Everybody"),
    ("approvers", "审批人", "Approvers"),
    ("site-editors", "网站编辑", "Site editors"),
)


def write_empty(out: Path) -> Path:
    """A centre that serves nobody: what the bench's lab is brought up with, so that it has no workstations."""
    document = {
        "version": 1,
        "name": "synthetic",
        "title": {"zh": "生成的单位集合", "en": "Generated estate"},
        "domain": DOMAIN,
        "base_dn": BASE_DN,
        "region_code": "370200",
        "provenance": "Generated for measurements; everything is invented.\n",
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / ESTATE_FILE).write_bytes(write_yaml(document))
    listed = {
        "code": "nobody",
        "names": {"zh": "无服务单位", "en": "Nobody"},
        "kind": "government_department",
        "status": "listed",
        "region_code": "370200",
    }
    (out / "nobody.yaml").write_bytes(write_yaml(listed))
    return out


def codes(count: int) -> list[str]:
    """Codes of the first `count` tenants of W."""
    return [f"t{number:05d}" for number in range(1, count + 1)]


def workload_document(code: str, index: int, aliases: tuple[str, ...] = ()) -> dict[str, Any]:
    """One tenant of W. An internal site has exactly an A and an AAAA record set; a public one also a CAA."""
    return {
        "code": code,
        "names": {"zh": f"第{index}局", "en": f"Bureau {index}"},
        "kind": "government_department",
        "status": "served",
        "region_code": "370200",
        "network": {"index": GENERATED_FROM + index},
        "subscriptions": [
            {
                "offering": "directory",
                "tier": "S",
                "spec": {
                    "groups": [{"name": n, "title": {"zh": zh, "en": en}} for n, zh, en in GROUPS],
                    "services": [],
                },
            },
            {
                "offering": "intranet",
                "tier": "S",
                "spec": {
                    "sites": [
                        {
                            "title": {"zh": f"第{index}局内网", "en": f"Bureau {index}: intranet"},
                            "names": {"main": main_name(code), "aliases": list(aliases)},
                            "source": {"kind": "starter"},
                        }
                    ]
                },
            },
        ],
    }


def main_name(code: str) -> str:
    """Main name of a tenant's site in W."""
    return f"{code}.intra.{DOMAIN}"


def write_workload(out: Path, tenants: int = W_TENANTS) -> Path:
    """Workload W for that many tenants."""
    write_empty(out)
    for index, code in enumerate(codes(tenants), 1):
        (out / f"{code}.yaml").write_bytes(write_yaml(workload_document(code, index)))
    return out


def write_large(out: Path, tenants: int, people: int) -> Path:
    """The generated estate: directory with people and services, an internal and a public site each."""
    write_synthetic(tenants, out, people=people)
    return out


def write_enrolled(source: Path, out: Path) -> Path:
    """A copy of an estate in which every tenant with a network has the service `security`, with its workstation in the
    first ring, so that an inventory and a wave are about all of them."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(source, out)
    for path in sorted(out.glob("*.yaml")):
        document = yaml.safe_load(path.read_text("utf-8"))
        if document.get("network"):
            path.write_bytes(write_yaml(enrolled(document)))
    return out


def enrolled(document: dict[str, Any]) -> dict[str, Any]:
    """A tenant's document with its one workstation in the first ring."""
    spec = {"machines": [{"name": document["code"], "ring": 1}]}
    others = [row for row in document.get("subscriptions", []) if row["offering"] != "security"]
    wanted = [*others, {"offering": "security", "tier": "M", "spec": spec}]
    return {**document, "status": "served", "subscriptions": wanted}
