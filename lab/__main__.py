"""Thin command line for working on the lab itself; operators use `gasp lab`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import yaml

from control_plane.model.network import plan_for
from lab.lab import Lab, LabError, Progress, as_json
from lab.topology import load_topology


def read_tenants(source: str) -> list[tuple[str, int]]:
    """`code:index,code:index…`, or a tenant file, or a folder of them (those with status `listed` left out)."""
    place = Path(source)
    if not place.exists():
        return [(code, int(index)) for code, _, index in (part.partition(":") for part in source.split(",") if part)]
    found = []
    for file in sorted(place.rglob("*.y*ml")) if place.is_dir() else [place]:
        document = yaml.safe_load(file.read_text())
        if isinstance(document, dict) and document.get("status", "listed") != "listed" and "network" in document:
            found.append((document["code"], document["network"]["index"]))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run one act; the exit status of `run` is the command's own."""
    parser = argparse.ArgumentParser(prog="python -m lab")
    acts = ("up", "down", "clean", "status", "inventory", "run", "ssh", "stop", "start", "cut", "heal")
    parser.add_argument("act", choices=acts)
    parser.add_argument("--lab", default="lab")
    parser.add_argument("--state", type=Path, default=Path(os.environ.get("GASP_STATE", "/var/lib/gasp")))
    parser.add_argument("--cache", type=Path, default=Path("/var/cache/gasp"))
    parser.add_argument("--tenants", default="tenants")
    parser.add_argument("--ca", type=Path, help="certificate (PEM) the hosts shall trust")
    parser.add_argument("words", nargs="*", help="host, and for run: the command after --")
    given = sys.argv[1:] if arguments is None else arguments
    cut = given.index("--") if "--" in given else len(given)
    options = parser.parse_intermixed_args(given[:cut])
    options.words += given[cut + 1 :]
    topology = load_topology(plan_for(options.lab), read_tenants(options.tenants))
    lab = Lab(topology, options.state, options.cache, options.ca.read_bytes() if options.ca else None)
    try:
        return _act(lab, options.act, options.words)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyError as error:
        print(f"lab: no host called {error.args[0]}", file=sys.stderr)
        return 2


def _act(lab: Lab, act: str, words: list[str]) -> int:
    began, last = time.monotonic(), ""

    def show(event: Progress) -> None:
        nonlocal last
        line = f"{event.phase} {event.done}/{event.total} {event.message}"
        if line != last and (sys.stderr.isatty() or event.done == event.total):
            print(f"{time.monotonic() - began:6.1f} s  {line}", file=sys.stderr)
        last = line

    if act in ("up", "down", "clean"):
        {"up": lab.up, "down": lab.down, "clean": lab.clean}[act](show)
    elif act == "status":
        for status in lab.status():
            print(json.dumps(as_json(status)))
    elif act == "inventory":
        print(json.dumps(lab.topology.inventory(), indent=1))
    elif act == "run":
        return lab.run(words[0], words[1:]).returncode
    elif act == "ssh":
        lab.topology.host(words[0])
        os.execvp("ssh", ["ssh", "-F", str(lab.ssh_config()), words[0], *words[1:]])
    else:
        {"stop": lab.stop, "start": lab.start, "cut": lab.cut, "heal": lab.heal}[act](words[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
