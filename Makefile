# Two commands matter: `make run` serves, `make test` tests; `make help` lists the rest.
# Everything is installed into .venv. The plain command behind each target stands in the README.
# After a target: what it does, in English and in Chinese.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `make test` leaves to `make check`: tests that need the machine for themselves, and long ones.
ALONE := browser or clients or system or model
LATER := $(ALONE) or long
# Eight tests at a time, even on two cores: they wait more than they compute. A process that has nothing left to do takes
# half of another's, so that no file of slow tests is one long chain.
AT_ONCE := -n 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev model run test test-fast check lint types format node clients openclaw soak fuzz attack traffic bench bench-publish screenshots vendor-page check-wheels wheels lock dist deb check-arm check-service clean

help: ## Show this list ## 显示此列表
	@awk -F ' +## +' -v chinese='$(filter zh%,$(firstword $(LC_ALL) $(LC_MESSAGES) $(LANG)))' \
	'/^[a-z-]+:.* ## / { split($$1, words, ":"); printf "  make %-13s %s\n", words[1], chinese ? $$3 : $$2 }' Makefile

setup: ## Make the virtual environment and install what runs the gateway ## 创建虚拟环境并安装运行网关所需的软件包
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV) requirements.lock

setup-dev: ## The same, with what tests it ## 同上，并安装测试所需的软件包
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(VENV) requirements-dev.lock

model: setup ## Install a small model for this computer's processor: 127 MB, no compiler (needs the network) ## 安装在本机处理器上运行的小模型：127 MB，不需要编译器（需要网络）
	@sh scripts/model.sh $(VENV)

run: setup ## Serve on 0.0.0.0:8000, by the board; elsewhere by a small model, which is installed first ## 在 0.0.0.0:8000 上提供服务：有开发板时用开发板，否则先安装小模型再使用它
	@sh scripts/model.sh $(VENV) offer
	@exec $(BIN)/gunicorn -c gunicorn.conf.py wsgi:app

# All processes share the compiled tests, whatever the caller's environment says: each would spend seconds on them.
test test-fast check: export PYTHONDONTWRITEBYTECODE :=

test: lint types ## Lint, types and the core tests (ten minutes at most) ## 代码风格、类型和核心测试（最多十分钟）
	$(BIN)/python -m pytest $(AT_ONCE) -m "not ($(LATER))"

test-fast: export TEST_EXAMPLES := 50
test-fast: setup-dev ## The tests that start no gateway and no engine, with fewer examples of each property ## 不启动网关和引擎的测试，每个性质少用一些例子
	$(BIN)/python -m pytest -n 4 --dist worksteal --ignore=tests/live -m "not (live or $(LATER))"

check: test node ## The core, then long tests, browser, real clients, system programs and a real model (an hour at most) ## 核心测试，再加长时间测试、浏览器、真实客户端、系统程序和真实模型（最多一小时）
	@sh scripts/model.sh $(VENV) || echo "So the tests with a real model will be skipped."
	$(BIN)/python -m pytest -n 5 --dist worksteal -m "long and not ($(ALONE))"
	$(BIN)/python -m pytest -m "$(ALONE)"

lint: setup-dev ## Style and format (ruff) ## 代码风格和格式（ruff）
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev ## Types (mypy, strict) ## 类型（mypy，严格模式）
	$(BIN)/mypy

format: setup-dev ## Put style and format right ## 修正代码风格和格式
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

node: ## What the browser and the client tests need of npm, into node_modules of their folders ## 把浏览器测试和客户端测试所需的 npm 包装进各自的 node_modules
	@if command -v npm >/dev/null; then for folder in browser clients; do \
	npm ci --no-audit --no-fund --prefix tests/$$folder || exit 1; done; \
	else echo "npm is not installed, so the tests of accessibility and of Node's clients will be skipped."; fi

clients: setup-dev ## LangChain, LlamaIndex, LiteLLM, a ROS 2 node over DDS, OpenClaw and more (needs the network; 850 MB from npm) ## LangChain、LlamaIndex、LiteLLM、通过 DDS 的 ROS 2 节点和 OpenClaw（需要网络；从 npm 下载 850 MB）
	@PYTHON="$(PYTHON)" sh scripts/setup.sh .venv-clients tests/clients/requirements.txt
	$(BIN)/python -m tests.clients.with_gateway .venv-clients/bin/python tests/clients/others.py
	if .venv-clients/bin/python -c 'import cyclonedds' 2>/dev/null; then \
	$(BIN)/python -m tests.clients.with_gateway .venv-clients/bin/python tests/clients/dds.py; \
	else echo "cyclonedds has no wheel for this machine, so the ROS 2 node is not tried over DDS."; fi
	@if command -v npm >/dev/null && [ "$$(uname -m)" = x86_64 ]; then $(MAKE) openclaw; \
	else echo "OpenClaw is not tried: it needs npm, and x86_64 for the pinned Node."; fi

