# Two commands: `make demo` and `make test`. Everything else is a part of them.
CARGO ?= cargo
DEFINITION ?= examples/debian-12.toml
# Tests that boot nothing mostly wait for servers of theirs: three for each core.
THREADS ?= $(shell expr 3 \* $$(nproc))

.PHONY: help demo build test test-fast test-guest test-slow fuzz lint setup setup-test install clean
.DEFAULT_GOAL := help

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## set up what is missing, build a real Debian image from your mirror, prove it
	./target/release/goldsmith build $(DEFINITION) $(ARGS)

build: setup ## compile goldsmith (target/release/goldsmith)
	$(CARGO) build --release --locked

test: setup-test lint test-fast test-guest ## set up what is missing, run everything that CI runs

lint: ## formatting and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) check --locked --no-default-features

test-fast: ## tests that boot nothing
	$(CARGO) test --locked --features test-guest --lib --bins --test it -- --test-threads=$(THREADS) --skip driver::libvirt::tests_real --skip source::iso::tests::large

test-guest: ## tests on real guests, two at a time
	$(CARGO) test --locked --features test-guest --lib -- --test-threads=1 driver::libvirt::tests_real source::bootstrap::archive source::iso::tests::large
	$(CARGO) test --locked --features test-guest --test guest -- --test-threads=2

test-slow: ## the guest tests that `make test` leaves out: a whole installation by FAI, units, an image's own login, late stages cut the other way
	$(CARGO) test --locked --features test-guest --test guest -- --test-threads=1 --ignored

fuzz: ## run the fuzz targets ten minutes each (nightly compiler and cargo-fuzz; TARGETS="qcow2 ova" SECONDS_EACH=60)
	@fuzz/run.sh $(TARGETS)

setup: ## install what building needs
	@scripts/setup.sh build

setup-test: ## install what testing needs
	@scripts/setup.sh test

install: build ## install to /usr/local/bin
	install -m 755 target/release/goldsmith /usr/local/bin/goldsmith

clean: ## remove what was compiled, and what failed tests left
	$(CARGO) clean
