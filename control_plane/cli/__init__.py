"""The `gasp` command: asks a `Client`, shows its answers, asks people for their yes. Holds no rule of its own."""
