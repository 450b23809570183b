# Everything a newcomer needs: `make run` in a fresh clone starts the service.

.PHONY: help run test test-oidc lint bench fuzz-api cargo postgres
.DEFAULT_GOAL := help

# An installation of Rust that this shell has not picked up yet still counts.
CARGO := $(shell command -v cargo || command -v "$(HOME)/.cargo/bin/cargo")

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

run: cargo postgres ## Start the service on its own database (options: make run ARGS="--listen 127.0.0.1:9090")
	$(CARGO) run --release --locked -- serve $(ARGS)

test: cargo postgres ## Run all tests
	$(CARGO) test --workspace --locked

test-oidc: cargo postgres ## Sign in at real OpenID Connect providers, fetched by npm (skipped without Node)
	CARGO=$(CARGO) tests/oidc/run

lint: cargo ## Check formatting, lints, documentation and dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	CARGO=$(CARGO) .ci/check-dependencies

bench: cargo postgres ## Measure
	$(CARGO) bench --locked

fuzz-api: cargo postgres ## Fuzz the API by its description, with schemathesis (fewer examples: make fuzz-api EXAMPLES=20)
	CARGO=$(CARGO) EXAMPLES=$(EXAMPLES) tests/fuzz-api/run

cargo:
	@test -n "$(CARGO)" || { echo "Rust is missing: install it from https://rustup.rs, then try again." >&2; exit 1; }

postgres:
	@.ci/install-postgres
