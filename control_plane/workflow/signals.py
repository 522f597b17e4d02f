"""Wake-up signals: who wrote work down tells the worker, which looks at once instead of at its next turn.

A signal carries no work and no secret, only the name of a chore: the database is the record of work. One that is lost
costs a chore's interval; one that comes three times costs two looks. Celery's filesystem transport needs no server;
another broker, as a Redis, may carry signals instead. Celery is in this module and in `signal_files` alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.model.errors import told_of
from control_plane.model.text import Text, t

if TYPE_CHECKING:
    from celery import Celery

TASK, QUEUE = "gasp.wake", "gasp"
FILES = "control_plane.workflow.signal_files:Transport"
#: Seconds between two looks into the folder.
POLL = 0.05
#: Seconds that giving a signal may take at most with another broker.
PATIENCE = 1.0
#: Signals that wait; with as many nobody listens, and no more are given.
WAITING = 100
#: What the transport does not need: other workers to talk to, results, orders from outside.
QUIET = {
    "broker_connection_retry_on_startup": True,
    "enable_utc": True,
    "task_default_queue": QUEUE,
    "task_ignore_result": True,
    "task_serializer": "json",
    "task_publish_retry": False,
    "worker_enable_remote_control": False,
    "worker_hijack_root_logger": False,
    "worker_prefetch_multiplier": 1,
}
Told = Callable[[str], None]


class Signals:
    """Signals between the processes that share the folder `folder` (made when it is first needed), or `broker`, a
    URL of Celery's, where one is given."""

    def __init__(self, folder: Path, broker: str | None = None) -> None:
        self.folder = folder
        self.broker = broker

    def give(self, chore: str) -> None:
        """Wake this chore of the worker, if there is one. Never fails: without a signal it looks at its next turn."""
        try:
            if self._waiting() < WAITING:
                self._app.send_task(TASK, [chore], expires=60)
        except Exception as fault:  # full disk, lost folder: what was written down stays written down
            logging.getLogger(__name__).warning("no signal for %s: %s", chore, fault)

    def check(self) -> tuple[str, Text, Text | None]:
        """A line of `gasp doctor`: without signals everything goes on, later."""
        try:
            waiting = self._waiting()
        except Exception as fault:  # of whatever transport
            text = t("No signal wakes the worker: {reason}.", reason=str(told_of(fault)).rstrip("."))
            return "warning", t("{what} Its chores begin at their next turn.", what=text), t("Look at GASP_SIGNALS.")
        if waiting >= WAITING:
            return "warning", t("{count} signals wait and nobody hears them.", count=waiting), t("gasp worker status")
        return "passed", t("Signals wake the worker."), None

    def listen(self, told: Told) -> None:
        """Call `told` with the name of the chore of each signal; until the process ends. What was given before is
        dropped: a worker that begins looks at everything anyway."""
        from celery.worker import WorkController

        @self._app.task(name=TASK, shared=False)  # type: ignore[untyped-decorator]
        def wake(chore: str) -> None:
            told(chore)

        self._waiting()
        with self._app.connection_for_write() as connection:
            self._app.amqp.queues[QUEUE].bind(connection.default_channel).purge()
        self._app.set_current()  # in this thread
        options: dict[str, Any] = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        WorkController(self._app, pool="solo", concurrency=1, **options).start()

    def _waiting(self) -> int:
        if self.broker is not None:
            with self._app.pool.acquire(block=True, timeout=PATIENCE) as connection:
                waiting: int = connection.default_channel.queue_declare(QUEUE).message_count
                return waiting
        messages = self.folder / "messages"
        messages.mkdir(mode=0o700, parents=True, exist_ok=True)
        return sum(1 for _ in messages.iterdir())

    @cached_property
    def _app(self) -> Celery:
        from celery import Celery

        if self.broker is None:
            messages, control = str(self.folder / "messages"), str(self.folder / "control")
            folders = {"data_folder_in": messages, "data_folder_out": messages, "control_folder": control}
            broker, transport = "filesystem://", {**folders, "polling_interval": POLL}
        else:
            timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout", "connect_timeout"), PATIENCE)
            broker, transport = self.broker, {**timeouts, "max_retries": 0}
        app = Celery("gasp", broker=broker, set_as_current=False, broker_transport_options=transport)
        app.conf.update(QUIET, broker_transport=FILES if self.broker is None else None)
        return app
