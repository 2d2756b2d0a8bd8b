# Each target sets up what it needs in .venv; a second call finds it there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint bench graph clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed  ## the main job: train the gradient-norm sweep (it goes on where it stopped), print its table, draw its figures
	$(BIN)/python -m research sweep sweeps/gradient_norms.yaml
	$(BIN)/python -m research report runs/gradient_norms

test: $(VENV)/.installed-dev  ## the tests, on all cores: about 10 minutes on 2 of them
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.installed-dev  ## the slow tests as well, which confirm at length what others show: one minute more
	$(PYTEST)

lint: $(VENV)/.installed-dev  ## format, lint and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright

bench: $(VENV)/.installed-bench  ## speed of the cells next to torch's and flax's, time and memory against length, packs next to one process a trial
	$(BIN)/python -m benchmarks.cell_speed
	$(BIN)/python -m benchmarks.scan_length
	$(BIN)/python -m benchmarks.train_step
	$(BIN)/python -m benchmarks.seq2seq_speed
	$(BIN)/python -m benchmarks.pack_speed

graph: $(VENV)/.installed  ## draw who imports whom: docs/figures/imports.svg
	$(BIN)/python -m benchmarks.import_graph

clean:  ## remove the environment and caches; runs are kept
	rm -rf $(VENV) .pytest_cache .ruff_cache
	find research experiments benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "installing requirements.txt into $(VENV)"
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt | $(BIN)/python
	@echo "installing requirements-dev.txt into $(VENV)"
	$(PIP) -r requirements-dev.txt
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: requirements-bench.txt requirements.txt | $(BIN)/python
	@echo "installing requirements-bench.txt into $(VENV)"
	$(PIP) -r requirements-bench.txt
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; Python 3.11 or newer is needed: make PYTHON=/path/to/python" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
