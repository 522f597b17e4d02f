"""The access record: a day of 10 million lines, its disk, and a search by address, beside `grep` and DuckDB on CSV.gz.

The lines go through the product's own archive: hourly pieces as a collection writes them, then the merge of the day.
What they look like is invented: 82 departments of 100 machines, 30,000 hosts of uneven popularity, one line in ten a
connection past the proxy. Random numbers have a seed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.measure import Timing, alternate, timed, timed_call
from bench.results import Figure, Result
from control_plane.drivers.record_archive import ParquetArchive
from control_plane.model.record import Question

LINES, HOURS, DAYS = 10_000_000, 24, 200
DAY = date(2026, 11, 24)
BEGIN = datetime(2026, 11, 23, 16, tzinfo=UTC)
ADDRESS = "10.94.17.42"
FAR = datetime(9999, 1, 1, tzinfo=UTC)


def lines_of_hour(database: Any, hour: int, count: int, file: Path) -> None:
    """Lines as the archive is given them, tab-separated."""
    begin = BEGIN.timestamp() + hour * 3600
    database.execute(
        f"""COPY (
          WITH raw AS (SELECT range AS n, random() AS moment, (random() * 82)::INT % 82 + 1 AS tenant,
                              (random() * 100)::INT % 100 + 10 AS machine, random() < 0.1 AS direct,
                              (30000 * pow(random(), 3))::INT AS host, random() < 0.02 AS refused,
                              (exp(random() * 9) * 40)::BIGINT AS size FROM range({count}))
          SELECT 't' || tenant, {hour} * 60 + (moment * 60)::INT + 1, if(direct, 'direct', 'proxy'),
                 printf('%.6f', {begin} + moment * 3600), printf('%.6f', {begin} + moment * 3600 - random() * 30),
                 if(direct, 'closed', 'request'), if(direct, 'tcp', 'https'), '10.94.' || tenant || '.' || machine,
                 (20000 + random() * 40000)::INT, '198.51.100.254', (20000 + random() * 40000)::INT,
                 if(direct, NULL, 'www.site-' || host || '.example.test'),
                 '203.' || host % 251 || '.' || host // 251 % 251 || '.' || host % 97,
                 443, size // 9, size, if(refused, 'refused', 'allowed'),
                 if(refused, 'centre-' || host % 7, NULL)
          FROM raw) TO '{file}' (FORMAT csv, DELIMITER '\t', HEADER false, QUOTE '', ESCAPE '')"""
    )


def measure(lines: int = LINES, rounds: int = 3) -> Result:
    """Medians of the searches; writing and merging once."""
    import duckdb

    result = Result("access_record", "Access record: one day of 10 million lines")
    with tempfile.TemporaryDirectory(prefix="gasp-bench-") as folder, duckdb.connect() as database:
        root = Path(folder)
        database.execute("SELECT setseed(0.17); SET threads = 2; SET memory_limit = '1GB'")
        archive = ParquetArchive(root / "access")
        text, packed = root / "hour.tsv", root / "day.tsv.gz"
        pieces, writing, octets = [], 0.0, 0
        for hour in range(HOURS):
            lines_of_hour(database, hour, lines // HOURS, text)
            octets += text.stat().st_size
            with packed.open("ab") as out:
                subprocess.run(["gzip", "-c", str(text)], stdout=out, check=True)
            rows = text.read_text("utf-8").splitlines()
            began = time.perf_counter()
            pieces.append(archive.write(DAY, f"{DAY}-{hour:09d}-{hour:09d}-0.parquet", rows))
            writing += time.perf_counter() - began
            del rows
            text.unlink()
        made: list[Any] = []
        merging = timed_call(lambda: made.append(archive.merge(DAY, f"{DAY}-all.parquet", pieces, 2)))
        archive.discard([p.name for p in pieces])
        day = made[0]
        question = Question(BEGIN, BEGIN + timedelta(days=1), addresses=[(ADDRESS, BEGIN, FAR)], limit=LINES)
        found: list[int] = []

        def product() -> Timing:
            return timed_call(lambda: found.append(len(archive.search(question, [day.name])[0])))

        def grep() -> Timing:
            return timed(["sh", "-c", f"zcat '{packed}' | grep -cF '\t{ADDRESS}\t'"])

        def csv() -> Timing:
            query = f"SELECT * FROM read_csv('{packed}', delim='\t', header=false, all_varchar=true) WHERE column07 = ?"
            return timed_call(lambda: found.append(len(database.execute(query, [ADDRESS]).fetchall())))

        took = alternate(rounds, {"archive": product, "zgrep": grep, "csv": csv})
        counts = {*found, *(int(one.out) for one in took["zgrep"])}
        if len(counts) != 1:
            raise RuntimeError(f"the searches found different lines: {sorted(counts)}")
        ours = result.row("gasp (DuckDB over Parquet)", took["archive"])
        result.row("zcat | grep", took["zgrep"])
        other = result.row("DuckDB over CSV.gz", took["csv"])
        result.row("merge of the day's 24 pieces", [merging])
        megabytes, gz = day.octets / 2**20, packed.stat().st_size / 2**20
        shutil.rmtree(root / "access")
    name, text_mb = f"{lines:,} lines", octets / 2**20
    result.figures += [
        Figure(f"Search one day of {name} by address", ours.seconds, "s", 10),
        Figure("The same search, to DuckDB over CSV.gz", ours.seconds / other.seconds, "x", 1),
        Figure(f"Disk of a day of {name}", round(megabytes), "MB"),
        Figure(f"Disk of {DAYS} such days", round(megabytes * DAYS / 1024), "GB"),
        Figure("Writing the pieces", lines / writing, "lines/s"),
    ]
    result.remarks += [
        f"{counts.pop():,} lines have the address. The day has {text_mb:,.0f} MB as text, {gz:,.0f} MB with gzip.",
        f"{megabytes * 2**20 / lines:.1f} octets a line; random ports and addresses compress worse than real ones.",
    ]
    return result
