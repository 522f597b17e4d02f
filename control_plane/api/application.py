"""Puts the interface together: the door, every operation, and the document that says what there is."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from flask import Flask, Response

from control_plane.api import (
    contents,
    docs,
    door,
    drift,
    duties,
    elsewhere,
    internet,
    inventory,
    jobs,
    machines,
    openapi,
    overview,
    people,
    records,
    requests,
    rollouts,
    running,
    snapshots,
)
from control_plane.api.services import Services, services

#: One module a kind of nouns.
MODULES = (
    *(overview, inventory, contents, running, jobs, drift, rollouts, requests, records),
    *(machines, snapshots, duties, internet, people, elsewhere),
)


def make_api(made: Services, hosts: Sequence[str], largest: int) -> Flask:
    """The application, to be mounted at `/api`. `largest`: octets of a body."""
    app = Flask("control_plane.api", static_folder=None)
    app.config.update(TRUSTED_HOSTS=list(hosts), MAX_CONTENT_LENGTH=largest)
    app.extensions["gasp-api"] = made
    door.install(app)
    app.add_url_rule("/v1/openapi.json", "openapi", _document, provide_automatic_options=False)
    docs.install(app)
    return app


def _document() -> Response:
    """What there is; for everybody."""
    return Response(orjson.dumps(openapi.document(services().version)), mimetype="application/json")
