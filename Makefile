# Every target does its own set-up: a fresh clone needs make, bash and Python 3.11 or 3.12.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
# The lock files are complete, so pip has nothing to resolve and installs nothing that is not in them.
PIP := $(BIN)/pip --disable-pip-version-check --no-input
INSTALL_LOCKED := $(PIP) install --quiet --no-compile --no-deps --require-hashes -r
# Shows that torch works here, and compiles what every start imports: a fifth of all modules.
FIRST_USE = import bytewax.operators, fastapi, psycopg, redis.asyncio, typer; \
	from vane.embedding import BUNDLED_MODEL, load_encoder; load_encoder(BUNDLED_MODEL, 1)(["ready"])
APT_INSTALL := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	--no-install-recommends
TORCH_INDEX ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
SEED ?= 1
SEEDS ?= 10
DATA ?= ../shared/data/movietweetings
QUALITY ?= build/quality
EVALUATE_ARGS ?= --baselines

.PHONY: help install tools chromium run test test-ops test-web test-faults soak ops-tools evaluate bench bench-api lint lock lock-check dashboards schemas site

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.vane  ## Install Vane into .venv; TORCH_INDEX=<index> takes torch from there

run: install  ## Run everything on embedded servers, data in vane-data/
	$(BIN)/vane up

test: tools  ## Run all tests, those on real servers too; PYTEST_ARGS= narrows
	$(BIN)/pytest -m "not faults and not ops" $(PYTEST_ARGS)

test-ops: tools ops-tools  ## Check dashboards, alerts and deployment files, on a real Prometheus
	$(BIN)/pytest -m ops tests/ops $(PYTEST_ARGS)

test-faults: tools  ## Kill, cut and fill servers and flows, then ask the oracle; SEED=1
	VANE_FAULT_SEED=$(SEED) $(BIN)/pytest -m faults tests/faults $(PYTEST_ARGS)

soak: tools  ## The same with SEEDS=10 seeds, from SEED=1 on
	VANE_FAULT_SEED=$(SEED) VANE_FAULT_SEEDS=$(SEEDS) \
		$(BIN)/pytest -m "faults and not mutation" tests/faults $(PYTEST_ARGS)

evaluate: tools  ## Measure the lists on DATA=, table and plot to QUALITY=; EVALUATE_ARGS=--through-api
	@for file in items.jsonl.gz events.csv.gz; do test -f "$(DATA)/$$file" || { \
		echo "make evaluate: there is no $(DATA)/$$file; name the folder of a log with DATA=" >&2; exit 2; }; done
	$(BIN)/vane evaluate --items "$(DATA)/items.jsonl.gz" --events "$(DATA)/events.csv.gz" \
		--out "$(QUALITY)" $(EVALUATE_ARGS)

ops-tools: build/bin/kustomize build/bin/prometheus
	@command -v docker-compose >/dev/null || { $(APT_INSTALL) docker-compose; }

build/bin/kustomize:
	@mkdir -p build/bin
	@echo "Installing kustomize, a minute"
	@GOBIN=$(CURDIR)/build/bin go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1

build/bin/prometheus:
	@mkdir -p build/bin build/prometheus
	@apt-get update -qq
	@cd build/prometheus && apt-get download -qq prometheus && dpkg -x prometheus_*.deb .
	@mv build/prometheus/usr/bin/prom* build/bin/

test-web:  ## Check the types of the browser client, build and test the React example: needs node 20
	@cd examples/react && npm ci --no-audit --no-fund --loglevel=error && \
		timeout 120 npm run --silent check && timeout 120 npm run --silent build && timeout 120 npm test --silent

chromium:  ## Install what the browser tests run in, from Debian; without it they are skipped
	@command -v chromium >/dev/null || { $(APT_INSTALL) chromium; }

bench: tools  ## Measure every flow beside its floor, ten minutes; BENCH_ARGS=--quick: one
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-api: tools  ## Measure warm, 304 and cold lists beside floors, with wrk; BENCH_ARGS=--quick
	@command -v wrk >/dev/null || { echo "make bench-api: wrk is missing: apt-get install wrk" >&2; exit 2; }
	@$(BIN)/python -m benchmarks.api $(BENCH_ARGS)

lint: tools  ## Check style, format, types and imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: tools  ## Pin again what the requirements*.in files ask for
	$(BIN)/python scripts/lock.py

lock-check: tools  ## Check that the lock files are in step with the .in files
	$(BIN)/python scripts/lock.py --check

dashboards: tools  ## Write Grafana's dashboards and Prometheus' rules again from grafana/*.py
	$(BIN)/python -m grafana.generate

schemas: tools  ## Write again what is made from types: schemas/json/, *_pb2*, docs/settings.md, …
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. \
		schemas/recommender.proto
	$(BIN)/python scripts/settings_table.py
	$(BIN)/python scripts/metrics_table.py
	$(BIN)/python scripts/doctor_page.py
	$(BIN)/python -m scripts.cli_page
	$(BIN)/python -m scripts.messages_page
	$(BIN)/python -m scripts.openapi_page

site: build/site-env/.ready  ## Build the documentation's site into build/site, strictly
	@NO_MKDOCS_2_WARNING=1 build/site-env/bin/mkdocs build --strict
	@echo "Built: build/site/index.html"

build/site-env/.ready: requirements-docs.txt
	@scripts/venv.sh build/site-env
	@build/site-env/bin/pip --disable-pip-version-check --no-input install --quiet --no-deps \
		--require-hashes -r requirements-docs.txt
	@touch $@

tools: $(VENV)/.tools

$(VENV)/.python:
	@scripts/venv.sh $(VENV)
	@touch $@

# torch first: where TORCH_INDEX is given, its build (of the pinned version) has hashes of its own,
# which no lock file can know, and it needs no CUDA packages.
$(VENV)/.torch: $(VENV)/.python requirements-torch.txt
ifeq ($(TORCH_INDEX),)
	@echo "Installing torch, a minute or two: the build on PyPI comes with 3 GB of CUDA"
	@$(INSTALL_LOCKED) requirements-torch.txt
else
	@echo "Installing torch from $(TORCH_INDEX), without a hash check"
	@$(PIP) install --quiet --no-compile --no-deps --index-url $(TORCH_INDEX) $$(grep -o '^torch==[0-9.]*' requirements-torch.txt)
endif
	@touch $@

$(VENV)/.packages: $(VENV)/.torch requirements.txt
	@echo "Installing the other packages"
	@$(INSTALL_LOCKED) requirements.txt
	@touch $@

$(VENV)/.vane: $(VENV)/.packages pyproject.toml
	@$(PIP) install --quiet --no-deps --no-index --no-build-isolation --editable .
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c '$(FIRST_USE)'
	@touch $@
	@echo "Installed: $(BIN)/vane"

$(VENV)/.tools: $(VENV)/.vane requirements-dev.txt
	@echo "Installing the development tools"
	@$(INSTALL_LOCKED) requirements-dev.txt
	@touch $@
