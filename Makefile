# Everything sets itself up: a Python from 3.11 on and make are enough.
PYTHON ?= python3
BIN := .venv/bin
SDKS := 8.0-6.0.0 7.0 6.0 5.0
SDK_ENVS := $(SDKS:%=.venv-sdk-%/.ready)
PYTEST_ARGS ?=
SIMULATE_ARGS ?=
LOCAL_STORES := sqlite memory list csv
SERVER_TESTS := tests/sql tests/redis tests/aws tests/copying

.DEFAULT_GOAL := help
.PHONY: help demo test test-main test-sealed test-sealed-servers test-sdks test-long simulate test-languages lint types bench docs lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: .venv/.ready  ## a login from grant to revocation, against the local Zoho
	$(BIN)/python -m demos.portal

test: test-main test-sealed test-sdks  ## all tests, also sealed, and with every supported release of the SDK

test-main: .venv/.ready $(SDK_ENVS)  # some tests use stores with all of them
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long" --ignore=tests/languages $(PYTEST_ARGS)

test-long: .venv/.ready  ## the tests that take a minute or more each, which `make test` leaves out
	$(BIN)/python -m pytest -n 2 --dist worksteal -m long tests/contract tests/sealing tests/simulation $(PYTEST_ARGS)

simulate: .venv/.ready  ## a million schedules of renewals, and a fleet for a day, in virtual time (SIMULATE_ARGS)
	$(BIN)/python -m tests.simulation $(SIMULATE_ARGS)

test-sealed: .venv/.ready  ## tests with every store sealed, and a search for clear secrets in all they leave
	ZOHO_TEST_STORES="$(LOCAL_STORES)" $(BIN)/python -m tests.sealed \
	  $(if $(PYTEST_ARGS),,--whole) --ignore=tests/sealed --ignore=tests/languages $(SERVER_TESTS:%=--ignore=%) $(PYTEST_ARGS)

test-sealed-servers: .venv/.ready  ## the same for the stores on servers, and for all files of the servers
	$(BIN)/python -m tests.sealed $(SERVER_TESTS) tests/contract $(PYTEST_ARGS)

test-sdks: $(SDKS:%=test-sdk-%)

test-sdk-%: .venv-sdk-%/.ready
	@echo "== SDK $* =="
	ZOHO_TEST_STORES="sqlite memory list" \
	.venv-sdk-$*/bin/python -m pytest -n 2 --dist worksteal tests/sdk tests/contract/test_stores.py tests/unit/sdk \
	  tests/refresh/test_storms.py $(PYTEST_ARGS)

test-languages: .venv/.ready .venv-node  ## beside the token stores of Zoho's SDKs for Node and TypeScript (needs npm and MariaDB)
	$(BIN)/python -m pytest tests/languages $(PYTEST_ARGS)

lint: .venv/.ready  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.ready  ## mypy, strict
	$(BIN)/mypy

bench: .venv/.ready  ## measure; results go to benchmarks/results and docs/reference/performance.md
	$(BIN)/python -m benchmarks

docs: .venv/.ready  ## run every snippet of the docs and check their links
	$(BIN)/python -m pytest tests/docs $(PYTEST_ARGS)

lock: .venv/.ready  ## renew requirements/*.txt from requirements/*.in
	for name in dev $(SDKS:%=sdk-%); do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --upgrade \
	    requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

clean:  ## remove what the targets above made
	rm -rf .venv .venv-sdk-* .venv-node .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output benchmarks/.work

.venv/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^uv==' requirements/dev.txt)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements/dev.txt
	touch $@

.venv-sdk-%/.ready: requirements/sdk-%.txt pyproject.toml | .venv/.ready
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-sdk-$*
	$(BIN)/uv pip sync --quiet --python .venv-sdk-$*/bin/python requirements/sdk-$*.txt
	touch $@

.PHONY: .venv-node
.venv-node:  # without npm the tests are skipped, or fail in CI
	@command -v npm > /dev/null || echo "npm is not installed: the SDKs of other languages are left out"
	@! command -v npm > /dev/null || $(MAKE) --no-print-directory .venv-node/.ready

.venv-node/.ready: tests/languages/package.json tests/languages/package-lock.json
	mkdir -p .venv-node
	cp $^ .venv-node
	npm ci --prefix .venv-node --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

.PRECIOUS: .venv-sdk-%/.ready
