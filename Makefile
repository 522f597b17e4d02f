# One command each. `make up` and `make test` are all that a newcomer needs.
SHELL := /bin/bash
GASP := .venv/bin/gasp
PY := .venv/bin/python
PAGES := $(addprefix tests/web/test_,console.py acting.py portal.py portal_content.py signing.py tokens.py director.py)

.PHONY: help up down clean test lint types imports unit lab-tests axe screenshots bench nightly lock messages wheel

help: ## Show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## Install what is needed, boot the lab, bring the whole estate up, verify it (killed? run it again)
	@tools/bootstrap.sh run
	@GASP_URL= $(GASP) bringup

down: ## Stop the lab: nothing stays running, mounted or configured; database, images and disks are kept
	@tools/bootstrap.sh stop
	@GASP_URL= $(GASP) lab down

clean: ## As down, and delete the lab's disks, the database and all state
	@tools/bootstrap.sh stop
	@GASP_URL= $(GASP) lab clean --yes

test: ## Everything: lint, types, import contracts, unit tests, driver contracts, lab tests on real hosts
	@tools/bootstrap.sh test
	@tools/run-tests.sh

lint: ## ruff, ansible-lint, sentences and reference
	@tools/bootstrap.sh test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && PATH="$$PWD/.venv/bin:$$PATH" ansible-lint --offline -q --profile production playbooks && $(PY) tools/messages.py check && $(PY) tools/reference.py check

types: ## mypy, strict
	@.venv/bin/mypy

imports: ## Import contracts: which room may know which
	@.venv/bin/lint-imports

unit: ## Unit tests only
	@tools/bootstrap.sh test
	@$(PY) -m pytest tests/unit -n 2 --dist loadfile -q

axe: ## Every page of the console with axe-core: both languages, widths and colours
	@tools/bootstrap.sh test
	@GASP_AXE=all $(PY) -m pytest $(PAGES) -q

screenshots: ## Pictures of every page of the console, into SHOTS=folder (default: screenshots), and those of the guides
	@tools/bootstrap.sh test
	@GASP_AXE=all GASP_SHOTS=$(abspath $(or $(SHOTS),screenshots)) $(PY) -m pytest $(PAGES) -q
	@$(PY) tools/guides.py $(abspath $(or $(SHOTS),screenshots))

bench: ## Benchmarks with the machine, medians and the peers in the same run; FULL=1 for the long form
	@tools/bootstrap.sh test
	@$(PY) -m bench $(if $(FULL),--full)

nightly: ## Check the running centre: any input at every operation in four roles, and what departments see of each other
	@tools/bootstrap.sh test
	@$(PY) -m nightly

lock: ## Resolve the lock files anew
	@tools/lock.sh

messages: ## Extract sentences and compile the Chinese catalogue
	@$(PY) tools/messages.py extract

wheel: ## Build the wheel with its data
	@$(PY) -m hatchling build -t wheel
