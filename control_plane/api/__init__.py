"""The interface for programs, `/api/v1`: operations as data, one door before all of them.

Must not know the store, drivers, offerings, the wiring or the pages, and must not decide who may do what: the door
asks `workflow/access.py`, and every operation is a method of `Client` that the command line calls too.
"""
