"""The secrets of a centre in the lab, and the places in which none may be."""

from __future__ import annotations

from tests.conftest import Centre
from tests.hunting import Hunt, files

#: Where hosts keep what they say and what they were sent.
KEPT = "/var/log /var/spool /var/mail /var/lib/ldap /var/lib/squid /var/tmp /tmp"


def plant_the_centres(centre: Centre, hunt: Hunt) -> None:
    """Those that bring-up made."""
    for name in ("tsig-internal", "tsig-external", "ldap-control-plane", "ldap-admin"):
        hunt.plant(name, centre.secret(name))
    for row in centre.first_passwords():
        hunt.plant(f"first password of {row['uid']}", row["password"])
    for key in (centre.state / "secrets" / "tls").glob("*.key"):
        hunt.plant(key.name, key.read_text().splitlines()[1])


def kept_here(centre: Centre) -> dict[str, bytes]:
    """Everything in the state folder but the secrets' own place, the authority and what the hosts are made of."""
    logs = {str(path): path.read_bytes() for path in (centre.state / "lab").rglob("*.log")}
    return files(centre.state, "secrets", "lab", "ca") | logs


def on_hosts(centre: Centre, hunt: Hunt) -> dict[str, bytes]:
    """Files of the hosts that hold one of the planted, said by the hosts themselves."""
    patterns = b"\n".join(form for form in hunt.forms() if b"\n" not in form)
    script = (
        'p=$(mktemp -p /dev/shm); cat >"$p"; '
        f'grep -rlaF -f "$p" {KEPT} 2>/dev/null || true; '
        'if journalctl --no-pager -o cat 2>/dev/null | grep -qaF -f "$p"; then echo journal; fi; rm "$p"'
    )
    hosts = ("directory", "web", "intranet", "ns1", "mail", "gateway", "repository")
    return {host: centre.on(host, "sh", "-c", script, stdin=patterns).encode() for host in hosts}
