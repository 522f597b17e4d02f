"""Following what a control plane elsewhere carries out: a job waits for its turn, becomes a run, and ends.

The run goes on there whatever becomes of this process; a job that nobody has begun in time is taken back.
"""

from __future__ import annotations

import threading
import time

from control_plane.cli.remote_link import Connection, Json, at, error_of
from control_plane.model.client import OnEvent
from control_plane.model.errors import Rejected, TemporaryError
from control_plane.model.text import t

#: Seconds between two looks, until a worker that is idle must have begun a job, and for which no answer is borne.
LOOK, BEGUN, SILENT = 0.3, 30.0, 90.0
OVER = ("done", "refused", "failed")


class Followed:
    """A job with the run that carries it out. `on_event` hears the run's events in order."""

    def __init__(self, at: Connection, on_event: OnEvent | None = None) -> None:
        self._at = at
        self._hear = on_event or (lambda event: None)
        self._run: int | None = None
        self._seen = 0

    def run(self, job: Json, wait: float = 600.0) -> Json:
        """The run of a job, once that has ended. Raises what the job was refused with, and TemporaryError when nobody
        had begun it in time."""
        ended = self.job(job, wait)
        number = ended["run"] or ended["answer"].get("run")
        return self._at.get(at("/runs/{}", number))

    def answer(self, job: Json) -> Json:
        """What a job answers, once it has ended. Raises as `run`."""
        return dict(self.job(job)["answer"])

    def job(self, job: Json, wait: float = 600.0) -> Json:
        """The job, once it has ended. Raises as `run`. Interrupted before it has begun, it is taken back."""
        pause, deadline = threading.Event(), time.monotonic() + wait + BEGUN
        try:
            while (job := self._look(job))["state"] not in OVER:
                if job["state"] == "waiting" and time.monotonic() > deadline:
                    self._take_back(job)
                pause.wait(LOOK)
        except KeyboardInterrupt:
            if job["state"] == "waiting":
                self._at.act(at("/jobs/{}/withdrawals", job["id"]))
            raise
        if (error := job["error"]) is not None:
            faults = [("invalid", p["text"], p["remedy"], p["field"], None) for p in error["problems"]]
            raise error_of(error["code"], error["text"], error["hint"], faults, error["word"])
        return job

    def _look(self, job: Json) -> Json:
        """The job as it is now, its events told. No answer is borne for a while: it goes on there."""
        pause, since = threading.Event(), time.monotonic()
        while True:
            try:
                found = self._at.get(at("/jobs/{}", job["id"]))
                if found["run"] is not None:
                    self._listen(found["run"])
                return found
            except TemporaryError as error:
                if time.monotonic() - since > SILENT:
                    raise self._lost(job, error) from error
                pause.wait(min(error.delay, 2.0))

    def _lost(self, job: Json, error: TemporaryError) -> TemporaryError:
        if self._run is None:
            text = t("{reason} Job {job} goes on there.", reason=error.text, job=job["id"])
            return TemporaryError(text, t("Look what became of it: gasp runs list"))
        text = t("{reason} Run {run} goes on there.", reason=error.text, run=self._run)
        return TemporaryError(text, t("Follow it again: gasp runs follow {run}", run=self._run))

    def _listen(self, run: int) -> None:
        if run != self._run:  # another one finishes what a killed one had begun
            self._run, self._seen = run, 0
        for event in self._at.rows(at("/runs/{}/events", run), after=self._seen or None):
            self._seen = event["number"]
            self._hear(event)

    def _take_back(self, job: Json) -> None:
        """Raises TemporaryError once it is taken back; returns when somebody has begun it meanwhile."""
        try:
            self._at.act(at("/jobs/{}/withdrawals", job["id"]))
        except Rejected:
            if self._at.get(at("/jobs/{}", job["id"]))["state"] == "waiting":
                raise
            return
        raise TemporaryError(
            t("Nobody has begun it in time, so it was taken back; nothing was changed."),
            t("Another run may be at work there, or the worker does not run: gasp runs list"),
        )
