"""The web application: puts the console's pages over the control plane. Entry point of the web server.

`make_app()` without arguments takes everything from the wiring; tests give services of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from flask import Flask

from control_plane.web import door, shell
from control_plane.web.services import Services

#: One module a page, each with a blueprint called `pages`.
PAGES = (
    *("sign_in", "me", "overview", "tenants", "runs", "plans", "drift", "hosts", "probes", "sites", "accounts"),
    *("search", "people", "internet", "security", "snapshots", "rollouts", "freezes", "audit"),
    *("portal", "asking", "requests", "own_sites", "jobs", "live", "rollout_form", "director", "trial"),
    *("own_internet", "posts", "attachments", "many"),
    *("substitutes", "classes", "emergencies"),
)
LARGEST_REQUEST = 1 << 20


def make_app(services: Services | None = None, hosts: Sequence[str] | None = None) -> Flask:
    """The application. `hosts`: names it answers to, with or without port."""
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
    return app


def _wired() -> tuple[Services, Sequence[str]]:
    from control_plane import __version__, wiring

    control_plane = wiring.local_client()
    catalogue = control_plane.planner.catalogue.offerings
    titles = {name: offering.title for name, offering in catalogue.items()}
    made = Services(
        control_plane.acting_as, wiring.sign_in(), wiring.now, __version__, titles, catalogue, wiring.trial()
    )
    return made, wiring.console_names()
