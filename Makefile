# Two commands are enough: `make serve` and `make test`. Each creates .venv and installs what it needs by itself.

PORT ?= 8000
ARGS ?=
# Processes of tests. Each computes with one thread: two with two threads each would starve one another on two cores.
JOBS ?= 2
# The first interpreter that is new enough. Continuous integration runs 3.11.
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; done; echo python3)
endif
BIN := .venv/bin
# Plugins and IO processors are distributions of their own, found by their folders.
PLUGIN_SOURCES := $(wildcard plugins/*/src io_processors/*/src)

.PHONY: help setup serve demo test test-clients check bench bench-check docs architectures lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1 | \2/p' Makefile | awk -F'|' '{ printf "%-20s%s\n", $$1, $$2 }'

setup: ## create .venv and install everything, or do nothing when that is done
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "cenote needs Python 3.11 or newer, found: $$("$(PYTHON)" --version 2>&1)." \
			"Name another one: make PYTHON=/path/to/python3.11 setup" >&2; exit 1; }
	@"$(PYTHON)" scripts/bootstrap.py

serve: setup ## serve the real all-MiniLM-L6-v2 on port 8000 (PORT=...) and print three curl lines
	@exec $(BIN)/cenote serve --examples --port $(PORT) $(ARGS)

demo: setup ## start a server, embed, rerank and list plugins through it, stop it
	@$(BIN)/python examples/demo.py $(ARGS)

test: setup ## run all tests, two files at a time (JOBS=...), without a network
	@HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-clients: setup ## run client packages, each in an environment of its own, against a server; write docs/clients.md
	@$(BIN)/python scripts/clients.py $(ARGS)

check: setup ## formatting, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy scripts benchmarks $(PLUGIN_SOURCES)
	$(BIN)/mypy tests/strangers/acme/src
	$(BIN)/mypy examples # one of them is called as a benchmark is
	$(BIN)/lint-imports
	@$(BIN)/python scripts/sizes.py

bench: setup ## measure every work beside the peers that are installed (benchmarks/peers.py); ARGS=--publish writes the docs
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-check: setup ## compare speeds with the committed baseline, and run the other benchmarks on little
	@$(BIN)/python benchmarks/check.py $(ARGS)
	@$(BIN)/python benchmarks/truncation.py --characters 60000 --rounds 1
	@$(BIN)/python benchmarks/encode_response.py --items 8 --size 64 --rounds 1
	@$(BIN)/python benchmarks/serve.py --requests 16 --batches 4 16 --rounds 1
	@$(BIN)/python benchmarks/plugins.py --distributions 40 --adapters 4 --rounds 1 --no-limit
	@$(BIN)/python benchmarks/bge_m3.py --layers 1 --vocabulary 2000
	@$(BIN)/python benchmarks/pages.py --pages 2 --shrink 6 --rounds 1

docs: setup ## write the generated parts of README.md and docs/
	@$(BIN)/python scripts/tables.py
	@$(BIN)/python scripts/extension_pages.py

architectures: setup ## run a tiny model of every text class of transformers, and write down how each one runs
	@$(BIN)/python scripts/architectures.py

lock: ## write constraints.txt anew from a clean installation
	@"$(PYTHON)" scripts/lock.py

clean: ## remove .venv and everything generated
	rm -rf $(addsuffix /*.egg-info,$(PLUGIN_SOURCES)) .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .clients
