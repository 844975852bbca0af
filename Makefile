# Targets write only to this folder (.venv, node_modules, .demo, site); `make targets` to the user's cache.
PYTHON ?= python3
BIN := .venv/bin
# One more than a small machine has cores: a seventh of the time, a test waits for a server or a process.
PROCESSES ?= 3
PROJECTS := pyproject.toml tracing/pyproject.toml
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-annotate --no-header
SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --clean

.DEFAULT_GOAL := help
.PHONY: help install demo targets test check docs serve-docs proto bench attacks lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.all node_modules/.installed ## install Playhead, all tools and restate-server

# The demo needs fewer packages than the tests, so its installation is faster.
.venv/.run: requirements/run.txt $(PROJECTS)
	@PYTHON="$(PYTHON)" sh scripts/install.sh requirements/run.txt $@

.venv/.all: requirements/all.txt $(PROJECTS)
	@PYTHON="$(PYTHON)" sh scripts/install.sh requirements/all.txt $@
	@touch .venv/.run

node_modules/.installed: package-lock.json
	@sh scripts/install-server.sh
	@mkdir -p node_modules && touch $@

demo: .venv/.run node_modules/.installed ## run sample agents with failures, and open the dashboard
	@$(BIN)/playhead demo $(ARGS)

targets: ## obtain the Collector, Jaeger, Phoenix and Spark for the tests, outside the checkout (needs Go, Java)
	@PYTHON="$(PYTHON)" sh scripts/targets.sh

# The tests start hundreds of processes, which are to find compiled modules, also where an environment forbids them.
test: install ## run the tests in several processes (PROCESSES=3)
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

check: install ## check format, lint, types, imports, generated files and documentation
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright --warnings
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/docs.py --check
	@$(BIN)/python scripts/proto.py --check
	@$(SITE)

docs: install ## generate the reference pages and build the site into site/
	@$(BIN)/python scripts/docs.py
	@$(SITE)
	@echo "Built site/index.html"

serve-docs: install ## serve the documentation at http://127.0.0.1:8000
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

proto: install ## generate the classes of Restate's service protocol (needs uv)
	@uv run --quiet --no-project --python $(BIN)/python --with-requirements requirements/proto.txt \
	  python scripts/proto.py

bench: install ## run the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

attacks: install ## run the attacks of the tests and write docs/attacks.md
	@$(BIN)/python scripts/attacks.py

lock: ## pin the newest allowed versions of all packages (needs uv)
	@$(COMPILE) --all-extras --no-emit-package playhead-tracing requirements/all.in $(PROJECTS) -o requirements/all.txt
	@$(COMPILE) --all-extras --no-emit-package playhead-tracing requirements/build.in $(PROJECTS) -c requirements/all.txt -o requirements/run.txt
	@$(COMPILE) requirements/uv.in -o requirements/uv.txt
	@$(COMPILE) requirements/proto.in -o requirements/proto.txt
	@$(COMPILE) requirements/targets.in -o requirements/targets.txt
	@$(COMPILE) requirements/spark.in -o requirements/spark.txt

clean: ## remove all files that these targets write
	rm -rf .venv node_modules .demo site
