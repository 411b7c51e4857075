# `make help` lists the targets. Everything lives in .venv and demo-instance; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 5000
DEMO := demo-instance
NAME ?=
ROUNDS ?= 20
SOAK := tests/core/test_jobs.py tests/core/test_serve.py tests/core/plugins/test_state.py \
	tests/core/plugins/test_toggling.py tests/core/test_uow.py tests/core/exchange tests/core/search \
	tests/plugins/marketplace/matching/test_engine.py tests/plugins/marketplace/test_commands.py

.DEFAULT_GOAL := help
.PHONY: help demo demo-data test lint types docs-check check bench wheel-test examples-test translations soak clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.all: $(BIN)/python setup.cfg pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]'
	touch $@

$(VENV)/.dev: $(BIN)/python setup.cfg pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.all

demo-data: $(VENV)/.all
	@KEYUN_INSTANCE=$(DEMO) $(BIN)/keyun init
	@KEYUN_INSTANCE=$(DEMO) $(BIN)/keyun demo

demo: demo-data ## Install, load demonstration data, and serve on PORT (default 5000)
	@$(BIN)/python tools/demo_guide.py $(PORT)
	@KEYUN_INSTANCE=$(DEMO) $(BIN)/keyun serve --port $(PORT)

test: $(VENV)/.dev ## Run every test; installs the browser and fonts when it may
	@sh tools/install_test_system.sh
	$(BIN)/python -m pytest -q $(TESTS)

lint: $(VENV)/.dev ## Check style, and that pages need no newer browser than the baseline
	$(BIN)/ruff check .
	$(BIN)/python tools/baseline_check.py

types: $(VENV)/.dev ## Check types
	$(BIN)/mypy

docs-check: $(VENV)/.dev ## Check that documentation and code agree
	$(BIN)/python tools/docs_check.py

check: lint types docs-check test ## Everything a change must pass

bench: $(VENV)/.dev ## Run a benchmark: make bench NAME=matching
	@test -n "$(NAME)" || { ls benchmarks/*.py | sed 's,benchmarks/,,;s,\.py$$,,' | grep -v '^_'; echo 'choose one: make bench NAME=...'; exit 2; }
	$(BIN)/python benchmarks/$(NAME).py $(ARGS)

wheel-test: $(VENV)/.dev ## Build the wheel and try it in a fresh environment
	sh tools/wheel_test.sh $(BIN)/python

examples-test: $(VENV)/.dev ## Build, install, test, use and purge the plugins of examples/ on the wheel
	sh tools/examples_test.sh $(BIN)/python

soak: $(VENV)/.dev ## Run property, kill and process tests ROUNDS times (default 20), each with another seed
	@for seed in $$(seq 1 $(ROUNDS)); do echo "round $$seed of $(ROUNDS)"; \
		$(BIN)/python -m pytest -q --hypothesis-seed=$$seed $(SOAK) || exit 1; done

translations: $(VENV)/.dev ## Extract and compile translations
	sh tools/translations.sh $(BIN)

clean: ## Remove the environment and the demo instance
	rm -rf $(VENV) $(DEMO) build dist *.egg-info
