"""GASP: the control plane of a city computer centre."""

__version__ = "0.1.0"
