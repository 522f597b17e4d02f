"""Many people at web pages at once, each with a connection of their own, reading for a while before they go on.

`python -m bench.visitors` reads an order as JSON and prints what every page took. Knows nothing of the product; a
process of its own, so that it does not take part in the server's.
"""

from __future__ import annotations

import json
import random
import ssl
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http.client import HTTPException, HTTPSConnection, RemoteDisconnected


@dataclass(frozen=True)
class Visitor:
    """Somebody who opens these pages in turn, with this cookie."""

    pages: Sequence[str]
    cookie: str = ""


@dataclass(frozen=True)
class Order:
    """`pause`: seconds that somebody reads on average before the next page; 0: never. `seconds`: how long it goes on
    after everybody has seen each page once. `ca`: whom to trust."""

    port: int
    ca: str
    visitors: Sequence[Visitor]
    seconds: float
    pause: float
    headers: Mapping[str, str] = field(default_factory=lambda: {"Accept-Language": "zh-CN"})


@dataclass(frozen=True)
class Seen:
    """One page: seconds from the request to the last octet, status, octets."""

    page: str
    seconds: float
    status: int
    octets: int


def visit(order: Order) -> list[Seen]:
    """What everybody saw, first visits left out. Raises RuntimeError when a page was not 200."""
    seen: list[Seen] = []
    wrong: list[str] = []
    ready = threading.Barrier(len(order.visitors))
    trusted = ssl.create_default_context(cafile=order.ca)

    def go(number: int, visitor: Visitor) -> None:
        chance = random.Random(number)
        connection = HTTPSConnection("localhost", order.port, timeout=60, context=trusted)
        try:
            for page in visitor.pages:
                one = _get(connection, page, visitor.cookie, order.headers)
                if one.status != 200:
                    raise RuntimeError(f"{page}: {one.status}")
            ready.wait(300)
            end = time.monotonic() + order.seconds
            turn = number
            while time.monotonic() < end:
                time.sleep(order.pause * chance.uniform(0.5, 1.5))
                seen.append(_get(connection, visitor.pages[turn % len(visitor.pages)], visitor.cookie, order.headers))
                turn += 1
        except threading.BrokenBarrierError:  # somebody else says why
            pass
        except (OSError, HTTPException, RuntimeError) as error:
            wrong.append(str(error))
            ready.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=pair) for pair in enumerate(order.visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrong += [f"{one.page}: {one.status}" for one in seen if one.status != 200]
    if wrong:
        raise RuntimeError("; ".join(wrong[:3]))
    return seen


def _get(connection: HTTPSConnection, page: str, cookie: str, headers: Mapping[str, str]) -> Seen:
    began = time.perf_counter()
    wanted = {**headers, "Accept-Encoding": "gzip", "Cookie": cookie}
    try:
        connection.request("GET", page, headers=wanted)
        answer = connection.getresponse()
    except (RemoteDisconnected, BrokenPipeError):  # the server ended an idle connection; a browser opens another one
        connection.close()
        connection.request("GET", page, headers=wanted)
        answer = connection.getresponse()
    octets = len(answer.read())
    return Seen(page, time.perf_counter() - began, answer.status, octets)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]


def main() -> None:
    """An order from standard input, what was seen to standard output."""
    order = json.load(sys.stdin)
    visitors = [Visitor(**one) for one in order.pop("visitors")]
    json.dump([asdict(one) for one in visit(Order(visitors=visitors, **order))], sys.stdout)


if __name__ == "__main__":
    main()
