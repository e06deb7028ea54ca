# Everything sets itself up: a Python from 3.11 on and make are enough.
PYTHON ?= python3
BIN := .venv/bin
SDKS := 8.0-6.0.0 7.0 6.0 5.0 2.0
BACKENDS := sqlite memory list csv sql postgresql mysql redis dynamodb secretsmanager
SDK_ENVS := $(SDKS:%=.venv-sdk-%/.ready)
WORKERS ?= 4
PYTEST_ARGS ?=
SIMULATE_ARGS ?=
PYTEST := -m pytest -n $(WORKERS) --dist worksteal
AGAIN := -m pytest --last-failed --last-failed-no-failures none
CASES ?= sample
QUICK := HYPOTHESIS_PROFILE=quick
unexport PYTHONDONTWRITEBYTECODE  # hundreds of processes would compile the same modules, and pytest its asserts
# Where a stored row is read or written. `sealed` tests have keys of their own; all of those are here.
SEALED_TESTS := tests/contract tests/sealing tests/sdk tests/process/test_spool.py tests/unit/renewal/test_spool.py

# Tests of time limits can fail while others keep the machine busy. So those that fail are run once more, by
# themselves, and have to pass then; both results are printed. A leak found by the sealed run is no failed test.
# $(1): variables and Python, $(2): what to run, $(3): what to ask of the first run.
define run
$(1) $(PYTEST) $(2) $(3) || { [ $$? = 1 ] && echo "== what failed, once more by itself ==" && $(1) $(AGAIN) $(2); }
endef

.DEFAULT_GOAL := help
.PHONY: help demo portal test test-all test-others environments compiled test-main test-sealed test-sdks simulate test-languages lint types bench docs lock clean $(BACKENDS:%=test-%)

help:  ## list the targets
	@grep -hE '^[a-z][a-z -]*:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/; s/^test-sqlite .*\t/test-sqlite, ...\t/' | expand -t 17

demo: .venv/.ready  ## a login from grant to revocation, against the local Zoho
	$(BIN)/zoho-tokens demo

portal: .venv/.ready  ## the student portal in a browser, with Login with Zoho (ZOHO_CLIENT_ID: with the real Zoho)
	@$(BIN)/python -m demos.portal_web

ifeq ($(CASES),all)
test: test-main test-sealed
else
test: .venv/.ready  ## every test but the long ones, with a sample of its cases; local stores also sealed (CASES=all)
	$(call run,$(QUICK) $(BIN)/python,-m "not sealed and not long" --sample 1 --ignore=tests/languages $(PYTEST_ARGS))
	$(call run,$(QUICK) ZOHO_TEST_STORES="$${ZOHO_TEST_STORES:-sqlite list csv}" $(BIN)/python,-p tests.sealed.plugin \
	  -m "sealed and not long" --sample 1 tests/contract tests/sealing $(PYTEST_ARGS))
endif

test-all:  ## every case of every test, every supported release of the SDK, other languages
	$(MAKE) --no-print-directory test CASES=all
	$(MAKE) --no-print-directory test-others

test-others: environments  # with other SDKs. These runs wait more than they compute, so they go side by side
	$(MAKE) --no-print-directory -j3 --output-sync test-sdks test-languages WORKERS=1

environments: $(SDK_ENVS) .venv-node

compiled: .venv/.ready  # or each worker of the first run would compile all tests for itself
	$(BIN)/python -m pytest --collect-only --quiet --ignore=tests/languages > /dev/null

test-main: .venv/.ready  # but for the tests that have keys of their own: test-sealed runs them
	$(call run,$(BIN)/python,-m "not sealed" --ignore=tests/languages $(PYTEST_ARGS))

test-sealed: .venv/.ready  ## tests with every store sealed, and a search for clear secrets in all they leave
	$(call run,$(BIN)/python,-p tests.sealed.plugin -m "not clear" $(SEALED_TESTS) $(PYTEST_ARGS),\
	  $(if $(PYTEST_ARGS),,--canaries 1000))

test-sdks: $(SDKS:%=test-sdk-%)

SDK_TESTS := tests/sdk tests/contract/test_stores.py tests/unit/sdk tests/refresh/test_storms.py
test-sdk-2.0: SDK_TESTS := tests/families/test_crm2.py tests/families/test_crm2_contract.py

test-sdk-%: .venv-sdk-%/.ready  # what depends on the SDK; the stores do not, so one kind of them is enough
	@echo "== SDK $* =="
	$(call run,ZOHO_TEST_STORES=sqlite .venv-sdk-$*/bin/python,-m "not sealed" --sample 2 \
	  -o cache_dir=.venv-sdk-$*/pytest-cache $(SDK_TESTS) $(PYTEST_ARGS))

CONTRACTS := tests/contract/test_stores.py tests/contract/test_backends.py tests/contract/test_leases.py tests/contract/test_blast_radius.py
STORES_sql := sql postgresql mariadb
STORES_mysql := mariadb
TESTS_sqlite := tests/sqlite
TESTS_list := tests/unit/test_list_backend.py
TESTS_csv := tests/csv
TESTS_sql := tests/sql
TESTS_postgresql := tests/sql -k "not mariadb"
TESTS_mysql := tests/sql -k "not postgresql"
TESTS_redis := tests/redis
TESTS_dynamodb := tests/aws -k "not secretsmanager"
TESTS_secretsmanager := tests/aws -k "not dynamodb"

test-sqlite test-memory test-list test-csv test-sql test-postgresql test-mysql test-redis test-dynamodb test-secretsmanager: test-%: .venv/.ready  ## the contract and its own tests, for one backend
	ZOHO_TEST_STORES="$(or $(STORES_$*),$*)" $(BIN)/python $(PYTEST) -m "not long" --sample 4 \
	  $(CONTRACTS) $(TESTS_$*) $(PYTEST_ARGS)

simulate: .venv/.ready  ## a million schedules of renewals, and a fleet for a day, in virtual time (SIMULATE_ARGS)
	$(BIN)/python -m tests.simulation $(SIMULATE_ARGS)

test-languages: .venv/.ready .venv-node  ## beside the token stores of Zoho's SDKs for Node and TypeScript (needs npm and MariaDB)
	$(BIN)/python -m pytest tests/languages $(PYTEST_ARGS)

lint: .venv/.ready  ## ruff: rules and format; the worst words in the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.docs.words

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
	rm -rf .venv .venv-sdk-* .venv-node .venv-zoho .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output benchmarks/.work test-output

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
