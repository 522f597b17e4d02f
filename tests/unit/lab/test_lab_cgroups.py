"""Both branches of the cgroup module, on folders that look like each kind of machine."""

from pathlib import Path

import pytest

from lab import cgroups


@pytest.fixture
def tree(tmp_path):
    root, proc = tmp_path / "cgroup", tmp_path / "proc"
    (proc / "1").mkdir(parents=True)
    root.mkdir()

    def make(comm: str, *hierarchies: str, unified: bool = False) -> tuple[Path, Path]:
        (proc / "1" / "comm").write_text(f"{comm}\n")
        for name in hierarchies:
            (root / name).mkdir()
            (root / name / "cgroup.procs").touch()
        if unified:
            (root / "cgroup.controllers").write_text("cpu memory pids")
        return root, proc

    return make


def test_version_1_has_a_folder_in_every_hierarchy(tree):
    root, proc = tree("init", "memory", "systemd", "unified", "pids", "cpu", "cpuacct", "freezer")
    place = cgroups.detect("lab", root, proc)
    assert not place.unified
    assert place.launcher == ()
    assert [str(folder.relative_to(root)) for folder in place.folders("web")] == [
        f"{name}/lab/web" for name in ("memory", "systemd", "unified", "pids", "cpu", "cpuacct")
    ]


def test_version_1_with_controllers_mounted_together(tree):
    root, proc = tree("systemd", "memory", "systemd", "unified", "pids", "cpu,cpuacct")
    (root / "cpu").symlink_to("cpu,cpuacct")
    (root / "cpuacct").symlink_to("cpu,cpuacct")
    place = cgroups.detect("labt", root, proc)
    assert [folder.relative_to(root).parts[0] for folder in place.bases] == [
        "memory",
        "systemd",
        "unified",
        "pids",
        "cpu",
    ]


def test_version_2_under_systemd_asks_for_a_scope_of_its_own(tree):
    root, proc = tree("systemd", unified=True)
    place = cgroups.detect("lab", root, proc)
    assert place.folders("web") == [root / "system.slice" / "gasp-lab.scope" / "web"]
    assert place.launcher[:2] == ("systemd-run", "--scope")
    assert "Delegate=yes" in place.launcher
    assert place.launcher[-1] == "--"


def test_version_2_without_systemd(tree):
    root, proc = tree("init", unified=True)
    place = cgroups.detect("lab", root, proc)
    assert place == cgroups.Cgroups((root / "lab",), True)


def test_version_2_hands_controllers_down(tree):
    root, proc = tree("init", unified=True)
    place = cgroups.detect("lab", root, proc)
    place.bases[0].mkdir()
    (place.bases[0] / "cgroup.subtree_control").touch()
    place.prepare()
    assert (place.bases[0] / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_members_are_hosts_only_and_pids_are_found_below(tree):
    root, proc = tree("init", "memory", "systemd")
    place = cgroups.detect("lab", root, proc)
    for name in ("web", "ns1", cgroups.SUPERVISOR):
        (root / "memory" / "lab" / name / "payload").mkdir(parents=True)
    (root / "memory/lab/web/cgroup.procs").write_text("12\n")
    (root / "memory/lab/web/payload/cgroup.procs").write_text("7\n12\n")
    assert place.members() == ["ns1", "web"]
    assert place.pids("web") == [7, 12]
    assert place.pids("absent") == []


def process(proc, pid, comm, nspid, state="S", start=4711):
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "status").write_text(f"Name:\t{comm}\nNSpid:\t{nspid}\n")
    middle = " ".join(["0"] * 18)
    (folder / "stat").write_text(f"{pid} ({comm} (odd)) {state} {middle} {start} 0 0\n")


def test_init_and_watcher_are_told_apart(tree):
    _, proc = tree("init")
    process(proc, 20, "systemd-nspawn", "20")
    process(proc, 21, "systemd", "21\t1")
    process(proc, 22, "sshd", "22\t15")
    assert cgroups.init_of([20, 21, 22, 99], proc) == 21
    assert cgroups.nspawn_of([20, 21, 22, 99], proc) == 20
    assert cgroups.init_of([20, 22], proc) is None


def test_a_zombie_is_not_alive(tree):
    _, proc = tree("init")
    process(proc, 30, "systemd-nspawn", "30", state="Z")
    process(proc, 31, "x", "31")
    assert not cgroups.is_alive(30, proc)
    assert cgroups.nspawn_of([30], proc) is None
    assert cgroups.start_time(31, proc) == 4711
    assert cgroups.start_time(32, proc) is None


def test_folders_are_removed_from_below(tree):
    root, _ = tree("init", "memory", "systemd")
    for file in root.glob("*/cgroup.procs"):
        file.unlink()  # real cgroup files do not keep a folder from being removed
    place = cgroups.Cgroups((root / "memory" / "lab", root / "systemd" / "lab"), False)
    (root / "memory/lab/web/payload/system.slice").mkdir(parents=True)
    (root / "systemd/lab/ns1").mkdir(parents=True)
    place.remove("web")
    assert not (root / "memory/lab/web").exists()
    place.remove_all()
    assert [entry.name for entry in (root / "systemd").iterdir()] == []
