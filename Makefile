# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

.DEFAULT_GOAL := help
.PHONY: help venv julia cvmfs quickstart test test-unit test-julia test-sanity test-integration test-site test-others test-cvmfs test-cvmfs-roles lint docs changelog bench lock clean

# Where quickstart puts everything, and further arguments of its ansible-playbook or of bench.
QUICKSTART_ROOT ?= .quickstart
EXTRA ?=
# The Julias that `make julia` installs: one of each series that is in use.
JULIA_VERSIONS ?= 1.10.8 1.11.7 1.12.5

BIN := .build/venv/bin

# The shell reads these from the environment, so that a path may hold spaces.
export QUICKSTART_ROOT

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Variables: QUICKSTART_ROOT=DIR (default .quickstart), EXTRA="further arguments" (quickstart, bench),'
	@echo '  JULIA_VERSIONS="VERSION ..." (julia), ANSIBLE_CORE=2.17 or newest (everything; default: the locked one)'

venv: ## Make the virtual environment .build/venv, with what tests need, and the ansible-core of ANSIBLE_CORE
	@scripts/bootstrap test

julia: ## Install the Julias of JULIA_VERSIONS for the tests, below .build/julia
	@scripts/bootstrap test
	@scripts/set_up_julia $(JULIA_VERSIONS)

cvmfs: ## Install CernVM-FS from CERN's packages on this machine (as root)
	@scripts/set_up_cvmfs

quickstart: ## Build, check, publish and activate environments/jets on this machine, below QUICKSTART_ROOT
	@scripts/bootstrap run
	@root=$$(realpath -m -- "$$QUICKSTART_ROOT") && \
	    $(BIN)/ansible-playbook -i inventory/local playbooks/quickstart.yml \
	    -e "{\"quickstart_root\": \"$$root\"}" $(EXTRA)

test: ## Run lint and all tests
	@scripts/bootstrap test
	@$(BIN)/python scripts/test

lint: ## Run the linters alone
	@scripts/bootstrap test
	@$(BIN)/python scripts/test lint

test-unit: ## Run the unit tests
test-julia: ## Run the tests of the Julia programs
test-sanity: ## Run ansible-test sanity
test-integration: ## Run the integration targets
test-site: ## Run the tests of whole playbooks
test-others: ## Run the tests of how others run the collection: AWX, larger sites, the report in a browser
test-unit test-julia test-sanity test-integration test-site test-others:
	@scripts/bootstrap test
	@$(BIN)/python scripts/test $(@:test-%=%)

test-cvmfs: ## Run the tests of CernVM-FS with the real server and client alone, and say what is installed of them
	@scripts/bootstrap test
	@$(BIN)/python -m pytest tests/cvmfs -k real

test-cvmfs-roles: ## Run the roles of CernVM-FS at length, emulated and real (not part of test)
	@scripts/bootstrap test
	@$(BIN)/python -m pytest tests/cvmfs/test_client.py tests/cvmfs/test_server_roles.py

docs: ## Build the documentation in .build/docs/html
	@scripts/bootstrap test
	@$(BIN)/python -m docs.generator build

changelog: ## Check the fragments of the changelog, and show the next release notes
	@scripts/bootstrap test
	@$(BIN)/antsibull-changelog lint
	@scripts/release_notes

bench: ## Measure, and print a table and JSON
	@scripts/bootstrap test
	@$(BIN)/python -m tests.benchmark $(EXTRA)

lock: ## Pin the newest versions that requirements*.in allow in requirements.txt
	@scripts/bootstrap test
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-emit-index-url \
	    --no-emit-find-links --custom-compile-command 'make lock' \
	    requirements-test.in --output-file requirements.txt

clean: ## Remove .build and .quickstart
	@for folder in .build .quickstart; do \
	    if [ -d "$$folder" ]; then chmod -R u+w "$$folder" && rm -rf "$$folder"; fi; \
	done
