"""The package of a wave by plain pyinfra, as a person would write it: `pyinfra -y INVENTORY wave_deploy.py`.

Nothing is asked before a host is touched, nothing judged, nothing kept. `VERSION` comes from the inventory.
"""

from __future__ import annotations

from pyinfra import host
from pyinfra.operations import apt

apt.packages(name="The package of the wave", packages=[f"gasp-demo={host.data.version}"], update=True)
