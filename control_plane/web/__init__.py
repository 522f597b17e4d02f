"""The console: pages as blueprints, one module a page, over what `app.py` puts into `Services`.

Must not know the store, drivers, offerings or the wiring, and must not decide who may see what: every page asks
`workflow/access.py` through `door.py`.
"""
