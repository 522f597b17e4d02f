"""Workload W as a good administrator would script it in an afternoon: batched, and without any of our guarantees.

No plan that is shown, no owner marks, no preconditions, no history, nothing kept of what was there, no second look:
one DNS update, one archive with `nginx -t` and a reload, one `ldapadd`. `python bare.py provision|check JOB`; imports
nothing of the product but the module that renders a site's first pages, by its path. What it made it keeps beside JOB,
so that `check` only has to compare.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

Job = dict[str, Any]
HASHES = "find /etc/nginx/sites-enabled /etc/nginx/tls /srv/sites -type f -exec sha256sum {} +"


def main() -> None:
    """`provision` makes everything, `check` looks whether all of it is there and exits 1 if not."""
    job: Job = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    acts = {"provision": (names, sites, entries), "check": (look_names, look_sites, look_entries)}[sys.argv[1]]
    with ThreadPoolExecutor(3) as pool:
        answers = [future.result() for future in [pool.submit(act, job) for act in acts]]
    sys.exit(0 if all(answers) else 1)


def run(argv: list[str], job: Job, stdin: bytes = b"") -> bytes:
    """A client with the job's environment; its output."""
    env = {**os.environ, "LDAPTLS_CACERT": job["ca"], "LDAPTLS_REQCERT": "demand"}
    return subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, check=True, env=env).stdout


# making -------------------------------------------------------------------------------------------------------------
def names(job: Job) -> bool:
    """One message."""
    rows = [f"server {job['ns1']}", f"zone {job['zone']}"]
    for site in job["sites"]:
        rows += [f"update add {site['main']}. {job['ttl']} {kind} {value}" for kind, value in job["addresses"].items()]
    run(["nsupdate", "-v", "-k", job["key_file"]], job, "\n".join([*rows, "send", ""]).encode())
    return True


def sites(job: Job) -> bool:
    """One archive, one check, one reload."""
    render(job)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files(job, issue(job)).items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(content), 0o600 if path.endswith(".key") else 0o644
            tar.addfile(info, io.BytesIO(content))
    run([*job["ssh"], job["host"], "tar -x -C / && nginx -t -q && systemctl reload nginx"], job, out.getvalue())
    return True


def entries(job: Job) -> bool:
    """One pipeline of adds."""
    run([*job["ldapadd"]], job, ldif(job).encode())
    return True


def render(job: Job) -> None:
    """First pages of every site, kept beside the job."""
    spec = importlib.util.spec_from_file_location("starter", job["starter"])
    assert spec is not None
    assert spec.loader is not None
    starter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(starter)
    for site in job["sites"]:
        folder = Path(site["content"])
        for name, content in starter.render(site["pages"]).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def issue(job: Job) -> dict[str, tuple[bytes, bytes]]:
    """Main name → certificate and key, signed by the centre's authority and kept beside the job."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    authority = x509.load_pem_x509_certificate(Path(job["ca"]).read_bytes())
    authority_key = serialization.load_pem_private_key(Path(job["ca_key"]).read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    now, folder = datetime.now(UTC), Path(job["certificates"])
    made: dict[str, tuple[bytes, bytes]] = {}
    for site in job["sites"]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, site["main"])]))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=90))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(site["main"])]), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        plain = serialization.NoEncryption()
        pem = serialization.Encoding.PEM
        made[site["main"]] = (
            certificate.public_bytes(pem),
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
        )
        for suffix, content in zip((".crt", ".key"), made[site["main"]], strict=True):
            (folder / f"{site['main']}{suffix}").write_bytes(content)
    return made


def files(job: Job, certificates: dict[str, tuple[bytes, bytes]]) -> dict[str, bytes]:
    """Path on the host → content."""
    template = Environment(loader=FileSystemLoader(job["templates"]), keep_trailing_newline=True).get_template(
        "vhost.conf.j2"
    )
    found: dict[str, bytes] = {}
    for site in job["sites"]:
        main = site["main"]
        found[f"/etc/nginx/sites-enabled/{main}.conf"] = template.render(**site["vhost"]).encode()
        found[f"/etc/nginx/tls/{main}.crt"], found[f"/etc/nginx/tls/{main}.key"] = certificates[main]
        content = Path(site["content"])
        for path in content.rglob("*"):
            if path.is_file():
                found[f"/srv/sites/{site['vhost']['site_dir']}/current/{path.relative_to(content)}"] = path.read_bytes()
    return found


def ldif(job: Job) -> str:
    """A unit with its branches and groups a tenant."""
    rows: list[str] = []
    for unit in job["units"]:
        rows += [f"dn: {unit['dn']}", *unit["lines"], ""]
    return "\n".join(rows)


# looking ------------------------------------------------------------------------------------------------------------
def look_names(job: Job) -> bool:
    """One transfer."""
    rows = (row.split(maxsplit=4) for row in run([*job["dig"]], job).decode().splitlines())
    seen = {(row[0], row[3], row[4]) for row in rows if len(row) == 5}
    return all(
        (f"{site['main']}.", kind, value) in seen for site in job["sites"] for kind, value in job["addresses"].items()
    )


def look_sites(job: Job) -> bool:
    """One hash command; keys are compared too."""
    folder = Path(job["certificates"])
    kept = {
        site["main"]: ((folder / f"{site['main']}.crt").read_bytes(), (folder / f"{site['main']}.key").read_bytes())
        for site in job["sites"]
    }
    said = run([*job["ssh"], job["host"], HASHES], job).decode()
    seen = {path: digest for digest, _, path in (row.partition("  ") for row in said.splitlines())}
    wanted = files(job, kept)
    return all(seen.get(path) == hashlib.sha256(content).hexdigest() for path, content in wanted.items())


def look_entries(job: Job) -> bool:
    """One search."""
    seen: dict[str, set[str]] = {}
    dn = ""
    for row in run([*job["ldapsearch"]], job).decode().splitlines():
        name, _, value = row.partition(": ")
        if name == "dn":
            dn = value
            seen[dn] = set()
        elif row:
            seen[dn].add(row)
    return all(set(unit["lines"]) <= seen.get(unit["dn"], set()) for unit in job["units"])


if __name__ == "__main__":
    main()
