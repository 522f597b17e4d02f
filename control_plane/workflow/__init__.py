"""What the control plane does: import, plan, apply, observe, undo, explain. Knows store and ports, no driver."""
