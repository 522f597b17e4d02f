"""The register of labs: one folder a name, and the machine put back when the last one goes."""

import shutil

import pytest

from lab import shared
from lab.commands import LabError


@pytest.fixture
def machine(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "inotify").write_text("128\n")
    (tmp_path / "boot").write_text("first\n")
    monkeypatch.setattr(shared, "REGISTER", tmp_path / "register")
    monkeypatch.setattr(shared, "INOTIFY", tmp_path / "inotify")
    monkeypatch.setattr(shared, "BOOT_ID", tmp_path / "boot")
    monkeypatch.setattr(shared, "NETNS", tmp_path / "netns")
    monkeypatch.setattr(shared, "NSPAWN", tmp_path / "nspawn")
    return tmp_path


def test_the_last_lab_puts_the_machine_back(machine):
    shared.acquire("lab", machine / "a", [])
    shared.acquire("labt", machine / "b", [])
    shared.acquire("lab", machine / "a", [])
    assert int((machine / "inotify").read_text()) == shared.INOTIFY_WANTED
    assert shared.folders() == {"lab": machine / "a", "labt": machine / "b"}
    (machine / "netns").mkdir()
    shared.release("lab")
    assert int((machine / "inotify").read_text()) == shared.INOTIFY_WANTED
    shared.release("labt")
    assert (machine / "inotify").read_text() == "128"
    assert not (machine / "netns").exists()
    assert not (machine / "register").exists()


def test_somebody_elses_namespaces_stay(machine):
    (machine / "netns").mkdir()
    shared.acquire("lab", machine / "a", [])
    (machine / "netns" / "other").touch()
    shared.release("lab")
    assert (machine / "netns" / "other").exists()


def test_a_name_belongs_to_one_folder(machine):
    shared.acquire("lab", machine / "a", [])
    with pytest.raises(LabError, match="take that one down first"):
        shared.acquire("lab", machine / "b", [])
    with pytest.raises(LabError, match="take that one down first"):
        shared.check_owner("lab", machine / "b", [])
    shared.check_owner("lab", machine / "a", [])
    shared.check_owner("labt", machine / "b", [])


def test_a_lab_whose_folder_is_gone_may_be_taken_over(machine):
    shared.acquire("lab", machine / "a", [])
    shutil.rmtree(machine / "a")
    shared.acquire("lab", machine / "b", [])
    assert shared.folders() == {"lab": machine / "b"}


def test_a_folder_made_anew_is_not_the_old_one(machine):
    shared.acquire("lab", machine / "a", [])
    (machine / "a").rename(machine / "elsewhere")
    (machine / "a").mkdir()
    shared.acquire("lab", machine / "a", [])
    assert shared.folders() == {"lab": machine / "a"}


def test_the_register_does_not_outlive_a_boot(machine):
    shared.acquire("lab", machine / "a", [])
    (machine / "boot").write_text("second\n")
    assert shared.folders() == {}
    (machine / "inotify").write_text("256\n")
    shared.acquire("lab", machine / "b", [])
    shared.release("lab")
    assert (machine / "inotify").read_text() == "256"


def test_releasing_what_is_not_there_is_no_fault(machine):
    shared.release("lab")
    assert not (machine / "register").exists()
