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

BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
export PYTHON
STEP := .ci/step

.PHONY: help demo test lint unit images e2e molecule bench lock wheel clean

help: ## Show this
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.local: pyproject.toml constraints.txt .ci/setup
	@.ci/setup venv $(VENV) local
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt .ci/setup
	@.ci/setup venv $(VENV) dev
	@touch $@ $(VENV)/.local

demo: $(VENV)/.local ## The main job: a workflow makes workers appear, work and go, on the rehearsal cloud
	@.ci/setup tools
	@exec $(BIN)/python demo/demo.py $(if $(KEEP),--keep)

test: ## Lint, unit, contract, playbook, role and end-to-end tests
	@.ci/setup tools
	@$(STEP) "install" $(MAKE) $(VENV)/.dev
	@$(STEP) "lint" $(MAKE) lint
	@$(STEP) "images" $(MAKE) images
	@$(STEP) "molecule" $(MAKE) molecule
	@$(STEP) "unit, contract and playbook tests" $(MAKE) unit
	@# They mostly wait: two files at a time, each with a rehearsal cloud of its own.
	@$(STEP) "end-to-end tests" pytest -m e2e --numprocesses 2 --dist loadfile --durations=10 $(PYTEST)

lint: $(VENV)/.dev ## Ruff, mypy, import-linter, yamllint, ansible-lint
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports --no-logo
	@yamllint --strict .
	@# The inventory is a cluster's; without one its playbooks can be read all the same.
	@ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=false ansible-lint

unit: $(VENV)/.dev ## The tests that need no Docker engine
	@pytest -m "not e2e" --numprocesses auto $(PYTEST)

images: $(VENV)/.dev ## A Docker engine, and the images of the rehearsal cloud
	@python .ci/images.py

e2e: images ## The tests on real hosts
	@pytest -m e2e $(PYTEST)

molecule: images ## Each role alone on a real host
	@.ci/molecule

bench: $(VENV)/.dev ## Measure: start-up, AWS calls, nodes, decisions and their cost, the demo
	@python tests/benchmarks

lock: $(VENV)/.dev ## Write constraints.txt from the virtualenv
	@python .ci/lock.py

wheel: $(VENV)/.dev ## Build dist/toilctl-*.whl
	@pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove what make made here (the images stay: toilctl local down --images)
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .cache
