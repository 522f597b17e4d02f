"""Writes estates: `qingdao SEED OUT` makes the reference data from a list of organs, `synthetic N OUT` an invented one.

Deterministic: the same arguments give the same bytes. Run by hand (`python -m tools.generate_estate`); the result
is committed, so nothing of the product or its tests needs the list of organs.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from control_plane.model.network import GENERATED_FROM
from control_plane.workflow.documents import ESTATE_FILE, PEOPLE_FOLDER, write_people, write_yaml
from tools.generate_people import People

PEOPLE = 10_000
SEATS = (("S", 50), ("M", 200), ("L", 1000))
ORDER = ("directory", "intranet", "public_site", "internet", "security", "approval", "mailbox", "disclosure")
BIG = {"gaj": 900, "jyj": 420, "wsj": 380, "czj": 260, "szfbgt": 260, "rsj": 230, "jszx": 120, "gtfgj": 240, "hbj": 210}
#: Workstations that get every patch first, and how many more get it before the rest.
PILOTS, BROAD = ("fgw", "jszx", "kjj", "tjj"), 30
OPEN_TO_ALL = ("szfbgt", "jszx", "rsj", "fzb")
SHARED = {
    "fgw": ["czj", "jmw", "tjj"],
    "czj": ["fgw", "sjj"],
    "hbj": ["hyyyj", "slj"],
    "gaj": ["sfj"],
    "zzb": ["rsj", "bwb"],
    "jyj": ["kjj"],
    "ajj": ["gaj", "jtw", "jw"],
    "wsj": ["yjj", "rkjsw"],
}
IDN_ALIASES = {
    "fgw": "发改委",
    "jyj": "教育",
    "gaj": "公安",
    "czj": "财政",
    "hbj": "环保",
    "lvyj": "旅游",
    "wsj": "卫生",
    "jtw": "交通",
    "jszx": "计算机中心",
    "hyyyj": "海洋与渔业",
}
PROVENANCE = """\
Municipal organs of Qingdao at the end of 2007, before the reforms of 2009 and 2010. Their names come from general
knowledge of the institutional structure of that time and were not checked against an official list.
Codes are DNS labels made up for this product (initials in pinyin), not official codes. Which organ uses which
service, the tiers, the site marks (organiser, filings, identification codes) and which intranet sites are shared
are ILLUSTRATIVE: chosen so that the totals are the published ones (56 public sites, 82 intranet, 62 secured,
46 with approval, 63 mailboxes, 61 in disclosure). Do not read them as facts about any one organ.
All people, numbers, addresses and telephone numbers are invented; names end in .test.
Network indices: the 82 served departments in the order of the list (1 to 82), then the 12 districts (83 to 94).
Listed organs have a reserved code and no network.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    qingdao = commands.add_parser("qingdao", help="the reference estate")
    qingdao.add_argument("seed", type=Path, help="YAML list of organs: districts and departments")
    qingdao.add_argument("out", type=Path)
    synthetic = commands.add_parser("synthetic", help="an invented estate")
    synthetic.add_argument("tenants", type=int)
    synthetic.add_argument("out", type=Path)
    synthetic.add_argument("--people", type=int, default=PEOPLE)
    chosen = parser.parse_args(arguments)
    if chosen.command == "qingdao":
        write_qingdao(chosen.seed, chosen.out)
    else:
        write_synthetic(chosen.tenants, chosen.out, people=chosen.people)


