"""Benchmarks: what the product costs, measured beside what the same work costs without it.

Must not be imported by the product. `python -m bench --help` says what can be measured.
"""
