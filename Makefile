# Two commands on a fresh machine with Python 3.11 to 3.13, git and make: `make demo` and `make test`.
# Everything that they need is installed into .venv from requirements.lock; nothing else on the machine is touched.

# An interpreter of your choice: make setup PYTHON=/opt/python3.12/bin/python3
PYTHON ?=
# What to test: make test TESTS="tests/unit -k timers"
TESTS ?=
LOCK_UV := uv==0.13.9
COMPILE = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url pyproject.toml

INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup test soak demo bench bench-scale lint format lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install the locked dependencies and the program into .venv

# A candidate must run, be of a supported version and be able to make a virtual environment: a version manager
# leaves commands of the right name that do nothing. A .venv that works is kept.
$(INSTALLED): requirements.lock pyproject.toml
	@if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then \
		for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
			"$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
				2>/dev/null || continue; \
			echo "making .venv with $$("$$python" --version)"; \
			exec "$$python" -m venv .venv; \
		done; \
		echo "make setup: needs Python 3.11, 3.12 or 3.13 with its venv module (Debian: python3-venv)" >&2; \
		exit 1; \
	fi
	.venv/bin/python -m pip install --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	.venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@.venv/bin/python -m streams.compile_engine
	@touch $@

test: setup ## all tests; starts and stops its own Kafka, schema registry and ClickHouse
	.venv/bin/python -m $(if $(strip $(TESTS)),pytest $(TESTS),tests)

soak: setup ## a hundred kill -9 of workers over one replay, compared with a calm run; about a quarter of an hour
	.venv/bin/python -m tests.soak.kill_workers

demo: setup ## a real year of receipts through the whole pipeline; report in build/demo
	.venv/bin/rekindle demo

bench: setup ## measure; writes build/bench.json
	.venv/bin/python -m bench

bench-scale: setup ## how costs grow with members, campaigns, workers; build/scale.svg
	.venv/bin/python -m bench.scale

lint: setup ## style and types
	@status=0; for check in 'ruff check .' 'ruff format --check .' mypy; do \
		echo ".venv/bin/$$check"; .venv/bin/$$check || status=1; \
	done; exit $$status

format: setup ## rewrite the code in the project's format
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock: setup ## pin every dependency anew, with hashes: requirements.lock, and its part that runs in the image
	test -x build/lock/bin/python || .venv/bin/python -m venv build/lock
	build/lock/bin/python -m pip install --disable-pip-version-check --quiet '$(LOCK_UV)'
	$(COMPILE) --all-extras --upgrade --output-file requirements.lock
	$(COMPILE) --extra build --constraint requirements.lock --output-file infra/docker/requirements.lock
