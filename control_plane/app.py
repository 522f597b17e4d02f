"""The web application: puts the console's pages over the control plane. Entry point of the web server.

`make_app()` without arguments takes everything from the wiring; tests give services of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from control_plane.api.application import make_api
from control_plane.api.services import RATE
from control_plane.api.services import Services as ApiServices
from control_plane.web import door, shell
from control_plane.web.gate import Gate
from control_plane.web.services import Looks, Services
from control_plane.workflow.idempotence import Answers
from control_plane.workflow.nightly import Nightly
from control_plane.workflow.tokens import TokenUse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: One module a page, each with a blueprint called `pages`.
PAGES = (
    *("sign_in", "site_entry", "me", "overview", "tenants", "runs", "plans", "drift", "hosts", "probes", "sites"),
    *("accounts", "search", "people", "internet", "policies", "security", "snapshots", "rollouts", "freezes", "audit"),
    *("portal", "asking", "requests", "own_sites", "jobs", "live", "rollout_form", "director", "trial"),
    *("own_internet", "own_people", "own_groups", "own_review", "reviews", "posts", "attachments", "many"),
    *("substitutes", "classes", "emergencies", "tokens", "webhooks", "problems", "views", "savings", "nightly"),
)
LARGEST_REQUEST = 1 << 20


def make_app(services: Services | None = None, hosts: Sequence[str] | None = None, rate: int = RATE) -> Flask:
    """The application. `hosts`: names it answers to, with or without port; `rate`: requests of a token in a minute."""
    if services is None or hosts is None:
        services, hosts = _wired()
    app = Flask("control_plane.web")
    app.config.update(
        TRUSTED_HOSTS=list(hosts),
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
        MAX_FORM_MEMORY_SIZE=LARGEST_REQUEST,
        MAX_FORM_PARTS=200,
    )
    app.extensions["gasp"] = services
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    shell.install(app)
    door.install(app)
    for name in PAGES:
        app.register_blueprint(import_module(f"control_plane.web.{name}").pages)
    api = make_api(_for_programs(services, rate), hosts, LARGEST_REQUEST)
    beside: dict[str, WSGIApplication] = {"/api": api}
    if services.gate is not None:
        beside["/gate"] = Gate(services.gate)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, beside)  # type: ignore[method-assign]
    app.extensions["gasp-api"] = api
    return app


def _for_programs(made: Services, rate: int) -> ApiServices:
    """What the interface for programs works with: the same control plane, people and kept lists."""
    sign_in = made.sign_in
    use = TokenUse(sign_in.store, sign_in, made.clock)
    return ApiServices(made.client, use, Answers(sign_in.store), made.clock, made.version, made.kept.rows, rate)


def _wired() -> tuple[Services, Sequence[str]]:
    from control_plane import __version__, wiring

    control_plane = wiring.local_client()
    catalogue = control_plane.planner.catalogue.offerings
    titles = {name: offering.title for name, offering in catalogue.items()}
    made = Services(
        control_plane.acting_as, wiring.sign_in(), wiring.now, __version__, titles, catalogue, wiring.trial(),
        wiring.store().sharing, wiring.site_gate(), nightly=Nightly(wiring.settings().state, wiring.now),
        looks=Looks(wiring.settings().state / "looks"),
    )  # fmt: skip
    return made, wiring.console_names()
