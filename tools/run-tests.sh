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
step "unit tests"; python -m pytest tests/unit -n 2 --dist loadfile -q
step "unit tests of the store again, on PostgreSQL"
# Tests that leave a store open are told so by psycopg, at any later moment: no fault of the test that runs then.
GASP_TEST_DATABASE=postgresql python -m pytest tests/unit/store tests/unit/audit tests/unit/record tests/unit/workflow \
  -n 2 --dist loadfile -q -W ignore::pytest.PytestUnraisableExceptionWarning
step "drivers, playbooks and hosts"; python -m pytest tests --ignore=tests/unit -q
