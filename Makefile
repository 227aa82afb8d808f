# `make` lists what there is. Each target installs what it needs first, and what is up to date is left alone.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NPM := .cache/npm
ROOMS := schemas capabilities gateway participants router_agent
RUN_ARGS ?=
PYTEST_ARGS ?=

# Debian packages are installed where a command is missing, and only there.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
define need
@for pair in $(1); do \
  command -v "$${pair%%=*}" >/dev/null && continue; \
  [ -n "$${updated:-}" ] || { $(SUDO) apt-get update -qq; updated=1; }; \
  echo "installing $${pair#*=}"; \
  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends "$${pair#*=}" >/dev/null; \
done
endef

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- install -----------------------------------------------------------------

.PHONY: install
install: $(VENV)/.installed ## Make .venv with the locked packages and this project in it

COMPILED := gateway/_flow.c gateway/transport/_wire.c gateway/transport/frames.h schemas/_header.c schemas/plain.h

$(VENV)/.installed: requirements-dev.lock pyproject.toml $(COMPILED)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  $(SUDO) apt-get update -qq; DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq python3-venv >/dev/null; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(NPM)/.installed: tests/npm/package.json tests/npm/package-lock.json
	$(call need,node=nodejs npm=npm)
	@mkdir -p $(NPM) && cp tests/npm/package.json tests/npm/package-lock.json $(NPM)/
	cd $(NPM) && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

.PHONY: system
system: ## Install the Debian packages that the tests need: Redis, Chromium, git
	$(call need,redis-server=redis-server chromium=chromium git=git cc=build-essential)

.PHONY: compiler
compiler: ## Install what compiles the loops in C, and llama.cpp
	$(call need,g++=build-essential python3-config=python3-dev)

# -- run ---------------------------------------------------------------------

.PHONY: run
run: install ## Start the main job: gateway, a real MCP server, an agent that may only propose
	@$(call need,git=git)
	@$(BIN)/mcpx run $(RUN_ARGS) || [ $$? -eq 130 ] # Ctrl-C is how it ends

# -- check -------------------------------------------------------------------

.PHONY: test
test: install llama system $(NPM)/.installed ## Run every test, with a real Redis, a real Chromium and real models
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(PYTEST_ARGS)

.PHONY: lint
lint: install ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: install ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: install $(NPM)/.installed ## Check types: mypy everywhere, pyright where others import
	$(BIN)/mypy
	$(NPM)/node_modules/.bin/pyright --pythonpath $(BIN)/python

.PHONY: contracts
contracts: install ## Check that imports point one way
	$(BIN)/lint-imports --no-cache

.PHONY: check
check: lint contracts types test ## Everything that a change must pass

# -- prove more --------------------------------------------------------------

.PHONY: matcher-million
matcher-million: install ## Compare a million (pattern, kind) pairs with a second, slow matcher
	PAIRS=1000000 $(BIN)/python -m pytest tests/capabilities/test_slow_matcher.py $(PYTEST_ARGS)

.PHONY: differential
differential: install system ## Let five JSON readers read the headers of a hundred thousand relayed texts
	$(call need,node=nodejs)
	RELAYED=100000 $(BIN)/python -m pytest tests/threats/test_t09_parser_differential.py $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: install ## Fuzz the readers of envelopes, patterns and tokens, guided by coverage; SECONDS=60
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),60)

.PHONY: soak
soak: install system ## Two nodes, Redis, hundreds of members and random faults for MINUTES=10; what grew?
	$(BIN)/python -m tests.soak $(or $(MINUTES),10) $(SOAK_ARGS)

SEEDS ?= 10000
SEED ?=

.PHONY: simulate
simulate: install ## Let SEEDS=10000 histories unfold in simulated time; SEED=7 shows one of them again
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --processes 2)

.PHONY: simulate-planted
simulate-planted: install ## Plant each known kind of bug, and see in which seed the simulation finds it
	$(BIN)/python -m tests.simulation.planted

.PHONY: mutate
mutate: install ## Change the code of capabilities in every way, and count who notices
	$(BIN)/mutmut run
	@$(BIN)/mutmut results
	@$(BIN)/mutmut export-cicd-stats >/dev/null
	@$(BIN)/python -c 'import json; \
	  s = json.load(open("mutants/mutmut-cicd-stats.json")); all = s["total"]; share = (s["killed"] + s["timeout"]) / all; \
	  print(f"{share:.1%} of {all} mutants were noticed"); raise SystemExit(share < 0.95)'

ROUNDS ?= 2
FAULTS ?=

.PHONY: faults
faults: install system ## Inject every fault ROUNDS times while members talk; FAULTS="X1 X8" chooses some
	$(call need,cc=build-essential)
	$(BIN)/python -m tests.faults --rounds $(ROUNDS) $(FAULTS)

.PHONY: linearise
linearise: install system ## Promote, demote and revoke TRIALS times on two nodes under load; nothing may pass too late
	$(BIN)/python -m tests.linearising $(or $(TRIALS),10000)

.PHONY: bench
bench: install system ## Measure the gateway beside its peers for half an hour; docs/ gets the results
	$(call need,gcc=build-essential node=nodejs npm=npm)
	$(BIN)/python -m tests.bench full

.PHONY: bench-quick
bench-quick: install ## Measure for a minute; fail when the gateway fell far behind the C reference
	$(call need,gcc=build-essential)
	$(BIN)/python -m tests.bench quick

.PHONY: sbom
sbom: install ## Write what is locked to build/sbom.json (CycloneDX)
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.lock --output-reproducible --of JSON --output-file build/sbom.json

.PHONY: audit
audit: install ## Ask the public database for weaknesses of what is locked; needs the network
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement requirements.lock

# -- router ------------------------------------------------------------------

# llama.cpp's binding has no wheel: it is built once in some five minutes, for any x86-64-v3, and kept outside the tree.
LLAMA := 0.3.36
WHEELS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mcpx/wheels
LLAMA_FLAGS := -DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF \
  -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_CURL=OFF

.PHONY: llama
llama: install compiler ## Build llama-cpp-python once, keep its wheel, and install it
	@ls $(WHEELS)/llama_cpp_python-$(LLAMA)-*.whl >/dev/null 2>&1 || { mkdir -p $(WHEELS); \
	  echo "building llama-cpp-python $(LLAMA), once, in some five minutes; kept in $(WHEELS)"; \
	  CMAKE_ARGS="$(LLAMA_FLAGS)" CMAKE_BUILD_PARALLEL_LEVEL=$${CMAKE_BUILD_PARALLEL_LEVEL:-2} \
	  $(BIN)/python -m pip wheel --quiet --no-deps --require-hashes --wheel-dir $(WHEELS) -r requirements-llama.lock; }
	@$(BIN)/python -c 'import llama_cpp, sys; sys.exit(llama_cpp.__version__ != "$(LLAMA)")' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --no-deps --no-index $(WHEELS)/llama_cpp_python-$(LLAMA)-*.whl

# -- make --------------------------------------------------------------------

.PHONY: screenshot
screenshot: install system ## Take docs/screenshot.png of the main job in Chromium
	$(BIN)/python -m tests.browser.screenshot docs/screenshot.png

.PHONY: lock
lock: install ## Lock the dependencies again, with hashes
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe \
	  --output-file requirements.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --generate-hashes \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe --extra dev \
	  --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --generate-hashes \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe \
	  --only-build-deps --build-deps-for wheel --output-file requirements-build.lock pyproject.toml
	cd tests/npm && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --ignore-scripts

.PHONY: clean
clean: ## Remove what the targets made
	rm -rf $(VENV) .cache build dist *.egg-info mutants .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
