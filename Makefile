# Every command of the project. Work that leaves something behind is done once and again only when its sources change.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell bash scripts/find_python.sh)
BIN := .venv/bin
PY := $(BIN)/python
STAMPS := .build

# One target directory and one interpreter for every Rust build, so that nothing is compiled twice for another setting.
export PYO3_PYTHON := $(CURDIR)/.venv/bin/python
export VIRTUAL_ENV := $(CURDIR)/.venv
export CARGO_TERM_PROGRESS_WHEN := never
CARGO_FLAGS ?= --locked
DEEP_CASES ?= 20000
DEEP_ROUNDS ?= 10
SOAK_SECONDS ?= 600
FUZZ_SECONDS ?= 60
# bench-peers, bench-report: --quick is a smoke run, --fresh begins anew, names limit the run to those. bench-gate: --accept.
BENCH_OPTIONS ?=

CORE_SOURCES := $(shell find crates/core/src -name '*.rs') crates/core/Cargo.toml Cargo.toml Cargo.lock
PY_SOURCES := $(shell find crates/py -name '*.rs') crates/py/Cargo.toml pyproject.toml
NODE_SOURCES := $(shell find crates/node -name '*.rs') crates/node/Cargo.toml
FACE_SOURCES := $(shell find python -name '*.py' -o -name '*.pyi' -o -name py.typed) $(shell find js -name '*.js' 2>/dev/null) \
	index.js index.mjs index.d.ts $(wildcard types/*.d.ts) package.json README.md
RUFF_PATHS := $(wildcard python tests scripts benches examples)

.PHONY: help setup build generate fmt lint types test versions docs demo bench bench-gate bench-peers bench-report dist deep deep-core deep-node deep-python traces rounds soak loom shuttle memcheck fuzz netem ci

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.stamp node_modules/.stamp ## make .venv and node_modules with the pinned tools

build: $(STAMPS)/python $(STAMPS)/node ## build the Python extension into .venv and the Node addon into native/

generate: $(STAMPS)/generated ## write the stub of the extension, and docs/operations.md from the typed faces

fmt: .venv/.stamp ## format Rust and Python
	cargo fmt --all
	cargo fmt --all --manifest-path benches/peers/rust/Cargo.toml
	$(BIN)/ruff check --fix --quiet $(RUFF_PATHS)
	$(BIN)/ruff format --quiet $(RUFF_PATHS)

lint: .venv/.stamp ## check format, clippy and ruff, without changing a file
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path benches/peers/rust/Cargo.toml
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets --quiet -- -D warnings
	$(BIN)/ruff check --quiet $(RUFF_PATHS)
	$(BIN)/ruff format --check --quiet $(RUFF_PATHS)

types: setup build ## check the typed faces: mypy strict, stubtest, pyright, tsc
	$(BIN)/mypy --strict python/iris python/myrmidon
	$(BIN)/python -m mypy.stubtest --concise iris._iris
	node_modules/.bin/pyright --project pyproject.toml --pythonpath $(PY)
	node_modules/.bin/tsc --project tests/node/tsconfig.json

test: setup build ## run the suites: Rust, Node, Python
	cargo test $(CARGO_FLAGS) --workspace --quiet
	node_modules/.bin/jest
	$(BIN)/pytest --quiet tests

versions: setup build ## run the Python suite on 3.12 and 3.13, in development mode and with both extremes of the switch interval; 30 minutes
	PYTHONDEVMODE=1 $(BIN)/pytest --quiet tests
	IRIS_SWITCH_INTERVAL=1e-6 $(BIN)/pytest --quiet tests
	IRIS_SWITCH_INTERVAL=1.0 IRIS_EXIT_RUNS=3 $(BIN)/pytest --quiet tests
	bash scripts/versions.sh 3.12
	bash scripts/versions.sh 3.13

docs: build ## build the Rust docs without a warning, and run the examples of README and docs/
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --no-deps --quiet -p iris-core
	$(PY) scripts/doc_examples.py README.md docs

demo: setup build ## run the demonstrations: 100,000 actors in Python and in Node, then a node of each that lose each other and heal
	$(PY) examples/demo.py
	node examples/demo.mjs
	$(PY) examples/demo_mesh.py

bench: setup build ## measure the speed and memory table of the product
	$(PY) benches/run.py

bench-gate: setup build ## fail where a hot path takes more than its baseline, by instructions and ratios; needs valgrind
	$(PY) benches/gate/gate.py $(BENCH_OPTIONS)

bench-peers: setup build ## install the peers and measure all side by side; under 40 minutes, goes on where it was ended
	$(PY) benches/peers/measure_all.py $(BENCH_OPTIONS)

bench-report: ## write benches/REPORT.md, its charts and README's table from what bench-peers measured
	target/peers/venv/bin/python benches/peers/report.py $(BENCH_OPTIONS)

dist: $(STAMPS)/dist ## build wheels, sdist and npm tarballs, install each into an empty place and try it

# Each part is a target of its own, so that one that was ended goes on with the next. Times are of two cores, mostly beside other work.
deep: loom shuttle deep-core memcheck fuzz netem rounds versions soak deep-node deep-python ## the long tests, one after the other; 3.5 hours

# Other traces each time; a failure names the one it was found in.
TRACES := $(CURDIR)/target/traces.jsonl

traces: ## write 100,000 steps of the reference to target/traces.jsonl, which the deep tests play in each language
	mkdir -p $(dir $(TRACES))
	$(PYTHON) tests/python/write_traces.py --seed $$RANDOM --steps 100000 > $(TRACES)

deep-core: traces ## run the suites of core with DEEP_CASES cases of each property, and 200 simulated networks; 15 minutes
	$(RELEASE) PROPTEST_CASES=$(DEEP_CASES) IRIS_DEEP=1 IRIS_TRACES=$(TRACES) cargo test $(CARGO_FLAGS) --release -p iris-core --quiet

rounds: setup build ## run the suites DEEP_ROUNDS times, core's in release; 3 minutes each
	for round in {1..$(DEEP_ROUNDS)}; do \
		$(RELEASE) cargo test $(CARGO_FLAGS) --release -p iris-core --quiet --tests; \
		node_modules/.bin/jest --silent; \
		$(BIN)/pytest --quiet tests; \
	done

soak: setup build ## use everything at once for SOAK_SECONDS, in Python and in Node; 20 minutes
	$(PY) tests/soak/soak.py --seconds $(SOAK_SECONDS)
	node tests/soak/soak.mjs --seconds $(SOAK_SECONDS)

deep-node: setup build traces ## run Node's models, memory, fuzz and 200 ends of the process in each state; 25 minutes
	IRIS_MODEL_STEPS=100000 IRIS_TRACES=$(TRACES) node_modules/.bin/jest model traces # 2 minutes
	IRIS_MEMORY_SCALE=1 IRIS_MANY=1000000 node_modules/.bin/jest memory scale # 7 minutes
	IRIS_FUZZ_RUNS=20000 node_modules/.bin/jest fuzz -t 'one after the other' # 3 minutes
	IRIS_EXIT_RUNS=200 IRIS_WORKER_RUNS=1000 node_modules/.bin/jest exits hosts # 10 minutes

deep-python: setup build traces ## run Python's models, memory, fuzz and 200 ends of the process in each state and host; 75 minutes
	IRIS_MODEL_STEPS=100000 IRIS_TRACES=$(TRACES) $(BIN)/pytest --quiet tests/python/test_model.py tests/python/test_traces.py # 8 minutes
	IRIS_MEMORY_SCALE=1 IRIS_MANY=1000000 $(BIN)/pytest --quiet tests/python/test_memory.py tests/python/test_scale.py # over 5 minutes
	IRIS_FUZZ_EXAMPLES=6000 $(BIN)/pytest --quiet tests/python/test_bad_input.py tests/python/test_bad_input_awaited.py # 2 minutes
	IRIS_EXIT_RUNS=200 $(BIN)/pytest --quiet tests/python/test_exit.py # 28 minutes
	IRIS_HOST_RUNS=200 $(BIN)/pytest --quiet tests/python/test_hosts.py tests/python/test_forks.py # 40 minutes

# Tests in release are built without what makes builds slow and a test no better; models with the assertions of debug builds.
RELEASE := CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=false
MODELS := $(RELEASE) CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
	cargo test $(CARGO_FLAGS) --release -p iris-core --lib --quiet -- model::

loom: ## run the lock-free parts through every interleaving; 2 minutes
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom $(MODELS)

shuttle: ## run whole runtimes through 10,000 random schedules for each model; 2 minutes
	RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle $(MODELS)

# The suites that are left out are the same calls in greater numbers, which would take hours.
MEMCHECKED := actors bounded_model drops edges flow lifecycle mailboxes misuse model regressions relations restarts states \
	states_restart supervision supervision_model traces
# Valgrind takes the tags that the assembly of TLS computes for bytes that nobody wrote.
MEMCHECKED_MESH := $(patsubst crates/core/tests/%.rs,%,$(wildcard crates/core/tests/mesh*.rs))
MEMCHECK := valgrind --quiet --fair-sched=yes --error-exitcode=9 \
	--leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect
# Their grace or time-outs are shorter than what valgrind takes, or they take hours.
MEMCHECK_SKIPS := --skip a_closing_thread_restarts_nobody --skip a_great_many --skip a_long_line_of_descendants \
	--skip mesh:: --skip a_silent_node_is_gone_within_three_heartbeats
TEST_UNDER = RUST_BACKTRACE=0 cargo test $(CARGO_FLAGS) -p iris-core --quiet \
	--config "target.'cfg(unix)'.runner = '$(1)'"

memcheck: setup build ## run suites of core, and the Python extension, under valgrind: no bad access, no leak; 6 minutes
	$(call TEST_UNDER,$(MEMCHECK)) --lib $(addprefix --test ,$(MEMCHECKED)) -- --test-threads=1 $(MEMCHECK_SKIPS)
	$(call TEST_UNDER,$(MEMCHECK) --undef-value-errors=no) $(addprefix --test ,$(MEMCHECKED_MESH)) -- --test-threads=1 $(MEMCHECK_SKIPS)
	# What CPython reads of its stack without having written it is its own affair, and says nothing of the extension.
	PYTHONMALLOC=malloc $(MEMCHECK) --undef-value-errors=no --suppressions=tests/python/memchecked.supp $(PY) tests/python/memchecked.py

FUZZED := datagram frame hello v1
FUZZ := PATH="$(CURDIR)/target/tools/bin:$$PATH" CARGO_TARGET_DIR=$(CURDIR)/target/fuzz cargo +nightly fuzz

fuzz: target/tools/bin/cargo-fuzz ## feed what reads the wire with generated bytes, FUZZ_SECONDS each; 7 minutes; needs a nightly compiler
	for one in $(FUZZED); do \
		mkdir -p target/fuzz/found/$$one; \
		$(FUZZ) run --fuzz-dir crates/core/fuzz $$one target/fuzz/found/$$one crates/core/fuzz/corpus/$$one -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=8192 -verbosity=0 -print_final_stats=1; \
	done

# Status 3: what the kernel or the machine lacks is told, and the other tests go on.
netem: setup build ## run two nodes through a network that delays and loses packets; 1 minute; needs root and the kernel's netem
	bash tests/netem/run.sh || [ $$? = 3 ]

target/tools/bin/cargo-fuzz:
	cargo install cargo-fuzz --locked --version 0.13.2 --root target/tools --quiet

ci: ## everything a change must pass, ending with the suites
	$(MAKE) lint
	$(MAKE) setup build
	$(MAKE) generate
	git diff --exit-code -- docs/operations.md python/iris/_iris.pyi
	$(MAKE) types
	$(MAKE) docs
	$(MAKE) loom shuttle
	$(MAKE) dist
	$(MAKE) bench-gate
	$(MAKE) test

.venv/.stamp: requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

node_modules/.stamp: package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/python: .venv/.stamp $(CORE_SOURCES) $(PY_SOURCES)
	$(BIN)/maturin develop --release --locked --quiet
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/node: $(CORE_SOURCES) $(NODE_SOURCES)
	$(PYTHON) scripts/addon.py
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/generated: $(STAMPS)/python $(FACE_SOURCES) scripts/operations.py scripts/stubs.py
	$(PY) scripts/stubs.py
	$(BIN)/ruff format --quiet python/iris/_iris.pyi
	$(PY) scripts/operations.py
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dist: $(STAMPS)/python $(STAMPS)/node $(FACE_SOURCES) scripts/dist.py scripts/smoke.py scripts/smoke.cjs scripts/smoke.mjs scripts/addon.py
	$(PY) scripts/dist.py
	@mkdir -p $(STAMPS) && touch $@
