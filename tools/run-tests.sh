#!/usr/bin/env bash
# What `make test` runs, in order: cheap checks first, unit tests on two processes, then everything real in one.
# Ends with pytest's own summary line. Stops at the first stage that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
step() { printf '\n== %s\n' "$*"; }
step "lint"; ruff check . && ruff format --check .
step "catalogue and reference"; python tools/messages.py check && python tools/reference.py check
step "playbooks"; ansible-lint --offline -q --profile production playbooks
step "types"; mypy
step "import contracts"; lint-imports
step "unit tests"; python -m pytest tests/unit -n 2 -q
step "drivers, playbooks and hosts"; python -m pytest tests --ignore=tests/unit -q
