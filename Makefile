# Everything a person runs here; `make help` lists it.

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test check bench soak clean

PY := .venv/bin/python
PORT ?= 8000
BENCHMARKS ?= engine latency chaos

# The first of these that is new enough makes .venv; 3.11 first, because the pinned packages were measured on it.
PYTHON ?= python3.11 python3.12 python3.13 python3.14 python3
SET_UP = @for python in $(PYTHON); do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		&& exec $$python -m orchestra.bootstrap $(1); done; \
	echo "Orchestra needs Python 3.11 or newer: install it, then run this again." >&2; exit 1

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Virtual environment, packages, browser files, .env; quick when nothing changed
	$(call SET_UP)

setup-dev:
	$(call SET_UP,--dev)

run: setup ## Orchestra on 127.0.0.1:8000 (PORT=...), web and workers; Ctrl-C stops everything
	@$(PY) manage.py up --prepare --port $(PORT)

test: ## The whole suite: on SQLite, then on PostgreSQL and Redis where they answer
	$(call SET_UP,--dev --browser)
	@$(PY) -m tests

check: setup-dev ## Format, lint, types, import floors, migrations, deployment
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check --deploy

bench: setup ## The benchmarks, one JSON object a line
	@for name in $(BENCHMARKS); do $(PY) manage.py bench $$name || exit 1; done

soak: ## The long versions of the hard tests
	$(call SET_UP,--dev --browser)
	@$(PY) -m tests -m soak

clean: ## Remove what the set-up and the tests made; .env and data stay
	rm -rf .venv node_modules static/vendor .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
