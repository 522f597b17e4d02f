"""What the roles render is accepted by the real servers' own checks, for estates of several shapes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from control_plane.model.network import plan_for
from lab.topology import Topology, load_topology
from tests.drivers.slapd import Authority

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
ROLES = PLAYBOOKS / "roles"
DOMAIN = "qingdao.test"
SECRETS = {
    "tsig_internal": "c2VjcmV0IGZvciB0ZXN0cw==",
    "tsig_external": "YW5vdGhlciBvbmUgZm9yIHRlc3Rz",
    "ldap_control_plane_hash": "{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$AAAA$BBBB",
    "ldap_admin_hash": "{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$AAAA$BBBB",
    "site_gate": "shown-to-the-gate",
}


def world(topology: Topology, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Variables as Ansible would have them; `without` names hosts that this estate does not have."""
    inventory = topology.inventory()["all"]
    hosts = {name: keys for name, keys in inventory["hosts"].items() if name not in without}
    groups = {g: [h for h in entry["hosts"] if h in hosts] for g, entry in inventory["children"].items()}
    plan = topology.plan
    return {
        "hostvars": hosts,
        "groups": {"all": list(hosts), **{g: members for g, members in groups.items() if members}},
        "estate": {"domain": DOMAIN, "base_dn": "dc=qingdao,dc=test", "title": "Qingdao"},
        "networks": {
            "core": {"v4": str(plan.core.v4), "v6": str(plan.core.v6)},
            "internal": [str(plan.v4), str(plan.v6)],
            "internet": [str(plan.internet.v4), str(plan.internet.v6)],
        },
        "machine": {"ipv4": str(topology.machine_core.ip), "ipv6": str(plan.core.host_v6(topology.machine_number))},
        "console": {"address": f"{topology.machine_core.ip}:443", "name": f"console.core.{DOMAIN}"},
        "tenants": [{"code": host.name} for host in topology.tenant_hosts],
        "repository": {"reach": [str(topology.role_hosts("citizen")[0].ipv4)], "ports": [80]},
        "secrets": SECRETS,
    }


SHAPES: dict[str, dict[str, Any]] = {
    "whole": world(load_topology(plan_for("lab"), [(f"t{n}", n) for n in range(1, 95)])),
    "small": world(load_topology(plan_for("labt"), [("fgw", 1), ("czj", 2)])),
    "no tenants": world(load_topology(plan_for("lab"), [])),
    "one name server": world(load_topology(plan_for("lab"), [("fgw", 1)]), without=("ns2", "mail", "monitor")),
}


@pytest.fixture(params=SHAPES)
def estate(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SHAPES[request.param]


def render(template: str, variables: dict[str, Any], host: str | None = None, **more: Any) -> str:
    """A role's template as Ansible renders it."""
    loader = jinja2.FileSystemLoader(ROLES)
    engine = jinja2.Environment(
        loader=loader, trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    engine.filters["to_json"] = json.dumps
    own = {"inventory_hostname": host, **variables["hostvars"][host]} if host else {}
    return engine.get_template(template).render({**variables, **own, **more})


def accepted(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


# name servers ------------------------------------------------------------------------------------------------------
def name_server(folder: Path, role: str, estate: dict[str, Any], host: str) -> Path:
    """All files of a name server under `folder`, paths turned to lie there; returns named.conf."""
    files = {
        "named.conf": render(f"{role}/templates/named.conf.j2", estate, host),
        "gasp-options.conf": render("bind/templates/options.conf.j2", estate, host),
        "gasp-keys.conf": render("bind/templates/keys.conf.j2", estate, host),
        "gasp-root.zone": render("bind/templates/root.zone.j2", estate, host),
        "gasp-core-internal.zone": render("ns_primary/templates/core.zone.j2", estate, host, inside=True),
        "gasp-why.zone": render("ns_primary/templates/why.zone.j2", estate, host),
        "gasp-core-external.zone": render("ns_primary/templates/core.zone.j2", estate, host, inside=False),
    }
    for zone in (DOMAIN, f"intra.{DOMAIN}"):
        files[f"{zone}.zone"] = render("ns_primary/templates/dynamic.zone.j2", estate, host, zone=zone)
    for name, text in files.items():
        text = text.replace("/etc/bind/", f"{folder}/").replace("/var/lib/bind/", f"{folder}/")
        text = text.replace("/var/cache/bind", str(folder)).replace("@SERIAL@", "1")
        (folder / name).write_text(text)
    return folder / "named.conf"


def test_first_name_server_with_its_zones(tmp_path: Path, estate: dict[str, Any]) -> None:
    accepted("named-checkconf", "-z", name_server(tmp_path, "ns_primary", estate, "ns1"))
    for zone, file in (
        (".", "gasp-root.zone"),
        *((f"core.{DOMAIN}", f"gasp-core-{v}.zone") for v in ("internal", "external")),
    ):
        accepted("named-checkzone", zone, tmp_path / file)


def test_second_name_server(tmp_path: Path) -> None:
    accepted("named-checkconf", name_server(tmp_path, "ns_secondary", SHAPES["whole"], "ns2"))


def test_outside_learns_no_inner_address(estate: dict[str, Any]) -> None:
    text = render("ns_primary/templates/core.zone.j2", estate, "ns1", inside=False)
    inner = [keys for keys in estate["hostvars"].values() if keys["zone"] == "core"]
    for keys in inner:
        assert not re.search(rf"\s({re.escape(keys['ipv4'])}|{re.escape(keys['ipv6'])})\n", text)
    assert "directory" not in text
    assert "console" not in text


def test_the_internet_never_gets_the_internal_view(estate: dict[str, Any]) -> None:
    text = render("bind/templates/options.conf.j2", estate, "ns1")
    inside = text[text.index("acl gasp-inside") :]
    for outer in estate["networks"]["internet"]:
        for inner in estate["networks"]["internal"]:
            assert inside.index(f"!{outer};") < inside.index(f"\t{inner};")


# gateway -----------------------------------------------------------------------------------------------------------
def firewall(estate: dict[str, Any], folder: Path) -> str:
    keys = {
        **yaml.safe_load((ROLES / "gateway/defaults/main.yml").read_text()),
        **yaml.safe_load((ROLES / "gateway/vars/main.yml").read_text()),
        "gateway_core_v4": estate["networks"]["core"]["v4"],
        "gateway_core_v6": estate["networks"]["core"]["v6"],
        "gateway_tenant_interfaces": sorted(tenant["code"] for tenant in estate["tenants"]),
    }
    text = render("gateway/templates/nftables.conf.j2", estate, "gateway", **keys)
    return text.replace("/var/lib/gasp/gateway", str(folder))


@pytest.fixture
def namespace() -> list[str]:
    """Command prefix for a network of its own, where loading rules harms nobody."""
    prefix = ["unshare", "--net", "--"]
    done = subprocess.run([*prefix, "nft", "list", "ruleset"], capture_output=True)
    if done.returncode:
        pytest.skip("no right to make a network namespace")
    return prefix


def test_firewall_loads_and_loads_again(tmp_path: Path, estate: dict[str, Any], namespace: list[str]) -> None:
    rules = tmp_path / "nftables.conf"
    rules.write_text(firewall(estate, tmp_path))
    (tmp_path / "counters.nft").write_text("table inet gw { counter refused { packets 7 bytes 700 }; }\n")
    script = (
        f"nft -c -f {rules}; nft -f {rules}; nft add element inet gw blocked4 '{{ 192.0.2.0/24 }}'; "
        f"nft list table inet gw > {tmp_path}/first; nft -f {rules}; nft list table inet gw > {tmp_path}/second; "
        "nft list counter inet gw refused; nft list set inet gw blocked4"
    )
    told = accepted(*namespace, "sh", "-ec", script)
    assert "packets 7 bytes 700" in told
    assert "192.0.2.0/24" in told
    assert (tmp_path / "first").read_text() == (tmp_path / "second").read_text()
    chains = re.findall(r"type (\w+) hook (\w+)", (tmp_path / "first").read_text())
    assert sorted(chains) == sorted(
        [
            ("filter", "prerouting"),
            ("nat", "prerouting"),
            ("nat", "output"),
            ("nat", "postrouting"),
            ("filter", "input"),
            ("filter", "forward"),
            ("filter", "output"),
        ]
    )


def test_departments_reach_the_console_at_its_one_port(tmp_path: Path) -> None:
    estate = SHAPES["small"]
    address, port = estate["console"]["address"].split(":")
    assert re.findall(rf"{re.escape(address)} \. (\w+) \. (\d+)", firewall(estate, tmp_path)) == [("tcp", port)]
    inside = render("ns_primary/templates/core.zone.j2", estate, "ns1", inside=True)
    assert f"console IN A {address}\n" in inside


def test_firewall_closes_by_default(estate: dict[str, Any], tmp_path: Path) -> None:
    text = firewall(estate, tmp_path)
    assert text.count("policy drop") == 2
    for chain in ("input", "forward"):
        body = re.findall(rf"chain {chain} \{{\n(.*?)\n\t\}}", text, re.S)[-1]
        assert body.strip().splitlines()[-1].strip() == "goto refuse"


# web ---------------------------------------------------------------------------------------------------------------
def test_web_server_with_a_site_of_the_longest_names(tmp_path: Path) -> None:
    nginx = tmp_path / "nginx"
    for folder in ("conf.d", "sites-enabled", "host", "log/sites"):
        (nginx / folder).mkdir(parents=True)
    shutil.copy("/etc/nginx/mime.types", nginx)
    estate = SHAPES["whole"]
    text = render("nginx/templates/nginx.conf.j2", estate, "web").replace("/var/log/nginx", f"{nginx}/log")
    (nginx / "nginx.conf").write_text(text.replace("/run/nginx.pid", f"{nginx}/pid"))
    default = render("nginx/templates/default.conf.j2", estate, "web").replace("/var/log/nginx", f"{nginx}/log")
    (nginx / "conf.d/00-default.conf").write_text(default)
    certificate, key = Authority(tmp_path / "ca").issue("web.core.qingdao.test")
    shutil.copy(certificate, nginx / "host/host.crt")
    shutil.copy(key, nginx / "host/host.key")
    asked = render("nginx/templates/gate-http.conf.j2", estate, "intranet").replace("/run/gasp-gate", f"{nginx}/cache")
    (nginx / "conf.d/10-gate.conf").write_text(asked)
    asked = render("nginx/templates/gate.conf.j2", estate, "intranet").replace("/etc/ssl/certs", str(tmp_path / "ca"))
    (nginx / "host/gate.conf").write_text(asked)
    label = "a" * 60
    names = " ".join(f"{label}.{label}.{label}.{label[:50]}{n:02}.x.test" for n in range(40))
    asked = "location = /ask { internal; include host/gate.conf; proxy_cache gasp_gate; proxy_pass https://gasp_gate; }"
    text = f"server {{ listen 80; listen [::]:80; server_name {names}; {asked} }}\n"
    (nginx / "sites-enabled/a.conf").write_text(text)
    (tmp_path / "ca" / "ca-certificates.crt").write_bytes(certificate.read_bytes())
    told = accepted("nginx", "-t", "-c", nginx / "nginx.conf")
    assert "could not build" not in told


def test_web_server_includes_nothing_by_an_absolute_path() -> None:
    for template in ("nginx.conf.j2", "default.conf.j2"):
        text = render(f"nginx/templates/{template}", SHAPES["whole"], "web")
        for directive in re.findall(r"^\s*(?:include|ssl_certificate|ssl_certificate_key)\s+(\S+);", text, re.M):
            assert not directive.startswith("/")


# all ---------------------------------------------------------------------------------------------------------------
def tasks(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, dict):
        return [node] * ("name" in node and "hosts" not in node) + [t for v in node.values() for t in tasks(v)]
    return [t for item in node for t in tasks(item)] if isinstance(node, list) else []


def test_only_modules_that_come_with_ansible_and_no_secret_task_speaks() -> None:
    files = [PLAYBOOKS / "site.yml", *PLAYBOOKS.glob("tasks/*.yml"), *ROLES.glob("*/tasks/*.yml")]
    assert len(files) >= 8
    for file in files:
        for task in tasks(yaml.safe_load(file.read_text())):
            modules = [key for key in task if "." in key]
            if not modules:
                continue
            assert all(module.startswith("ansible.builtin.") for module in modules), file
            if "stdin" in json.dumps(task):
                assert task["no_log"] is True, file
