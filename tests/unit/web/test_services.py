"""What pages keep between requests."""

from __future__ import annotations

import threading

from control_plane.web.services import Kept


def test_a_list_that_many_ask_for_at_once_is_made_once() -> None:
    kept, made, ready = Kept(), [], threading.Barrier(8)
    found: list[list[dict[str, object]]] = []

    def make() -> list[dict[str, object]]:
        made.append(1)
        return [{"code": "fgw"}]

    def ask() -> None:
        ready.wait(10)
        found.append(kept.rows("tenants/en", "1", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert all(rows is found[0] for rows in found)
    kept.rows("tenants/en", "2", make)
    kept.rows("tenants/zh_CN", "2", make)
    assert len(made) == 3
