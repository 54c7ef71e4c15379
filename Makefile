# The two commands are `make demo` and `make test`; the rest serves them.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
export DEBUG ?= 1
export LOG_FORMAT ?= console

.PHONY: demo bench fuzz test lint run stop lock

# The demo portfolio from real readings; SERVE=0 loads it and stops after the summary.
demo: .venv/runtime.stamp
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py demo
	@$(if $(filter 0,$(SERVE)),,$(MAKE) --no-print-directory run)

.venv/runtime.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python's venv module is missing: apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt .venv/runtime.stamp
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy .
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

# Other people's verifiers of credentials; their tests say so when there is no npm.
tests/independent/node_modules/.package-lock.json: tests/independent/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --prefix tests/independent && touch $@; fi

test: lint tests/independent/node_modules/.package-lock.json
	$(BIN)/python -m pytest -n auto -q

# Damaged and odd deliveries to every format, for two and a half minutes.
fuzz: .venv/dev.stamp
	FUZZ_SECONDS=150 $(BIN)/python -m pytest -q -p no:randomly tests/telemetry/test_fuzz.py

# Speed against bare PostgreSQL as JSON; QUICK=1 for a small run.
bench: .venv/dev.stamp
	@$(BIN)/python -W ignore -m tests.bench $(if $(QUICK),--quick)

# Web, worker and beat, and with MQTT_URL the subscriber; Ctrl-C or the end of one ends all three.
run: .venv/runtime.stamp
	@$(BIN)/python manage.py migrate --verbosity 0
	@trap 'trap - EXIT INT TERM; kill $$(jobs -p) 2>/dev/null; wait' EXIT INT TERM; \
	$(BIN)/python manage.py runserver --noreload & \
	$(BIN)/python -m celery -A portal worker --concurrency 2 --queues ingest,rollup,billing,documents,default & \
	{ [ -z "$$MQTT_URL" ] && exec sleep infinity || exec $(BIN)/python manage.py run_mqtt; } & \
	$(BIN)/python -m celery -A portal beat --schedule "$${WARMGRID_VAR:-var}/beat-schedule" & \
	wait -n

stop:
	@$(BIN)/python -m portal.embedded stop

# Resolves the .in files anew; the lock files hold hashes and no address.
lock: .venv/dev.stamp
	@$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt
