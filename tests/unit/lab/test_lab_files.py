"""Writing on a host's disk that the host's own root may have prepared against us; and images, keys, seeds as text."""

import os
from pathlib import Path

import pytest

from control_plane.model.network import plan_for
from lab import disks
from lab.access import Access
from lab.disks import Authority, mounts, resolver, sshd_settings
from lab.files import HostDisk, locked, read_json, write_atomic, write_json
from lab.images import ImageStore, load_layers
from lab.topology import load_topology

LABT = load_topology(plan_for("labt"), [("fgw", 17)])
OWN = (os.getuid(), os.getgid())


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "root").mkdir()
    return HostDisk(tmp_path / "root")


def test_write_says_whether_it_changed_anything(disk):
    assert disk.write("/etc/a/b", "text\n", 0o640, OWN)
    assert not disk.write("/etc/a/b", "text\n", 0o640, OWN)
    assert disk.write("/etc/a/b", "text\n", 0o600, OWN)
    assert (disk.root / "etc/a/b").stat().st_mode & 0o777 == 0o600


def test_a_planted_folder_link_is_not_followed(disk, tmp_path):
    (tmp_path / "outside").mkdir()
    (disk.root / "etc").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="etc"):
        disk.write("/etc/hostname", "web\n", owner=OWN)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_planted_file_link_is_replaced(disk, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (disk.root / "etc").mkdir()
    (disk.root / "etc/resolv.conf").symlink_to(victim)
    disk.write("/etc/resolv.conf", "nameserver 10.95.0.11\n", owner=OWN)
    assert victim.read_text() == "mine"
    assert not (disk.root / "etc/resolv.conf").is_symlink()


def test_links(disk):
    disk.link("/etc/systemd/system/nginx.service", "/dev/null")
    disk.link("/etc/systemd/system/nginx.service", "/dev/null")
    assert disk.links_to("/etc/systemd/system", "/dev/null") == ["nginx.service"]
    assert disk.exists("/etc/systemd/system/nginx.service")
    disk.remove("/etc/systemd/system/nginx.service")
    disk.remove("/etc/nowhere/nothing")
    assert disk.links_to("/etc/systemd/system", "/dev/null") == []
    assert disk.links_to("/etc/absent", "/dev/null") == []


def test_atomic_write_leaves_no_other_file(tmp_path):
    write_atomic(tmp_path / "a", "one")
    write_atomic(tmp_path / "a", b"two", 0o644)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "two"


def test_json_that_is_missing_or_broken_counts_as_nothing(tmp_path):
    write_json(tmp_path / "a", {"b": 1})
    (tmp_path / "c").write_text("{")
    assert read_json(tmp_path / "a") == {"b": 1}
    assert read_json(tmp_path / "c") is None
    assert read_json(tmp_path / "d") is None


def test_a_folder_is_locked_once(tmp_path):
    with locked(tmp_path), pytest.raises(BlockingIOError), locked(tmp_path, blocking=False):
        pass
    with locked(tmp_path, blocking=False) as inode:
        assert inode == tmp_path.stat().st_ino
    assert list(tmp_path.iterdir()) == []


RESOLVERS = [
    ("web", "nameserver 10.95.0.11\nnameserver 10.95.0.12\n"),
    ("fgw", "nameserver 10.95.0.11\nnameserver 10.95.0.12\n"),
    ("citizen", "".join(f"nameserver {LABT.plan.internet.host_v4(number)}\n" for number in (53, 54))),
]


@pytest.mark.parametrize(("name", "text"), RESOLVERS)
def test_resolver_by_zone(name, text):
    assert resolver(LABT, LABT.host(name)) == text


def test_sshd_listens_on_the_management_address_only():
    settings = sshd_settings(LABT.host("web")).splitlines()
    assert [line for line in settings if line.startswith("ListenAddress")] == ["ListenAddress 10.95.254.14"]
    assert "PasswordAuthentication no" in settings


def test_mount_points_are_found_by_source(tmp_path, monkeypatch):
    table = tmp_path / "mounts"
    table.write_text(
        "proc /proc proc rw 0 0\n"
        "gasp:lab:web /var/lib/g\\040x/web/root overlay rw 0 0\n"
        "gasp:labt:web /elsewhere overlay rw 0 0\n"
    )
    monkeypatch.setattr(disks, "MOUNTS", table)
    assert mounts("gasp:lab:") == {"gasp:lab:web": ["/var/lib/g x/web/root"]}


def test_ssh_config_checks_keys_and_keeps_to_the_labs_folder():
    access = Access(Path("/var/lib/gasp/lab"))
    text = access.render_config(LABT.hosts)
    assert "Host fgw\n  HostName 10.95.255.17\n  HostKeyAlias fgw\n" in text
    assert "  StrictHostKeyChecking yes\n" in text
    assert "  KexAlgorithms ^curve25519-sha256\n" in text
    assert "  ControlPath /var/lib/gasp/lab/cm/%n\n" in text
    assert "~" not in text


def test_words_reach_the_host_as_given(tmp_path):
    words = Access(tmp_path).ssh("web", ["printf", "%s|", "a b", "it's", "$HOME", "", "*"])
    assert words[-2:] == ["--", "printf '%s|' 'a b' 'it'\"'\"'s' '$HOME' '' '*'"]


RECIPE = """\
steps: 1
layers:
  base: {under: null, packages: [a], preseed: []}
  server: {under: base, packages: [b], preseed: []}
"""


def keys(tmp_path, text, release="bookworm"):
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    return {name: layer.key for name, layer in load_layers(file, release).items()}


def test_a_layers_key_follows_its_recipe_and_what_lies_under_it(tmp_path):
    first = keys(tmp_path, RECIPE)
    assert keys(tmp_path, RECIPE) == first
    upper = keys(tmp_path, RECIPE.replace("[b]", "[b, c]"))
    assert upper["base"] == first["base"]
    assert upper["server"] != first["server"]
    lower = keys(tmp_path, RECIPE.replace("[a]", "[a, c]"))
    assert lower["base"] != first["base"]
    assert lower["server"] != first["server"]
    assert keys(tmp_path, RECIPE, "trixie")["base"] != first["base"]


def test_the_store_knows_what_is_missing(tmp_path):
    store = ImageStore(tmp_path, load_layers(release="bookworm"))
    assert [layer.name for layer in store.missing()] == ["base", "server", "gateway", "repository", "workstation"]
    store.path(store.layers["base"]).mkdir(parents=True)
    assert [layer.name for layer in store.missing()] == ["server", "gateway", "repository", "workstation"]
    assert store.lower("server") == [store.path(store.layers["server"]), store.path(store.layers["base"])]


def test_the_recipe_names_no_registry():
    text = "".join(str(layer) for layer in load_layers(release="bookworm").values())
    assert "://" not in text


def test_something_that_is_no_certificate_is_refused():
    with pytest.raises(Exception, match="openssl"):
        Authority.from_pem(b"not a certificate")
