# make demo   the main job on the rehearsal cloud        make test    everything that CI runs
# make help   the rest
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?=
# Leave the demo's cluster and cloud running at its end: make demo KEEP=1
KEEP ?=
# More words for pytest: make unit PYTEST="-k node_types -x"
PYTEST ?=
# What make check compares with: make check SINCE=main
SINCE ?=

BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
export PYTHON
# Whatever the shell says, Python keeps what it compiles. Else each of a thousand processes compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=
STEP := .ci/step
# One more than there are processors, since some wait for workflows. Whoever has no test left takes some of another's:
# they take between a millisecond and two minutes.
SPREAD := --numprocesses $$(python -c 'import os; print((os.cpu_count() or 1) + 1)') --dist worksteal

# A warning of the manual's is an error.
MANUAL := sphinx-build --quiet --fail-on-warning --keep-going docs build/docs

# What may differ with another Python and another Ansible: modules, roles, playbooks, the command line, and what leaves
# this process. What only reckons is tried with one.
ELSEWHERE := tests/contract tests/unit/bundle tests/unit/cli tests/unit/roles tests/unit/system tests/unit/verbs/connect \
	$(addprefix tests/playbooks/test_,deployments.py inventory.py launched_cluster.py)

# Where Debian 13's Python has toilctl, in a root directory of its own.
DEBIAN13_VENV := /opt/toilctl

.PHONY: help demo test lint check docs unit deep images e2e molecule debian13 debian13-root any-python bench lock wheel clean

help: ## Show this
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.local: pyproject.toml $(wildcard constraints-*.txt) .ci/setup
	@.ci/setup venv $(VENV) local
	@touch $@

$(VENV)/.dev: pyproject.toml $(wildcard constraints-*.txt) .ci/setup
	@.ci/setup venv $(VENV) dev
	@touch $@ $(VENV)/.local

demo: $(VENV)/.local ## The main job: a workflow makes workers appear, work and go, on the rehearsal cloud
	@.ci/setup tools
	@exec $(BIN)/python demo/demo.py $(if $(KEEP),--keep)

test: ## Lint, unit, contract, playbook, role and end-to-end tests, with this Python and with Debian 13's
	@.ci/setup tools
	@# What is unpacked and written leaves a processor free for something else.
	@$(STEP) "install" $(MAKE) -j 2 --output-sync=target $(VENV)/.dev debian13-root
	@$(STEP) "lint, images" $(MAKE) -j 2 --output-sync=target lint images
	@$(STEP) "molecule" $(MAKE) molecule
	@$(STEP) "unit, contract and playbook tests" $(MAKE) unit
	@$(STEP) "Debian 13's Python, the newest Ansible" $(MAKE) debian13
	@# Three files at a time, the longest first, each with a rehearsal cloud of its own.
	@$(STEP) "end-to-end tests" .ci/second-try \
		pytest -m "e2e and not any_python" --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations=10 $(PYTEST)

lint: $(VENV)/.dev ## Ruff, mypy, import-linter, yamllint, ansible-lint, the manual
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-logo
	@yamllint --strict .
	@# The inventory is a cluster's; without one its playbooks can be read all the same.
	@ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=false ansible-lint
	@$(MANUAL)

docs: $(VENV)/.dev ## The reference, made of the code, and the manual, in build/docs
	@python -m docs.generate
	@$(MANUAL)
	@echo "build/docs/index.html"

check: $(VENV)/.dev ## A minute's look at a change: ruff, mypy, import-linter, and the unit tests of what it touches
	@ruff check . && ruff format --check . && mypy && lint-imports --no-logo >/dev/null
	@tests=$$(python .ci/touched.py $(SINCE)); [ -z "$$tests" ] || pytest -q -m "not e2e" $(SPREAD) $$tests $(PYTEST)

deep: $(VENV)/.dev ## Unit, contract and playbook tests, each property with ten times as many examples
	@EXAMPLES=many pytest -m "not e2e" $(SPREAD) $(PYTEST)

unit: $(VENV)/.dev ## The tests that need no Docker engine
	@pytest -m "not e2e" $(SPREAD) $(PYTEST)

images: $(VENV)/.dev ## A Docker engine, and the images of the rehearsal cloud
	@python .ci/images.py

e2e: images ## The tests on real hosts
	@pytest -m e2e $(PYTEST)

molecule: images ## Each role alone on a real host
	@.ci/molecule

debian13: images ## Tests of what may differ, and a day with the CLI, with Debian 13's Python and the newest Ansible
	@! .ci/debian13 possible || .ci/debian13 $(MAKE) VENV=$(DEBIAN13_VENV) any-python

debian13-root:
	@! .ci/debian13 possible >/dev/null || .ci/debian13 .ci/setup venv $(DEBIAN13_VENV) dev

any-python:
	@# Always: the virtualenv may be that of another checkout.
	@.ci/setup venv $(VENV) dev
	@EXAMPLES=few pytest -m "not e2e" $(SPREAD) $(ELSEWHERE) $(PYTEST)
	@pytest -m "e2e and any_python" --durations=10 $(PYTEST)

bench: $(VENV)/.dev ## Measure: start-up, AWS calls, nodes, decisions and their cost, the demo
	@python tests/benchmarks

lock: ## Refresh the locks: the newest of all that pyproject.toml allows, on Python 3.11 and on later ones
	@.ci/setup lock

wheel: $(VENV)/.dev ## Build dist/toilctl-*.whl
	@pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove what make made here (the images stay: toilctl local down --images)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache
