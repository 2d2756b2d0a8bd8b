# Each target installs what it needs into .venv; a second call finds it there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := 0.13.9
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo test test-one test-all drill lint bench graph tables lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

install: $(VENV)/.installed-dev $(BIN)/research  ## create .venv with all that users and developers need; activate it for the commands research and pytest
	@echo "done; next: source $(VENV)/bin/activate"

demo: $(VENV)/.installed $(BIN)/research  ## train the gradient-norm sweep, print its table and draw its figures; run again, it resumes
	$(BIN)/research sweep gradient_norms
	$(BIN)/research report runs/gradient_norms

test: $(VENV)/.installed-dev $(BIN)/research  ## run the tests on all cores: 10 to 25 minutes on 2 of them
	$(PYTEST) -m "not slow"

test-one: $(VENV)/.installed-dev  ## run the tests whose names contain K, on all cores: make test-one K=gru; K may also be the path of a file
	@test -n "$(K)" || { echo "error: K must be set, as in make test-one K=gru" >&2; exit 2; }
	$(PYTEST) $(if $(wildcard $(K)),"$(K)",-k "$(K)")

test-all: $(VENV)/.installed-dev  ## run the slow tests as well, which confirm at length what others show: one minute more
	$(PYTEST)

drill: $(VENV)/.installed-dev  ## kill, damage, starve and confuse the commands, and count what they do: about an hour; SIZE=small: minutes
	$(BIN)/python -m drills --size=$(or $(SIZE),full)

lint: $(VENV)/.installed-dev  ## check format, style and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright

bench: $(VENV)/.installed-bench  ## measure the speed of the cells versus torch and flax, time and memory by length, packs versus single trials
	$(BIN)/python -m benchmarks.cell_speed
	$(BIN)/python -m benchmarks.scan_length
	$(BIN)/python -m benchmarks.train_step
	$(BIN)/python -m benchmarks.seq2seq_speed
	$(BIN)/python -m benchmarks.pack_speed
	$(BIN)/python -m benchmarks.gradient_flow_torch

graph: $(VENV)/.installed  ## draw which folder imports which: docs/figures/imports.svg
	$(BIN)/python -m benchmarks.import_graph

tables: $(VENV)/.installed  ## write the tables of docs/experiments.md, and from them those of README.md, from the sweeps in runs
	$(BIN)/python -m benchmarks.result_tables

lock: | $(BIN)/python  ## write requirements.lock: all packages of requirements-dev.txt with their hashes
	$(PIP) uv==$(UV)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --output-file requirements.lock requirements-dev.txt

clean:  ## remove .venv and caches, and keep runs
	rm -rf $(VENV) .pytest_cache .ruff_cache
	find research experiments benchmarks drills tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@echo "installing requirements.txt into $(VENV)"
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements-cluster.txt requirements.txt | $(BIN)/python
	@echo "installing requirements-dev.txt into $(VENV)"
	$(PIP) -r requirements-dev.txt
	@touch $(VENV)/.installed $@

$(BIN)/research: | $(BIN)/python
	@echo "installing the command research into $(VENV)"
	$(PIP) --no-deps -e .

$(VENV)/.installed-bench: requirements-bench.txt requirements.txt | $(BIN)/python
	@echo "installing requirements-bench.txt into $(VENV)"
	$(PIP) -r requirements-bench.txt
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; Python 3.11 or newer is needed: make PYTHON=/path/to/python" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
