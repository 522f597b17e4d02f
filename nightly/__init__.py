"""The nightly check of a running centre: any input at every operation in four roles, and what one department is told
of another. It asks by HTTPS, as programs do, and changes nothing: whatever begins work is asked without its key.

Needs what tests need (Schemathesis), so it is no part of the wheel. Its result is a file that the console shows and
`gasp doctor` reads (`control_plane/workflow/nightly.py`). Tests use the same checks on a console in memory.
"""
