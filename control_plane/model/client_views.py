"""What a list page asks of somebody's own views. Answers are JSON-able."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

Json = dict[str, Any]


class ViewsClient(Protocol):
    """Views of lists that who acts has given a name: filters, order and columns of a page. Nobody else sees them."""

    def list(self, page: str) -> builtins.list[Json]:
        """Of one page, by name: [{id, page, name, query}]; `page` is its path, `query` what follows the `?`."""
        ...

    def keep(self, page: str, *, name: str, query: str) -> Json:
        """Give a view a name; one of the same name is replaced. Raises Invalid with all faults, Rejected (too many)."""
        ...

    def remove(self, view: int) -> Json:
        """Forget one. Raises NotFound, also for one of others."""
        ...
