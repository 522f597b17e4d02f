"""Views of lists that people keep: a name for what stands in the address of a page. Each is one's own."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from control_plane.model.errors import Invalid, NotFound, Problem, Rejected
from control_plane.model.notice import one_line
from control_plane.model.run import Actor
from control_plane.model.text import t
from control_plane.store.repository import Store

Json = dict[str, Any]
#: Views of one page, characters of a name, of a path and of what follows it.
MOST, MOST_NAME, MOST_PAGE, MOST_QUERY = 20, 60, 200, 2000


class Views:
    """Implements `model.client_views.ViewsClient`."""

    def __init__(self, store: Store, actor: Callable[[], Actor]) -> None:
        self.store = store
        self.actor = actor

    def list(self, page: str) -> builtins.list[Json]:
        """See `ViewsClient.list`."""
        return [asdict(view) for view in self.store.views.list(self.actor().key, page)]

    def keep(self, page: str, *, name: str, query: str) -> Json:
        """See `ViewsClient.keep`."""
        name, problems = one_line(name).strip(), []
        if not name:
            problems.append(Problem("no-name", t("The view needs a name."), t("A word or two."), field="name"))
        if len(name) > MOST_NAME:
            text = t("The name is longer than {limit} characters.", limit=MOST_NAME)
            problems.append(Problem("too-long", text, t("Shorten it."), field="name"))
        if len(page) > MOST_PAGE or len(query) > MOST_QUERY:
            text, remedy = t("This view is too long to be kept."), t("Take some filters away.")
            problems.append(Problem("too-long", text, remedy, field="query"))
        if problems:
            raise Invalid(problems)
        kept = self.store.views.keep(self.actor().key, page, name, query, MOST)
        if kept is None:
            raise Rejected(t("There are {count} views of this list already.", count=MOST), t("Delete one first."))
        return asdict(kept)

    def remove(self, view: int) -> Json:
        """See `ViewsClient.remove`."""
        gone = self.store.views.remove(self.actor().key, view)
        if gone is None:
            raise NotFound(t("There is no such view."))
        return asdict(gone)
