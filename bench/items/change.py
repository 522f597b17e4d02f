"""One tenant's change among 94: from the yes (exec of `gasp apply tenant:CODE --yes`) to the answer on the wire.

Each round gives one site one more name: certificate, vhost, then the record sets, which are published last. The answer
is asked of the primary name server in short steps while the command runs.
"""

from __future__ import annotations

import threading
import time

import dns.message
import dns.query
import dns.rdatatype

from bench import estates
from bench.centre import Centre
from bench.measure import Timing
from bench.results import Figure, Result
from control_plane.workflow.documents import write_yaml

CODE = "t00042"


def measure(centre: Centre, rounds: int = 7) -> Result:
    """Medians of yes → answer and of exec → exit."""
    if not centre.has("w"):
        centre.prepare("w", estates.write_workload(centre.estates / "w"))
    centre.load("w")
    centre.wipe()
    centre.gasp("apply", "estate", "--yes")
    folder = centre.estates / "change"
    folder.mkdir(exist_ok=True)
    answered: list[Timing] = []
    ended: list[Timing] = []
    for number in range(rounds):
        aliases = tuple(f"n{n}.{estates.main_name(CODE)}" for n in range(number + 1))
        document = estates.workload_document(CODE, int(CODE[1:]), aliases)
        (folder / f"{CODE}.yaml").write_bytes(write_yaml(document))
        centre.gasp("tenants", "import", str(folder / f"{CODE}.yaml"), "--yes")
        centre.cold()
        watch = Watch(centre.addresses["ns1"], aliases[-1])
        took = centre.gasp("apply", f"tenant:{CODE}", "--yes")
        ended.append(took)
        answered.append(Timing(watch.seconds(), took.cpu, took.peak_mb))
    result = Result("change", "One tenant's change")
    middle = result.row("yes → answer on the wire", answered)
    result.row("exec → exit, with the look afterwards", ended)
    result.figures.append(Figure("One tenant's change, yes to answer on the wire", middle.seconds, "s", 3))
    return result


class Watch:
    """Asks a name server for a name until it answers; the clock starts now."""

    def __init__(self, server: str, name: str) -> None:
        self._server, self._name = server, name
        self._began = time.perf_counter()
        self._seconds = 0.0
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        query = dns.message.make_query(self._name, dns.rdatatype.A)
        while time.perf_counter() - self._began < 120:
            if dns.query.udp(query, self._server, timeout=10).answer:
                self._seconds = time.perf_counter() - self._began
                return
            time.sleep(0.02)

    def seconds(self) -> float:
        """How long it took. Raises RuntimeError when there was no answer."""
        self._thread.join(timeout=120)
        if not self._seconds:
            raise RuntimeError(f"{self._name} was never answered")
        return self._seconds