openclaw: setup-dev ## A session of the real OpenClaw alone (850 MB from npm, five minutes) ## 只与真实的 OpenClaw 对话一次（从 npm 下载 850 MB，五分钟）
	npm install --ignore-scripts --no-audit --no-fund --no-package-lock --prefix tests/clients/openclaw
	$(BIN)/python -m tests.clients.openclaw

soak: setup-dev ## A long run by hand: random leaves, cancels and faults, then what is left (JOBS=10000) ## 手动的长时间运行：随机的离开、取消和故障，然后检查残留（JOBS=10000）
	$(BIN)/python -m tests.soak $(if $(JOBS),--jobs $(JOBS))

fuzz: setup-dev ## Look for bytes that confuse the console's parser, by hand, five minutes (SECONDS=3600; needs the network) ## 手动寻找会扰乱控制台解析器的字节，五分钟（SECONDS=3600；需要网络）
	@$(BIN)/pip install --quiet --only-binary :all: -r tests/fuzz/requirements.txt
	nice -n 10 $(BIN)/python -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS))

attack: setup-dev ## Attackers against clients on every console, by hand (KIND=fence for one; all take hours) ## 手动：在每种控制台上让攻击者对抗客户端（KIND=fence 只运行一种；全部需要数小时）
	$(BIN)/python -m tests.attack $(if $(KIND),--kind $(KIND),--matrix --minutes 600)

traffic: setup-dev ## What users get of a console that is not known yet, by hand (MINUTES=15 for each of three rows) ## 手动：控制台尚未被检查时用户得到什么（MINUTES=15，三组各用这么久）
	$(BIN)/python -m tests.traffic $(if $(MINUTES),--minutes $(MINUTES))

bench: setup-dev ## Measure what the gateway costs, beside a bare relay (five minutes; nothing else should run) ## 测量网关的开销，并与裸转发对比（五分钟；期间不要运行其他程序）
	$(BIN)/python -m benchmarks

bench-publish: setup-dev ## The same, and write its figures and pictures into docs/ and both READMEs ## 同上，并把数字和图表写入 docs/ 和两份 README
	$(BIN)/python -m benchmarks --json >.performance.json
	$(BIN)/python scripts/publish_figures.py .performance.json
	rm .performance.json

screenshots: setup-dev ## Take the pictures of the page for the documentation (needs Chromium) ## 为文档拍摄网页截图（需要 Chromium）
	@sh scripts/model.sh $(VENV)
	$(BIN)/python scripts/screenshots.py

vendor-page: setup-dev ## Take the page's libraries from npm into bpu/web/static/vendor (needs npm and the network) ## 从 npm 取得网页所用的库，放入 bpu/web/static/vendor（需要 npm 和网络）
	$(BIN)/python scripts/vendor_page.py

check-wheels: setup ## See that a board can install requirements.lock without a compiler (needs the network) ## 检查开发板能否不用编译器安装 requirements.lock（需要网络）
	$(BIN)/python scripts/board_wheels.py --check

wheels: setup ## Download the wheels that a board needs into ./wheels, for a board without internet ## 把开发板所需的 wheel 下载到 ./wheels，供没有网络的开发板使用
	$(BIN)/python scripts/board_wheels.py

lock: setup-dev ## Write the newest versions that the floors allow into the locks (needs the network) ## 把下限允许的最新版本写入锁定文件（需要网络）
	$(BIN)/python scripts/lock.py

dist: setup-dev ## Build the wheel and the source archive into ./dist ## 构建 wheel 和源代码包，放入 ./dist
	$(BIN)/python -m hatchling build -d dist

deb: setup-dev ## Build the Debian packages into ./dist, for boards and PCs (ARCH=arm64 for one; needs the network once) ## 构建开发板和电脑用的 Debian 软件包，放入 ./dist（ARCH=arm64 只构建一种；需要联网一次）
	$(BIN)/python scripts/deb.py $(if $(ARCH),--arch $(ARCH))

check-arm: setup-dev ## Try the arm64 package in an emulated arm64 Debian, by hand (needs root, qemu-user-static; under an hour) ## 手动：在模拟的 arm64 Debian 中试用 arm64 软件包（需要 root 和 qemu-user-static；不到一小时）
	$(BIN)/python scripts/deb.py --arch arm64
	sh scripts/check_arm.sh dist/rdk-bpu-gateway_*_arm64.deb

check-service: setup-dev ## Boot a fresh Debian in systemd-nspawn and try the package as a service, by hand (needs root) ## 手动：在 systemd-nspawn 中启动全新的 Debian，把软件包作为服务试用（需要 root）
	$(BIN)/python scripts/deb.py --arch $(shell dpkg --print-architecture)
	sh scripts/check_service.sh dist/rdk-bpu-gateway_*_$(shell dpkg --print-architecture).deb

clean: ## Remove the virtual environment, the wheels and all caches ## 删除虚拟环境、wheel 和所有缓存
	rm -rf $(VENV) wheels dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
