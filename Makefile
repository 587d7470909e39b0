# Two commands: `make reproduce` and `make test`. Both set up a virtual environment first, once.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PRESET ?= quick

.PHONY: reproduce test test-slow benchmark clean

reproduce: $(VENV)/installed
	$(BIN)/moetheory run simulations --preset $(PRESET)

test: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses 2

test-slow: $(VENV)/installed-for-tests
	$(BIN)/python -m pytest -m slow

benchmark: $(VENV)/installed
	$(BIN)/python benchmarks/certified_fit.py
	$(BIN)/python benchmarks/random_starts.py
	$(BIN)/python benchmarks/compile_time.py
	$(BIN)/python benchmarks/gpu.py
	$(BIN)/python benchmarks/newton_pass.py
	$(BIN)/python benchmarks/where_time_goes.py
	$(BIN)/python benchmarks/accelerated_em.py
	$(BIN)/python benchmarks/against_peers.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/published_figures.py
	$(BIN)/python benchmarks/large_samples.py
	$(BIN)/python benchmarks/stages.py
	$(BIN)/python benchmarks/capacity.py

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-for-tests: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) results
