# The commands of the house. `make help` lists them; .ci/run runs lint and test.
.DEFAULT_GOAL := help
.PHONY: help demo test lint reference bench fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build, then watch a gateway, three services and a load at work for half a minute
	cargo build --release --locked -p tidegate
	target/release/tidegate demo --for 30s

test: ## every test; installs what they start (nginx, HAProxy, httpbin, ...) if it is missing
	scripts/test

lint: ## format, clippy, licences and sources of dependencies, shell scripts
	scripts/lint

reference: ## write docs/reference anew, after a key or a command has changed
	TIDEGATE_BLESS=1 cargo test --locked -q -p tidegate --bin tidegate reference_pages

bench: ## cost per request and gates, beside nginx, HAProxy and Envoy; about 20 minutes
	cargo build --release --locked -p tidegate
	bench/needs
	bench/run all --strict

fuzz: ## every fuzz target for a minute; needs a nightly compiler
	scripts/fuzz
