# The two commands are `make demo` and `make test`; the rest serves them.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export DEBUG ?= 1
export LOG_FORMAT ?= console

.PHONY: test lint run stop lock

.venv/runtime.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/runtime.stamp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy .
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

test: lint
	$(BIN)/python -m pytest -n auto -q

run: .venv/runtime.stamp
	@$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py runserver

stop:
	@$(BIN)/python -m portal.embedded stop

# Resolves the .in files anew; the lock files hold hashes and no address.
lock: .venv/dev.stamp
	@$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt
