"""Ansible beside the product, as an administrator would have it: pipelining, the lab's ssh configuration."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.centre import Centre
from bench.measure import Timing, timed


def folder_of(centre: Centre) -> Path:
    """Where its files lie."""
    folder = centre.state / "bench-ansible"
    folder.mkdir(exist_ok=True)
    return folder


def environment(centre: Centre) -> dict[str, str]:
    """For `ansible` and `ansible-playbook`: a connection is kept for a minute, as the product keeps its own."""
    return {
        **os.environ,
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_SSH_ARGS": f"-F {centre.ssh_config} -o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOME": str(folder_of(centre)),
    }


def program(name: str) -> str:
    """One of Ansible's, of the environment in which the bench runs."""
    return str(Path(sys.executable).with_name(name))


def at_each(
    centre: Centre, names: Sequence[str], side_by_side: int, module: str, arguments: str
) -> Callable[[], Timing]:
    """One module at each of these hosts. Nobody has an ssh connection open at the start."""
    inventory = folder_of(centre) / f"{module}.ini"
    lines = "".join(f"{name} ansible_python_interpreter=/usr/bin/python3\n" for name in names)
    argv = [program("ansible"), "all", "-i", str(inventory), "-f", str(side_by_side), "-m", f"ansible.builtin.{module}"]

    def run() -> Timing:
        inventory.write_text(lines, "utf-8")
        centre.cold()
        shutil.rmtree(folder_of(centre) / "cp", ignore_errors=True)  # its own connections of the round before
        return timed([*argv, "-a", arguments], env=environment(centre))

    return run
