# Everything goes to .venv, node_modules and .demo in this folder; nothing outside it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help install demo test check lock docs bench clean

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/.installed node_modules/.installed ## prepare .venv and Restate's server

$(VENV)/.installed: requirements/all.txt pyproject.toml tracing/pyproject.toml
	@echo "Installing Python packages into $(VENV) ..."
ifneq ($(UV),)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/all.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e tracing -e .
else
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/all.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e tracing -e .
endif
	@touch $@

node_modules/.installed: package-lock.json
	@PYTHON="$(PYTHON)" sh scripts/install-server.sh
	@mkdir -p node_modules && touch $@

demo: install ## run agents, failures and the dashboard; everything is local
	@$(BIN)/playhead demo $(ARGS)

test: install ## run the tests
	@$(BIN)/python -m pytest $(ARGS)

check: install ## format, lint, types, import rules, generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright --warnings
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/docs.py --check

docs: install ## write the generated pages again
	@$(BIN)/python scripts/docs.py

bench: install ## the benchmarks: ratios against peers and floors
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## pin the newest versions that pyproject allows (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --all-extras --no-emit-package playhead-tracing requirements/all.in pyproject.toml tracing/pyproject.toml -o requirements/all.txt

clean: ## remove what install and demo made
	rm -rf $(VENV) node_modules .demo
