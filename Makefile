# Two commands matter: `make run` serves, `make test` tests; `make help` lists the rest.
# Everything is installed into .venv. The plain command behind each target stands in the README.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make test` leaves to `make check`.
LATER := browser or clients or system or model or long
# Eight tests at a time, even on two cores: they wait far more than they compute. A process that has nothing left to do
# takes half of another's, so that no file of slow tests is one long chain.
AT_ONCE := -n 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev model run test test-fast check lint types format node clients openclaw soak fuzz attack traffic bench bench-publish screenshots vendor-page check-wheels wheels lock dist deb check-arm check-service clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## Make the virtual environment and install what runs the gateway
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV) requirements.lock

setup-dev: ## The same, with what tests it
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV) requirements-dev.lock

model: setup ## Install a small model for this computer's processor: 127 MB, no compiler (needs the network)
	@sh scripts/model.sh $(VENV)

run: setup ## Serve on 0.0.0.0:8000, by the board; elsewhere by a small model, which is installed first
	@sh scripts/model.sh $(VENV) offer
	@exec $(BIN)/gunicorn -c gunicorn.conf.py wsgi:app

# All processes share the compiled tests, whatever the caller's environment says: each would spend seconds on them.
test test-fast check: export PYTHONDONTWRITEBYTECODE :=

test: lint types ## Lint, types and the core tests (ten to fifteen minutes)
	$(BIN)/python -m pytest $(AT_ONCE) -m "not ($(LATER))"

test-fast: export TEST_EXAMPLES := 50
test-fast: setup-dev ## The tests that start no gateway and no engine, with fewer examples of each property
	$(BIN)/python -m pytest -n 4 --dist worksteal --ignore=tests/live -m "not (live or $(LATER))"

check: test node ## The core, then long tests, browser, real clients, system programs and a real model (forty minutes at most)
	@sh scripts/model.sh $(VENV) || echo "So the tests with a real model will be skipped."
	$(BIN)/python -m pytest -m "$(LATER)"

lint: setup-dev ## Style and format (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev ## Types (mypy, strict)
	$(BIN)/mypy

format: setup-dev ## Put style and format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

node: ## What the browser and the client tests need of npm, into node_modules of their folders
	@if command -v npm >/dev/null; then for folder in browser clients; do \
	npm ci --no-audit --no-fund --prefix tests/$$folder || exit 1; done; \
	else echo "npm is not installed, so the tests of accessibility and of Node's clients will be skipped."; fi

clients: setup-dev ## LangChain, LiteLLM, llm, a ROS 2 node over DDS, OpenClaw (needs the network; 850 MB from npm)
	@PYTHON="$(PYTHON)" sh scripts/setup.sh .venv-clients tests/clients/requirements.txt
	$(BIN)/python -m tests.clients.with_gateway .venv-clients/bin/python tests/clients/others.py
	if .venv-clients/bin/python -c 'import cyclonedds' 2>/dev/null; then \
	$(BIN)/python -m tests.clients.with_gateway .venv-clients/bin/python tests/clients/dds.py; \
	else echo "cyclonedds has no wheel for this machine, so the ROS 2 node is not tried over DDS."; fi
	@if command -v npm >/dev/null && [ "$$(uname -m)" = x86_64 ]; then $(MAKE) openclaw; \
	else echo "OpenClaw is not tried: it needs npm, and x86_64 for the pinned Node."; fi

openclaw: setup-dev ## A session of the real OpenClaw alone (850 MB from npm, five minutes)
	npm install --ignore-scripts --no-audit --no-fund --no-package-lock --prefix tests/clients/openclaw
	$(BIN)/python -m tests.clients.openclaw

soak: setup-dev ## A long run by hand: random leaves, cancels and faults, then what is left (JOBS=10000)
	$(BIN)/python -m tests.soak $(if $(JOBS),--jobs $(JOBS))

fuzz: setup-dev ## Look for bytes that confuse the console's parser, by hand, five minutes (SECONDS=3600; needs the network)
	@$(BIN)/pip install --quiet --only-binary :all: -r tests/fuzz/requirements.txt
	nice -n 10 $(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS))

attack: setup-dev ## Attackers against clients on every console, by hand (KIND=fence for one; all take hours)
	$(BIN)/python -m tests.attack $(if $(KIND),--kind $(KIND),--matrix --minutes 600)

traffic: setup-dev ## What users get of a console that is not known yet, by hand (MINUTES=15 for each of three rows)
	$(BIN)/python -m tests.traffic $(if $(MINUTES),--minutes $(MINUTES))

bench: setup-dev ## Measure what the gateway costs, beside a bare relay (five minutes; nothing else should run)
	$(BIN)/python -m benchmarks

bench-publish: setup-dev ## The same, and write its figures and pictures into docs/ and both READMEs
	$(BIN)/python -m benchmarks --json >.performance.json
	$(BIN)/python scripts/publish_figures.py .performance.json
	rm .performance.json

screenshots: setup-dev ## Take the pictures of the page for the documentation (needs Chromium)
	$(BIN)/python scripts/screenshots.py

vendor-page: setup-dev ## Take the page's libraries from npm into bpu/web/static/vendor (needs npm and the network)
	$(BIN)/python scripts/vendor_page.py

check-wheels: setup ## See that a board can install requirements.lock without a compiler (needs the network)
	$(BIN)/python scripts/board_wheels.py --check

wheels: setup ## Download the wheels that a board needs into ./wheels, for a board without internet
	$(BIN)/python scripts/board_wheels.py

lock: setup-dev ## Write the newest versions that the floors allow into the locks (needs the network)
	$(BIN)/python scripts/lock.py

dist: setup-dev ## Build the wheel and the source archive into ./dist
	$(BIN)/python -m hatchling build -d dist

deb: setup-dev ## Build the Debian packages into ./dist, for boards and PCs (ARCH=arm64 for one; needs the network once)
	$(BIN)/python scripts/deb.py $(if $(ARCH),--arch $(ARCH))

check-arm: setup-dev ## Try the arm64 package in an emulated arm64 Debian, by hand (needs root, qemu-user-static; under an hour)
	$(BIN)/python scripts/deb.py --arch arm64
	sh scripts/check_arm.sh dist/rdk-bpu-gateway_*_arm64.deb

check-service: setup-dev ## Boot a fresh Debian in systemd-nspawn and try the package as a service, by hand (needs root)
	$(BIN)/python scripts/deb.py --arch $(shell dpkg --print-architecture)
	sh scripts/check_service.sh dist/rdk-bpu-gateway_*_$(shell dpkg --print-architecture).deb

clean: ## Remove the virtual environment, the wheels and all caches
	rm -rf $(VENV) wheels dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
