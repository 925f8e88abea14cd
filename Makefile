# Tidegate: from a fresh clone this needs python3 (>= 3.11, with venv) and make; nothing else.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
VENDOR := requirements/vendor
# The certificates of the machine, so that a proxy its owner trusts is trusted here.
export UV_SYSTEM_CERTS := 1

.PHONY: up test check bench lint types law lock schemas clean

up: $(VENV)/.runtime  ## the whole stack in the foreground
	@exec $(BIN)/tidegate up $(ARGS)

.PHONY: init
init: $(VENV)/.runtime  ## asks what is to run, tries your servers, writes tidegate.toml
	@exec $(BIN)/tidegate init $(ARGS)

test: $(VENV)/.dev  ## every test that needs no container and does not take its time
	$(BIN)/python -m pytest -m "not slow" -n 4 --dist loadgroup $(ARGS)

.PHONY: slow
slow: $(VENV)/.dev  ## those that take their time: stacks that are killed, filled, upgraded
	$(BIN)/python -m pytest $(UNITS:%=--ignore %) -m slow -n 4 --dist loadgroup $(ARGS)

check: lint types law units coverage slow  ## what .ci/run runs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

law: $(VENV)/.dev
	$(BIN)/lint-imports

.PHONY: units coverage
UNITS = tests/unit tests/contract tests/house
units: $(VENV)/.dev
	rm -f .coverage*
	$(BIN)/python -m pytest $(UNITS) -n 4 --dist loadgroup --cov --cov-report= $(ARGS)
	$(BIN)/python -m tests.house.coverage_bounds pure

coverage: $(VENV)/.dev
	$(BIN)/python -m pytest $(UNITS:%=--ignore %) -m "not slow" -n 4 --dist loadgroup --cov --cov-append --cov-report= $(ARGS)
	$(BIN)/python -m tests.house.coverage_bounds whole

.PHONY: compose-test
compose-test: $(VENV)/.dev  ## the stack as containers: built, tried, broken, torn down
	$(BIN)/python -m pytest tests/compose --timeout 600 --durations 5 $(ARGS)

.PHONY: patience
patience: $(VENV)/.dev  ## five minutes of backends that say nothing and clients that drip
	$(BIN)/python -m pytest tests/patience -n 2 --timeout 500 $(ARGS)

.PHONY: dashboard-test
dashboard-test: $(VENV)/.dashboard $(VENDOR)/node_modules  ## the dashboard in a real Chromium (/usr/bin/chromium; needs npm)
	$(BIN)/python -m pytest $(or $(DASHBOARD),tests/dashboard) --timeout 300 --durations 5 $(ARGS)

.PHONY: dashboard-pictures
dashboard-pictures: $(VENV)/.dashboard  ## the pictures of the docs anew, from a stack that lives through an hour
	$(BIN)/python -m tests.dashboard.pictures

RUN = $(if $(SEED),--seed $(SEED)) $(if $(CALLS),--calls $(CALLS)) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: chaos-compose
chaos-compose: $(VENV)/.dev  ## calls while containers are killed, paused, cut off; SEED=, CALLS=, SECONDS=
	@$(BIN)/python -m tests.compose $(RUN) $(ARGS)

.PHONY: chaos-cluster
chaos-cluster: $(VENV)/.dev  ## the same with three NATS servers, whichever leads the log among the victims
	@$(BIN)/python -m tests.compose --cluster $(RUN) $(ARGS)

bench: $(VENV)/.dev  ## the benchmarks, each beside its reference
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: pairs
pairs: $(VENV)/.dev  ## what a change costs: this tree beside BASE=<revision>, in turns
	$(BIN)/python -m benchmarks.pairs $(BASE) $(ARGS)

.PHONY: chaos chaos-smoke
chaos: $(VENV)/.dev  ## thousands of calls while everything is killed; SEED=, CALLS=, SECONDS=
	@$(BIN)/python -m tests.chaos $(RUN) $(ARGS)

chaos-smoke: $(VENV)/.dev  ## the same for half a minute, always the same plan
	@$(BIN)/python -m tests.chaos --seed 7 --calls 1500 --seconds 40 $(ARGS)

.PHONY: failing
failing: $(VENV)/.dev  ## one server that fails, in every way, under every strategy; WAYS=, STRATEGIES=
	@$(BIN)/python -m tests.failing $(if $(WAYS),--ways $(WAYS)) \
	  $(if $(STRATEGIES),--strategies $(STRATEGIES)) $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev  ## a quarter of an hour of mixed load: what grows? MINUTES=
	@$(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

.PHONY: simulate
simulate: $(VENV)/.dev  ## thousands of seeds of faults over pool and gateways; SEED= one of them, ARGS=
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation.pool $(if $(SEED),--first $(SEED) --trace) $(ARGS)

.PHONY: simulate-balancer
simulate-balancer: $(VENV)/.dev  ## every strategy over the same simulated calls; ARGS=--write draws the page's picture
	@$(BIN)/python -m tests.simulation.balancer $(ARGS)

schemas: $(VENV)/.dev  ## write contracts/schemas anew
	$(BIN)/python -m contracts.schemas

.PHONY: vendor
vendor:  ## the dashboard's vendored files anew, as requirements/vendor/package.json says (needs npm)
	npm --prefix $(VENDOR) ci
	node $(VENDOR)/build.mjs

lock: $(VENV)/.uv  ## resolve requirements/*.txt anew
	cd requirements && for name in bootstrap runtime dev dashboard; do \
	  source=$$name.in; [ $$name = runtime ] && source=../pyproject.toml; \
	  ../$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" \
	    $$source --output-file $$name.txt || exit 1; done

clean:
	rm -rf $(VENV) .hypothesis .pytest_cache .mypy_cache .ruff_cache .coverage*

$(VENV)/.uv: requirements/bootstrap.txt
	@echo 'Setting up $(VENV): once, in about half a minute.'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidegate needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.runtime: $(VENV)/.uv requirements/runtime.txt pyproject.toml
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements/runtime.txt
	@printf '%s\n' "$(CURDIR)" > "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/tidegate.pth"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -P -m tidegate.main "$$@"\n' > $(BIN)/tidegate
	@chmod +x $(BIN)/tidegate
	@touch $@

$(VENV)/.dashboard: $(VENV)/.dev requirements/dashboard.txt
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements/dashboard.txt
	@touch $@

$(VENDOR)/node_modules: $(VENDOR)/package-lock.json
	@npm --prefix $(VENDOR) ci --silent
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements/dev.txt
	@touch $@
