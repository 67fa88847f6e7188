# Every target does its whole set-up, once, on a machine with Rust and Python >= 3.11 and nothing else.
#
#   make demo     what selion does, in two minutes
#   make test     all tests, Rust and Python
#   make test-matrix   what meets Dask and xarray, with the oldest and the newest releases of them
#   make bench    side by side with Dask and NumPy; options: make bench ARGS="--only tutorial --no-dask"
#   make lint     formats, lints, and the rules of the architecture
#   make docs     the Rust documentation, in target/doc
#   make clean    removes what the other targets made
#
# PYTHON=/path/to/python chooses another interpreter for .venv; ARGS goes to the program that the target runs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-rust test-python test-matrix bench lint docs clean ext gateway cargo

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
ARGS ?=

# The one crate that links Python is tested from Python.
RUST_TESTED := --workspace --exclude selion-python

export PYO3_PYTHON := $(CURDIR)/$(PY)
export PYO3_BUILD_EXTENSION_MODULE := 1

help:
	@sed -n '3,8s/^# *//p' Makefile

demo: ext $(VENV)/.deps-demo
	@$(PY) examples/demo.py $(ARGS)

test: test-rust test-python

test-rust: cargo $(VENV)/.made
	@if cargo nextest --version >/dev/null 2>&1; then \
	  cargo nextest run $(RUST_TESTED) --no-tests=pass --status-level=fail --show-progress=none; \
	else \
	  cargo test $(RUST_TESTED) --lib --bins --tests --examples --quiet; \
	fi
	@out=$$(cargo test $(RUST_TESTED) --doc 2>&1) || { echo "$$out"; exit 1; }; \
	echo "doctests passed: $$(grep -o '[0-9]* passed' <<<"$$out" | awk '{n += $$1} END {print n}')"

test-python: ext gateway $(VENV)/.deps-test
	@$(PY) -m pytest $(ARGS)

# The tests of what meets others, in an environment of its own for each end of what is supported.
MATRIX := test_dask_get test_dask_lift test_dask_cluster test_xarray_manager test_xarray_programs test_plugs test_docs

test-matrix: $(VENV)-oldest/.made $(VENV)-newest/.made
	@for end in oldest newest; do \
	  echo "with the $$end releases:"; \
	  PYTHONPATH=python $(VENV)-$$end/bin/python -m pytest -W default $(MATRIX:%=python/tests/%.py) $(ARGS); \
	done

$(VENV)-oldest/.made $(VENV)-newest/.made: $(VENV)-%/.made: pyproject.toml | ext
	@$(PY) -m venv $(VENV)-$*
	@$(VENV)-$*/bin/python -m pip install --quiet --disable-pip-version-check \
	  $$($(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*p["project"]["optional-dependencies"]["interop-$*"])')
	@touch $@

bench: ext $(VENV)/.deps-bench
	@$(PY) benches/run.py $(ARGS)
	@[ -n "$(ARGS)" ] || $(PY) benches/cluster.py

lint: cargo $(VENV)/.deps-lint
	@cargo fmt --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/ruff format --quiet --check . || { $(VENV)/bin/ruff format --check .; exit 1; }
	@scripts/check-edges.sh
	@scripts/check-tidy.sh
	@echo "lint: clean"

docs: cargo $(VENV)/.made
	@RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps
	@echo "docs: target/doc/selion/index.html"

clean:
	rm -rf target $(VENV) .pytest_cache .ruff_cache .hypothesis python/selion/_selion*.so
	find python benches examples -name __pycache__ -prune -exec rm -rf {} +

# The extension module, always with optimisation: tests, demo and benchmarks share the one build.
ext: cargo $(VENV)/.deps-build
	@mkdir -p target; echo "building selion._selion (target/maturin.log)"; \
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(VENV)/bin/maturin develop --release >target/maturin.log 2>&1 \
	  || { cat target/maturin.log; exit 1; }

# The gateway is a program of its own, beside the interpreter.
gateway: cargo $(VENV)/.made
	@echo "building selion-gateway"; cargo build --quiet --release -p selion-cli
	@install -s target/release/selion $(VENV)/bin/selion-gateway

cargo:
	@command -v cargo >/dev/null || { echo "selion needs Rust: https://rustup.rs" >&2; exit 1; }

$(VENV)/.made:
	@python=$${PYTHON:-}; \
	if [ -z "$$python" ]; then \
	  for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$p; break; fi; \
	  done; \
	fi; \
	[ -n "$$python" ] || { echo "selion needs Python >= 3.11; none found (make PYTHON=/path/to/python …)" >&2; exit 1; }; \
	"$$python" -m venv $(VENV) || { echo "$$python cannot make a virtual environment: install its venv module" >&2; exit 1; }
	@touch $@

# The packages to build with, and those of one group of pyproject.toml's optional dependencies.
$(VENV)/.deps-build: $(VENV)/.made pyproject.toml
	@$(PIP) $$($(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*p["build-system"]["requires"], *p["project"]["dependencies"])')
	@touch $@

$(VENV)/.deps-%: $(VENV)/.made pyproject.toml
	@$(PIP) $$($(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*p["project"]["optional-dependencies"]["$*"])')
	@touch $@
