"""Real Debian hosts on one machine: the embedded default estate, and what `gasp lab` drives.

Imports nothing of ours but `control_plane.model`. `lab.lab.Lab` is the door; the other modules are its parts.
"""
