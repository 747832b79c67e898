# Every target works on a fresh machine: what it needs is installed into .venv first.
# Another interpreter: make PYTHON=python3.12 ...

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEV := $(VENV)/.dev-installed
BENCH := $(VENV)/.bench-installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench calibrate bench-learning lint types check clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV)  ## make .venv and install tradebot with its tools, in the tested versions

demo: $(DEV)  ## train, backtest and report on the shipped sample of prices
	$(BIN)/tradebot demo

test: $(DEV)  ## all tests but long trainings, the notebooks among them
	$(BIN)/python -m pytest -n 2 --dist worksteal

bench: $(BENCH)  ## how fast it is, beside other libraries
	$(BIN)/python -m tests.benchmarks

calibrate: $(BENCH)  ## how often the verdict is `edge` where there is none, and where there is one: some ten minutes
	$(BIN)/python -m tests.benchmarks calibrate

bench-learning: $(BENCH)  ## long trainings; every agent on classic control and known markets: hours
	$(BIN)/python -m pytest -m learning -n 2 --dist worksteal
	$(BIN)/python -m tests.benchmarks control
	$(BIN)/python -m tests.benchmarks optima

lint: $(DEV)  ## formatting, code rules, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(DEV)  ## strict type checking
	$(BIN)/mypy

check: lint types test  ## all that must pass before a change is accepted

clean:  ## remove .venv, caches and builds, but nothing that was trained
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find tradebot tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so an installation that failed half-way is done again.
$(DEV): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null \
		|| { echo "tradebot needs Python 3.11 or newer, and '$(PYTHON)' was not found: install it, or name another with 'make PYTHON=...'" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "tradebot needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1): install a newer one, or name it with 'make PYTHON=...'" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev]'
	@touch $@

$(BENCH): $(DEV)
	$(BIN)/python -m pip install -c constraints.txt -e '.[dev,bench]'
	@touch $@
