# authsvc: `make` explains, everything else makes its own environment from the lock files first.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALL = $(PY) -m pip install -q --disable-pip-version-check --require-hashes -r

.DEFAULT_GOAL := help
.PHONY: help run test check bench bench-growth profile screenshots lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/run.stamp ## make a demo and serve it on 127.0.0.1:8000
	@$(PY) manage.py bootstrap --demo
	@$(PY) -m gunicorn -c deploy/gunicorn.conf.py

test: $(VENV)/dev.stamp ## run the whole suite on SQLite and PostgreSQL (ARGS="-k name" for a part)
	@$(PY) -m tests.run $(ARGS)

check: $(VENV)/dev.stamp ## lint, format, types, import contracts, migrations in sync
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --no-cache
	@$(PY) manage.py makemigrations --check --dry-run

bench: $(VENV)/dev.stamp ## measure every hot path beside other software, as ratios (ARGS="--only P1 --database sqlite")
	@$(PY) -m tests.bench.run $(ARGS)

bench-growth: $(VENV)/dev.stamp ## measure with few rows and with a million (ARGS="--rows 20000" for a small one)
	@$(PY) -m tests.bench.growth $(ARGS)

profile: $(VENV)/dev.stamp ## show where the time of each hot path goes (ARGS="decide resolve")
	@$(PY) -m tests.bench.profile $(ARGS)

screenshots: $(VENV)/dev.stamp ## take pictures of the admin in every look, into screenshots/
	@$(PY) -m tests.browser.screenshots

lock: $(VENV)/dev.stamp ## resolve pyproject.toml into the lock files
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock
	@$(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --extra dev pyproject.toml -o requirements-dev.lock

clean: ## remove environments and the development state
	@rm -rf $(VENV) .venv-* var .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("authsvc needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(VENV)/bin/python requirements.lock
	@echo "Installing what the service needs (once) ..."
	@$(INSTALL) requirements.lock
	@touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python requirements-dev.lock
	@echo "Installing what the tests need (once) ..."
	@$(PY) tests/environments.py $(PY) $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/run.stamp
