"""The peer of the console's pages: Flask alone, with the list of tenants as the console shows it, out of the same
database. No session, no roles, no filters, no language, nothing kept.

`GASP_BENCH_DATABASE` names the database.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import Any

from flask import Flask, render_template_string, request

PAGE = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>单位</title></head><body><h1>单位</h1>
<table><caption>{{ rows|length }}</caption><thead><tr>{% for head in ("代码", "名称", "类别", "状态", "服务", "网络") %}
<th scope="col"><a href="?sort={{ loop.index }}">{{ head }}</a></th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}<tr>
<td><a href="/tenants/{{ row.code }}"><code>{{ row.code }}</code></a></td>
<td>{{ row.zh }} <small lang="en">{{ row.en }}</small></td><td>{{ row.kind }}</td>
<td><span class="state"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 3a5 5 0 1 0 0 10z"/></svg>
{{ row.status }}</span></td>
<td>{% for name in row.services %}<span>{{ name }}</span>{% if not loop.last %}, {% endif %}{% endfor %}</td>
<td class="number">{{ row.network }}</td></tr>{% endfor %}</tbody></table></body></html>"""
app = Flask(__name__)


@app.get("/tenants")
def tenants() -> str:
    """One page of a hundred."""
    with closing(sqlite3.connect(os.environ["GASP_BENCH_DATABASE"])) as database:
        services: dict[str, list[str]] = {}
        wanted = "SELECT tenant_id, offering FROM subscriptions WHERE state = 'active' ORDER BY offering"
        for tenant, offering in database.execute(wanted):
            services.setdefault(tenant, []).append(offering)
        found = database.execute(
            "SELECT id, code, document, network_index FROM tenants WHERE ended_at IS NULL"
            " ORDER BY network_index IS NULL, network_index, code"
        ).fetchall()
    rows: list[dict[str, Any]] = []
    begin = 100 * (int(request.args.get("page", 1)) - 1)
    for tenant, code, text, network in found[begin : begin + 100]:
        document = json.loads(text)
        names = document["names"]
        rows.append(
            {
                "code": code,
                "zh": names["zh"],
                "en": names.get("en") or "",
                "kind": document["kind"],
                "status": document["status"],
                "services": services.get(tenant, []),
                "network": "–" if network is None else network,
            }
        )
    return render_template_string(PAGE, rows=rows)
