# The manual: make run, make test, make unit, make check, make bench, make docs, make verify-audit, make clean.

PYTHON ?= python3
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
RESOLVE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --custom-compile-command "make pins"
CODE := app.py asgi.py pages services db

.DEFAULT_GOAL := help
.PHONY: help run test unit check bench docs verify-audit pins coverage clean product tools system litellm

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 20

run: product ## serve the console on http://localhost:8501 (PORT= to change)
	@STREAMLIT_SERVER_PORT=$(PORT) exec $(BIN)/streamlit run asgi.py

test: tools system litellm ## install what tests need and run all of them
	@$(BIN)/python -m pytest $(PYTEST)

unit: tools ## run the fast half of the tests
	@$(BIN)/python -m pytest tests/unit $(PYTEST)

check: tools ## format, lint, types, layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy services db asgi.py $(wildcard app.py) pages
	@$(BIN)/lint-imports --no-cache

bench: tools ## measure; prints tables
	@for module in $(basename $(notdir $(wildcard tests/bench/bench_*.py))); do \
	  $(BIN)/python -m tests.bench.$$module || exit 1; \
	done

coverage: tools system litellm ## all tests, with the lines and branches they reach
	@$(BIN)/python -m pytest --cov --cov-report=term $(PYTEST)

docs: product ## write the generated pages of docs/
	@$(BIN)/python -m services.settings.reference
	@$(BIN)/python -m services.panels.reference

verify-audit: product ## check that the record of operations is as it was written
	@$(BIN)/python -m db.audit verify

pins: tools ## resolve requirements.in anew, keeping what still fits
	@$(RESOLVE) requirements.in -o requirements.txt
	@cd tests && ../$(RESOLVE) requirements.in -o requirements.txt
	@sed -i -e '/^-r /d' -e '2a -r ../requirements.txt' tests/requirements.txt
	@cd tests/litellm && ../../$(RESOLVE) requirements.in -o requirements.txt

clean: ## remove the environment, caches and the demo's data
	@rm -rf $(VENV) data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .benchmarks .test-output
	@find $(CODE) tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The environment remembers what was installed into it; pip runs only when that differs from what is wanted.
product:
	@cmp -s requirements.txt $(VENV)/.product && test -x $(BIN)/python || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; PYTHON= names it.")' && \
	  echo "Installing into $(VENV); this happens once." && \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --disable-pip-version-check --no-input -q -r requirements.txt && \
	  $(BIN)/python -m compileall -q $(wildcard $(CODE)) && \
	  cp requirements.txt $(VENV)/.product; }

tools: product
	@cat requirements.txt tests/requirements.txt | cmp -s - $(VENV)/.tools || { \
	  echo "Installing the tools of tests and checks; this happens once." && \
	  $(BIN)/python -m pip install --disable-pip-version-check --no-input -q -r tests/requirements.txt && \
	  cat requirements.txt tests/requirements.txt > $(VENV)/.tools; }

system:
	@sh tests/system.sh

# The proxy brings over a hundred packages that do not go with ours: it has an environment of its own, inside the other.
litellm: tools
	@cmp -s tests/litellm/requirements.txt $(VENV)/litellm/.installed || { \
	  echo "Installing a LiteLLM proxy for tests into $(VENV)/litellm; this happens once." && \
	  $(BIN)/uv venv -q --clear --python $(BIN)/python $(VENV)/litellm && \
	  $(BIN)/uv pip install -q --python $(VENV)/litellm/bin/python -r tests/litellm/requirements.txt && \
	  cp tests/litellm/requirements.txt $(VENV)/litellm/.installed; } || \
	  echo "Could not install it; its tests are skipped, or fail with CI=true." >&2
