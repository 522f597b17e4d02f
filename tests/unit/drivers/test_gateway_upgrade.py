"""A gateway of the version whose role kept categories: what was begun is finished, what is left goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from control_plane.drivers.gateway_apply import Apply
from control_plane.drivers.gateway_state import GatewayLayout
from control_plane.model.internet import PROXY, list_hash

LAN = {"tenant": "fgw", "v4": "10.94.7.0/24", "v6": "fd94:0:2:7::/64"}
VIDEO = [".video.test"]
CONF = "/etc/squid/gasp/fgw.conf"
OLD = "/etc/squid/gasp/categories/"


class Gateway:
    """Its files, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (
            "etc/gasp/gateway/tenants",
            "etc/squid/gasp/categories",
            "var/lib/gasp/gateway",
            "var/log/squid",
        ):
            (root / folder).mkdir(parents=True)
        for name in ("malware", "gambling", "adult", "video", "ours"):
            self.real(OLD + name).write_text(".some.test\n")
        (root / "var/lib/gasp/ready").touch()
        (root / "etc/gasp/gateway/site.json").write_text("{}")
        (root / "etc/squid/squid.conf").write_text("include /etc/squid/gasp/*.conf\n")
        log = root / "var/log/squid/cache.log"
        reload = ["sh", "-c", f"echo Accepting HTTP Socket connections >> {log}"]
        self.options = {"root": str(root), "parse": ["true"], "conntrack": ["true"], "reload": reload}
        self.layout = GatewayLayout(self.options)

    def real(self, path: str) -> Path:
        return self.root / path.removeprefix("/")

    def apply(self, *changes: dict[str, Any], lists: Any = None) -> list[str]:
        """States of the outcomes."""
        said: list[str] = []

        def emit(kind: str, **fields: Any) -> None:
            said.extend([fields["state"]] if "state" in fields else [])

        Apply(self.layout, {"options": self.options, "changes": changes, "lists": lists or {}}, emit).run()
        return said

    def categories(self) -> list[str]:
        return sorted(path.name for path in self.real(OLD).iterdir())


def attributes(**more: Any) -> dict[str, Any]:
    rule = {
        **{"id": "centre-video", "action": "block", "hosts": [], "category": "video", "hours": None, **more},
        **{"owner": "centre", "since": "2026-11-01", "reason_zh": "", "reason_en": ""},
    }
    return {**LAN, "enabled": True, "otherwise": "allow", "rules": [rule]}


def test_what_an_older_version_began_is_finished_and_its_lists_go_with_the_last_rules_that_name_them(
    tmp_path: Path,
) -> None:
    gateway = Gateway(tmp_path)
    entry = {
        **{"kind": PROXY, "owner": "t_1/internet", "label": "", "attributes": attributes(), "number": 2, "live": {}},
        **{"files": {CONF: "0"}},
    }
    text = f'acl t_fgw_0_names dstdomain -n "{OLD}video"\n'
    journal = {"entries": {"gateway:fgw/proxy": entry}, "files": {CONF: text}, "removed": [], "ended": []}
    gateway.layout.journal.write_text(json.dumps(journal))
    assert gateway.apply() == []
    assert not gateway.layout.journal.exists(), "it was finished"
    assert gateway.real(CONF).read_text() == text
    assert gateway.categories() == ["ours", "video"], "what rules name stays, and what is not ours"
    change = {
        **{"action": "update", "id": "gateway:fgw/proxy", "kind": PROXY, "owner": "t_1/internet", "label": ""},
        **{"attributes": attributes(listed=list_hash(VIDEO)), "token": token(gateway)},
    }
    assert gateway.apply(change, lists={list_hash(VIDEO): VIDEO}) == ["applied"]
    assert gateway.categories() == ["ours", f"video-{list_hash(VIDEO)}"]


def token(gateway: Gateway) -> str:
    """As a look tells it."""
    from control_plane.drivers.gateway_state import Seen, load_manifest

    manifest = load_manifest(gateway.layout)
    return Seen(gateway.layout, manifest).token(manifest["gateway:fgw/proxy"])
