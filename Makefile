# Two commands on a fresh machine: `make demo` and `make test`. The others are for working on datagen.
SHELL := /bin/bash
PY := .venv/bin/python
JOBS ?= auto

.PHONY: demo test test-vllm lint bench docs setup setup-dev wheel clean

setup:
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh dev

demo: setup   ## read our own docs with the embedded rules (no model, no key) and write a report
	@.venv/bin/datagen run --source docs/ --out runs/demo --set generator.backend=extractive
	@echo
	@echo "Three of the pairs:"
	@$(PY) scripts/show.py runs/demo 3

test: setup-dev lint
	# One thread a worker: two that share cores with each other are slower than one.
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS)

test-vllm: setup-dev   ## against real vLLM: its CPU build in an environment of its own, 3.5 GB, made once a machine
	vllm="$$(scripts/setup-vllm.sh)" && DATAGEN_TEST_VLLM_PYTHON="$$vllm" $(PY) -m pytest tests/vllm/test_real.py tests/vllm/test_real_judge.py -rs

lint: setup-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

bench: setup-dev
	$(PY) -m benchmarks

docs: setup-dev   ## write docs/configuration.md from the code
	$(PY) scripts/reference.py

wheel: setup-dev
	$(PY) -m build --wheel

clean:
	rm -rf .venv dist build runs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
