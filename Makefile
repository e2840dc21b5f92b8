# Two commands matter: `make demo` and `make test`. Both make what they need, and need only Python >= 3.11 and make.
PYTHON ?= python3
VAR_DIR ?= var
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PEERS := $(VENV)/peers-ready
FORECAST_PEERS := $(VENV)/forecast-peers-ready
export VAR_DIR

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: load help install data train demo test lint format conformance bench-client bench-forecasts evaluate-peers forecast-peers evaluate-search search-peers compose-check clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make the virtual environment with every extra

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing (the first time this downloads about 1 GB) …"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[retail,photos,train,loadtests,postgres,celery,tracing,dev]'
	@touch $@

$(PEERS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[peers]'
	$(BIN)/python -m pip install --quiet --no-deps aio-request==0.2.9
	@touch $@

SEARCH_PEERS := $(VENV)/search-peers-ready

$(SEARCH_PEERS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[search-peers]'
	@touch $@

forecast-peers: $(FORECAST_PEERS) ## install statsforecast and mlforecast, which evaluate compares with

$(FORECAST_PEERS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[forecast-peers]'
	@touch $@

SALES := $(VAR_DIR)/supermegaretail/sales.parquet
FORECASTER := $(VAR_DIR)/registry/correction/aliases.json
PHOTOS := $(VAR_DIR)/photostock-catalogue
RERANKER := $(VAR_DIR)/registry/reranker/aliases.json

data: $(SALES) $(PHOTOS) ## make the demo data
train: $(FORECASTER) $(RERANKER) ## train on whatever data is there

$(SALES): | $(READY)
	$(BIN)/python -m supermegaretail data demo

$(FORECASTER): | $(SALES)
	$(BIN)/python -m supermegaretail train

$(PHOTOS): | $(READY)
	$(BIN)/python -m photostock catalogue demo
	@touch $@

$(RERANKER): | $(PHOTOS)
	$(BIN)/python -m photostock train

demo: $(READY) train ## both services under traffic while their models are killed, frozen and made to lie
	$(BIN)/python -m loadtests tour

# What starts whole services, or is about milliseconds, runs after the rest, one at a time. What failed is run once more: on a
# shared machine a core may stand still just when a deadline is tested. Without --cache-clear a run that died half-way
# would be repeated as what failed in an earlier one.
TESTS_TIMED := tests/e2e tests/loadtests tests/common/calls tests/common/service
ONCE_MORE = { printf '\n%s\n\n' 'ONCE MORE, only what failed:'; $(BIN)/python -m pytest --last-failed --last-failed-no-failures none; }
test: $(READY) ## the whole test suite
	$(BIN)/python -m pytest --cache-clear --numprocesses logical --maxprocesses 4 --dist loadfile $(TESTS_TIMED:%=--ignore=%) || $(ONCE_MORE)
	$(BIN)/python -m pytest --cache-clear $(TESTS_TIMED) || $(ONCE_MORE)

# mypy's joins of types depend on the order of its sets; a fixed seed makes it say the same every time.
lint: $(READY) ## ruff, mypy --strict, and what callers were promised
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONHASHSEED=0 $(BIN)/mypy
	$(BIN)/python -m common openapi check

format: $(READY) ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

load: $(READY) train ## Locust's page at http://127.0.0.1:8089 before services of its own: choose users, a shape, and at /faults a fault
	$(BIN)/locust -f loadtests/locustfile.py --class-picker --house own --web-host 127.0.0.1

conformance: $(PEERS) ## our client and others under every fault of the menu (about 15 minutes)
	$(BIN)/python -m loadtests conformance

bench-client: $(PEERS) ## what a call of our client costs, next to bare httpx and others
	$(BIN)/python -m loadtests bench-client

bench-forecasts: $(READY) | $(FORECASTER) ## what a batch of forecasts and a request for some cost
	$(BIN)/python -m supermegaretail benchmark
	$(BIN)/python -m loadtests bench-forecasts

evaluate-peers: $(FORECAST_PEERS) | $(SALES) ## every tier on held-out weeks, next to statsforecast and mlforecast
	$(BIN)/python -m supermegaretail evaluate --peers

search-peers: $(SEARCH_PEERS) ## install bm25s, which PhotoStock's evaluate compares with

evaluate-search: $(SEARCH_PEERS) | $(RERANKER) ## every stage of a search, next to BM25 and MiniLM in full precision
	$(BIN)/python -m photostock evaluate --peers

compose-check: ## build and run docker-compose.yml, kill a model container, see it recover
	docker/check

clean: ## remove the virtual environment and all state
	rm -rf $(VENV) $(VAR_DIR)
