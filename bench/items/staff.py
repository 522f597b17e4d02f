"""A list of 10,000 people in which half move and a tenth leave: the preview, then the import, on the real directory.

The people are those of the generated estate, online before it begins. Neighbouring departments exchange people; the
list names everybody. Both commands look at every entry of the directory that they touch.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

from bench import estates
from bench.centre import Centre
from bench.items.leaving import Leavers, server_seconds
from bench.results import Figure, Result

PEOPLE = 10_000
HEADS = ("tenant", "uid", "status")


def measure(centre: Centre, rounds: int = 3) -> Result:
    """The median of the preview; one import, whose outcome is compared with the list entry by entry."""
    if not centre.has("people"):
        centre.prepare("people", estates.write_large(centre.estates / "people", estates.W_TENANTS, PEOPLE))
    centre.load("people")
    centre.wipe()
    centre.gasp("apply", "system:directory", "--yes")
    before = {row["uid"]: row for row in centre.json("accounts", "list")["items"]}
    wanted = moved_and_left(before)
    file = centre.state / "bench-people.csv"
    file.write_text(as_list(wanted), "utf-8")
    previews = [centre.gasp("accounts", "import", str(file), "--dry-run", "-o", "json") for _ in range(rounds)]
    seen = centre.json("accounts", "import", str(file), "--dry-run")
    counts = {what: sum(1 for row in wanted.values() if row[1] == what) for what in ("moves", "leaves", "same")}
    if any(seen["counts"][what] != count for what, count in counts.items()):
        raise RuntimeError(f"the preview says {seen['counts']}, the list {counts}")
    word = ["--confirm", seen["confirm"]] if seen["confirm"] else []
    leaving = sorted(uid for uid, (_, what) in wanted.items() if what == "leaves")
    some = [leaving[0], leaving[len(leaving) // 2], leaving[-1]]
    base = f"ou=tenants,{estates.BASE_DN}"
    leavers = Leavers(centre, {uid: f"uid={uid},ou=people,ou={before[uid]['tenant']},{base}" for uid in some})
    used = server_seconds(centre)
    with leavers.trying():
        took = centre.gasp("accounts", "import", str(file), "--yes", *word)
    used = server_seconds(centre) - used
    after = {row["uid"]: row for row in centre.json("accounts", "list")["items"]}
    for uid, (code, what) in wanted.items():
        row, old = after[uid], before[uid]
        left = row["status"] == "left"
        right = (row["tenant"], left, row["uid_number"]) == (code, what == "leaves", old["uid_number"])
        if not right:
            raise RuntimeError(f"{uid} should be in {code} ({what}), and is {row}")
    if centre.json("plan", "system:directory")["changes"]:
        raise RuntimeError("planning again finds something")
    result = Result("staff", "10,000 people, half of them moved, a tenth left")
    middle = result.row("gasp accounts import --dry-run", previews)
    result.row("gasp accounts import", [took])
    result.remarks.append(f"{counts['moves']} move, {counts['leaves']} leave, {counts['same']} stay.")
    result.remarks.append(
        f"slapd itself used {used:.0f} CPU seconds in the import. That people left is written down, and their sessions"
        f" and tokens end, in one transaction; {len(some)} of them tried to bind all the time, with its client."
    )
    result.figures.append(Figure("Preview of a list of 10,000 people", middle.seconds, "s", 10))
    result.figures.append(
        Figure("Leavers of that list refused by the directory, after it is written", leavers.after(), "s", 1)
    )
    return result


def moved_and_left(people: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Department and what happens, by uid. Two neighbouring departments exchange half of their people, as many as both
    have, so that no tier is too small; every tenth leaves."""
    sizes = Counter(row["tenant"] for row in people.values())
    codes = sorted(sizes)
    other = {code: codes[min(place ^ 1, len(codes) - 1)] for place, code in enumerate(codes)}
    found, seen = {}, Counter[str]()
    for uid, row in sorted(people.items()):
        code = row["tenant"]
        number = seen[code]
        seen[code] += 1
        moves = number % 2 == 0 and number < min(sizes[code], sizes[other[code]])
        what = "leaves" if number % 10 == 1 else "moves" if moves and other[code] != code else "same"
        found[uid] = (other[code] if what == "moves" else code, what)
    return found


def as_list(wanted: dict[str, tuple[str, str]]) -> str:
    """The list as a department would send it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADS)
    writer.writerows((code, uid, "离职" if what == "leaves" else "在职") for uid, (code, what) in wanted.items())
    return out.getvalue()
