#!/usr/bin/env bash
# What `make test` runs, in order: cheap checks first, then unit tests, then everything real. Two processes share the
# files of a stage. Ends with pytest's own summary line. Stops at the first stage that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
step() { printf '\n== %s\n' "$*"; }
step "lint"; ruff check . && ruff format --check .
step "catalogue and reference"; python tools/messages.py check && python tools/reference.py check
step "playbooks"; ansible-lint --offline -q --profile production playbooks
step "types"; mypy
step "import contracts"; lint-imports
share() { python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q "$@"; }
step "unit tests"; share tests/unit
step "unit tests of store, API and pages again, on PostgreSQL"
# Tests that leave a store open are told so by psycopg, at any later moment: no fault of the test that runs then.
GASP_TEST_DATABASE=postgresql share tests/unit/{store,audit,record,workflow,api,web} -W ignore::pytest.PytestUnraisableExceptionWarning
step "drivers and pages, with a network of their own: loopback"
export -f share
unshare --net bash -ec 'ip link set lo up; share tests/drivers tests/web'
step "hosts: the whole estate, playbooks, a lab for each process"
share tests/estate tests/playbooks tests/lab --ignore=tests/lab/test_lab_residue.py
step "a lab leaves nothing"; python -m pytest tests/lab/test_lab_residue.py -q
