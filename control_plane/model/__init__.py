"""Pure data and rules: no I/O, no framework. Everything above imports this; this imports nothing of ours."""
