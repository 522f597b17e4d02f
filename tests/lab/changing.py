"""Changed copies of the small estate, to have something to apply."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import SMALL, Centre


def grown(tmp_path: Path, centre: Centre, tag: str, codes: Iterable[str] = ("fgw", "czj", "gaj")) -> Path:
    """Export what is desired now and add to each tenant an alias and a person, both named after `tag`."""
    folder = tmp_path / f"grown-{tag}"
    centre.run("tenants", "export", str(folder))
    for code in codes:
        path = folder / f"{code}.yaml"
        document = yaml.safe_load(path.read_text("utf-8"))
        for subscription in document["subscriptions"]:
            if subscription["offering"] == "public_site":
                subscription["spec"]["sites"][0]["names"].setdefault("aliases", []).append(f"{tag}.{code}.qingdao.test")
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")
        people = folder / "people" / f"{code}.csv"
        row = f"{tag}.{code},测,试{tag},测试{tag},ceshi,,,,,all\n"
        people.write_text(people.read_text("utf-8") + row, "utf-8")
    return folder


def copy_of_small(target: Path) -> Path:
    """A copy of the small estate's folder."""
    shutil.copytree(SMALL, target)
    return target


def edit(path: Path, change: Any) -> None:
    """Load a YAML document, let `change(document)` alter it, and write it back."""
    document = yaml.safe_load(path.read_text("utf-8"))
    change(document)
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), "utf-8")
