"""A command that sees other mounts than the lab's supervisor runs again where they are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab import mountspace

SCRIPT = """
import os
from lab import mountspace

mountspace.join(int(os.environ["TARGET"]))
print(os.readlink("/proc/self/ns/mnt"))
"""


def test_here_is_not_elsewhere():
    assert not mountspace.elsewhere(os.getpid())
    assert not mountspace.elsewhere(2**22 - 1), "a process that is gone"


@pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces are made by root")
def test_joins_the_namespace_of_a_living_process():
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", "readlink /proc/self/ns/mnt; exec sleep 60"], stdout=subprocess.PIPE
    ) as target:
        try:
            assert target.stdout is not None
            there = target.stdout.readline().strip()
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT],
                env={**os.environ, "TARGET": str(target.pid)},
                capture_output=True,
                check=True,
            )
            assert done.stdout.strip() == there
            assert there.decode() != os.readlink("/proc/self/ns/mnt")  # noqa: PTH115
        finally:
            target.terminate()