def write_qingdao(seed: Path, out: Path) -> None:
    """The reference estate from a list of organs."""
    listing = yaml.load(seed.read_bytes(), yaml.CSafeLoader)
    departments, districts = listing["departments"], listing["districts"]
    networked = [d for d in departments if d["status"] == "served"] + districts
    index = {organ["code"]: number for number, organ in enumerate(networked, 1)}
    counts = _spread(PEOPLE, [d["code"] for d in networked], BIG)
    people = People(seed=370200, domain="qingdao.test")
    estate = {
        "version": 1,
        "name": "qingdao",
        "title": {"zh": "青岛市电子政务", "en": "Qingdao e-government"},
        "domain": "qingdao.test",
        "base_dn": "dc=qingdao,dc=test",
        "region_code": "370200",
        "provenance": PROVENANCE,
    }
    _write_estate(out, estate)
    with (out / "order.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["code", "index"])
        writer.writerows((organ["code"], index[organ["code"]]) for organ in networked)
    secured = sorted(d["code"] for d in networked if "security" in d["services"])
    broad = [code for code in secured if code not in PILOTS][:BROAD]
    rings = {code: 1 if code in PILOTS else 2 if code in broad else 3 for code in secured}
    for organ in [*departments, *districts]:
        code = organ["code"]
        if code in rings:
            organ["ring"] = rings[code]
        short = organ.get("short_zh", organ["name_zh"])
        names = {"zh": organ["name_zh"], **({"short_zh": short} if short != organ["name_zh"] else {})}
        document: dict[str, Any] = {
            "code": code,
            "names": {**names, "en": organ["name_en"]},
            "kind": organ["kind"],
            "status": organ["status"],
            "region_code": organ.get("region_code", "370200"),
        }
        rows: list[dict[str, Any]] = []
        if code in index:
            rows = people.of_tenant(counts[code])
            document["network"] = {"index": index[code]}
            document["contacts"] = [_contact(rows[0], "liaison"), _contact(rows[1], "technical")]
            document["subscriptions"] = [
                _subscription(offering, organ, index[code], len(rows))
                for offering in ORDER
                if offering in organ["services"]
            ]
        _write_tenant(out, document, rows)


def write_synthetic(tenants: int, out: Path, *, people: int = PEOPLE, first_index: int = GENERATED_FROM) -> None:
    """An invented estate of `tenants` departments `t00001` … with directory, intranet and public site."""
    codes = [f"t{number:05d}" for number in range(1, tenants + 1)]
    _write_estate(
        out,
        {
            "version": 1,
            "name": "synthetic",
            "title": {"zh": "生成的单位集合", "en": "Generated estate"},
            "domain": "qingdao.test",
            "base_dn": "dc=qingdao,dc=test",
            "region_code": "370200",
            "provenance": "Generated for measurements; everything is invented.\n",
        },
    )
    counts = _spread(people, codes, {})
    maker = People(seed=tenants, domain="qingdao.test")
    for number, code in enumerate(codes):
        rows = maker.of_tenant(counts[code])
        organ = {"code": code, "name_zh": f"第{number + 1}局", "name_en": f"Bureau {number + 1}"}
        document = {
            "code": code,
            "names": {"zh": organ["name_zh"], "en": organ["name_en"]},
            "kind": "government_department",
            "status": "served",
            "region_code": "370200",
            "network": {"index": first_index + number},
            "subscriptions": [_subscription(offering, organ, number + 1, len(rows)) for offering in ORDER[:3]],
        }
        _write_tenant(out, document, rows)


def _write_estate(out: Path, estate: dict[str, Any]) -> None:
    (out / PEOPLE_FOLDER).mkdir(parents=True, exist_ok=True)
    (out / ESTATE_FILE).write_bytes(write_yaml(estate))


def _write_tenant(out: Path, document: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    (out / f"{document['code']}.yaml").write_bytes(write_yaml(document))
    if rows:
        (out / PEOPLE_FOLDER / f"{document['code']}.csv").write_bytes(write_people(rows))


def _spread(total: int, codes: Sequence[str], fixed: dict[str, int]) -> dict[str, int]:
    """`total` people over `codes`: some fixed, the rest by a seeded weight, exact in sum."""
    chance = random.Random(total)
    weights = {code: chance.uniform(0.25, 1.6) for code in codes if code not in fixed}
    rest = total - sum(fixed.values())
    scale = rest / sum(weights.values())
    counts = {code: fixed.get(code) or int(weights[code] * scale) for code in codes}
    for code in sorted(weights)[: total - sum(counts.values())]:
        counts[code] += 1
    return counts


def _contact(person: dict[str, Any], role: str) -> dict[str, Any]:
    return {"name": person["display_name"].strip(), "phone": person["phone"], "email": person["mail"], "role": role}


def _subscription(offering: str, organ: dict[str, Any], index: int, people: int) -> dict[str, Any]:
    code = organ["code"]
    title = {"zh": organ["name_zh"], "en": organ["name_en"]}
    seats = next(tier for tier, limit in SEATS if people <= limit)
    spec: dict[str, Any] = {}
    tier = seats if offering in ("internet", "security") else ("S", "M", "S", "S", "L")[index % 5]
    if offering == "directory":
        tier = seats
        spec = {
            "groups": [
                {"name": "all", "title": {"zh": "全体人员", "en": "Everybody"}},
                {"name": "approvers", "title": {"zh": "审批人", "en": "Approvers"}},
                {"name": "site-editors", "title": {"zh": "网站编辑", "en": "Site editors"}},
            ],
            "services": [{"name": "scanner", "title": {"zh": "扫描仪", "en": "Scanner"}}]
            + ([{"name": "backup", "title": {"zh": "备份", "en": "Backup"}}] if index % 2 else []),
        }
    elif offering == "intranet":
        site: dict[str, Any] = {
            "title": {"zh": f"{title['zh']}内网", "en": f"{title['en']}: intranet"},
            "names": {"main": f"{code}.intra.qingdao.test", "aliases": []},
            "source": {"kind": "starter"},
        }
        if code in OPEN_TO_ALL or code in SHARED:
            site["shared_with"] = ["*"] if code in OPEN_TO_ALL else SHARED[code]
        spec = {"sites": [site]}
    elif offering == "public_site":
        aliases = [f"www.{code}.qingdao.test"]
        aliases += [f"{IDN_ALIASES[code]}.{code}.qingdao.test"] if code in IDN_ALIASES else []
        marks = {
            "organiser": organ["name_zh"],
            "icp": f"鲁ICP备{5000000 + index:08d}号-1",
            "police": f"鲁公网安备 370202{index:08d}号",
            "site_code": f"370200{index:04d}",
        }
        spec = {
            "sites": [
                {
                    "title": title,
                    "names": {"main": f"{code}.qingdao.test", "aliases": aliases},
                    "source": {"kind": "starter"},
                    "marks": marks,
                }
            ]
        }
    elif offering == "security":
        spec = {"machines": [{"name": code, "ring": organ["ring"]}]} if "ring" in organ else {}
    return {"offering": offering, "tier": tier, "spec": spec}


if __name__ == "__main__":
    main()
