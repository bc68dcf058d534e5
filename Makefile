# Every task a person does here. Each target does its own set-up; `make help` lists them.
# Needed: Rust, Python 3.11 or newer with venv, make, a C compiler.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# The targets share cargo's folder and take turns anyway.
.NOTPARALLEL:

VERSION := $(shell sed -n 's/^version: //p' galaxy.yml)
PLATFORM := $(shell uname -s | tr A-Z a-z)-$(subst arm64,aarch64,$(subst amd64,x86_64,$(shell uname -m)))

# The first Python that meets a condition on `v`, its version. pyenv's are looked at too.
python = $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 $(HOME)/.pyenv/versions/*/bin/python3; do \
	"$$python" -c 'import ensurepip, sys; v = sys.version_info[:2]; sys.exit(not ($(1)))' 2>/dev/null && { echo "$$python"; break; }; done)
PYTHON = $(call python,v >= (3, 11))
# What ansible-core 2.17 and 2.21 run on. Their checks are left out where no such Python is found.
PYTHON_2.17 = $(call python,(3, 10) <= v <= (3, 12))
PYTHON_2.21 = $(call python,v >= (3, 12))
PYTHON_parity = $(PYTHON)

# cargo-nextest is quicker where it is installed; nothing here needs it.
CARGO_TEST := $(if $(shell command -v cargo-nextest),nextest run --no-fail-fast,test --no-fail-fast)

# Where cargo builds.
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---------------------------------------------------------------------------------------------------------- building

.PHONY: build
build: ## The executable with all modules: target/release/ferrox
	cargo build --release -p ferrox

.PHONY: binaries
binaries: ## A small executable per module: target/release/<module>
	cargo build --release -p binaries

# What the tarball holds beside the executable.
SHIPPED := galaxy.yml meta plugins playbooks docs changelogs README.md LICENSE $(wildcard CHANGELOG.md)

# $(call collection,PROFILE,DIRECTORY): the tarball and its content unpacked, with the executable of that profile.
define collection
	cargo build --profile $(1) -p ferrox
	rm -rf $(2)/stage $(2)/collections
	mkdir -p $(2)/stage $(2)/collections/ansible_collections/ferrox/proxmox
	tar --exclude=__pycache__ -cf - $(SHIPPED) | tar -xf - -C $(2)/stage
	install -D $(TARGET)/$(subst dev,debug,$(1))/ferrox $(2)/stage/plugins/plugin_utils/bin/$(PLATFORM)/ferrox
	mkdir -p $(2)/stage/plugins/modules/$(subst -,_,$(PLATFORM))
	ln -sf ../../plugin_utils/bin/$(PLATFORM)/ferrox $(2)/stage/plugins/modules/$(subst -,_,$(PLATFORM))/ferrox
	.venv/bin/ansible-galaxy collection build --force --output-path $(2) $(2)/stage
	tar -xzf $(2)/ferrox-proxmox-$(VERSION).tar.gz -C $(2)/collections/ansible_collections/ferrox/proxmox
	rm -rf $(2)/stage
endef

.PHONY: collection
collection: .venv/made ## The tarball build/ferrox-proxmox-VERSION.tar.gz, and the same unpacked in build/collections
	$(call collection,release,build)

.PHONY: overlay
overlay: .venv/made ## build/overlay, where community.proxmox leads to Ferrox, and its tarball (ORIGINAL=folder of community.proxmox, or none)
	PATH="$$PATH:$(CURDIR)/.venv/bin" cargo run -q -p xtask -- overlay build/overlay $(ORIGINAL)
	rm -f build/overlay/*.tar.gz
	.venv/bin/ansible-galaxy collection build --output-path build/overlay build/overlay/ansible_collections/community/proxmox

.PHONY: gen
gen: ## Write what follows from the list of modules: stubs, routing, README table, single executables
	cargo run -q -p xtask -- gen

# ---------------------------------------------------------------------------------------------------------- checking

.PHONY: test
test: lint test-rust test-gen test-molecule test-demo test-integration ## All checks

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: lint
lint: .venv/made ## Formatting, clippy, the changelog
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	.venv/bin/antsibull-changelog lint

.PHONY: test-rust
test-rust: ## The tests of the crates, and who may depend on whom
	cargo $(CARGO_TEST)

.PHONY: test-gen
test-gen: ## Whether `make gen` would write anything
	cargo run -q -p xtask -- gen --check

.PHONY: test-integration
test-integration: .venv/made .venv-2.17/made .venv-2.21/made ## pytest: executable and playbooks against the fake cluster
	cargo build -p ferrox -p xtask
	cargo build -p binaries --bin pveum_role
	.venv/bin/python -m pytest -q -n auto --dist worksteal tests

.PHONY: test-molecule
test-molecule: .venv/made ## The molecule scenario: converge, idempotence, verify
	$(call collection,dev,build/test)
	PATH="$(CURDIR)/.venv/bin:$$PATH" ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/build/test/collections molecule test

.PHONY: test-demo
test-demo: ## The demo, with an executable that is built quickly
	$(MAKE) demo PROFILE=dev

# ----------------------------------------------------------------------------------------------------------- showing

PROFILE := ci
# The peer: community.proxmox 2.0.0 is part of this release of the ansible package.
ANSIBLE := 14.5.0

.PHONY: parity
parity: .venv/made .venv-parity/made build/parity/made ## The same tasks through community.proxmox and through Ferrox (RECORD=1, ONLY=modules, JOBS=at a time)
	$(if $(RECORD),,cargo build --profile $(PROFILE) -p ferrox)
	cd tests && ../.venv/bin/python -m parity $(if $(RECORD),--record,--executable $(TARGET)/$(PROFILE)/ferrox) $(if $(JOBS),--jobs $(JOBS)) $(ONLY)

build/parity/made: | .venv/made
	rm -rf $(@D)
	.venv/bin/pip download -q --disable-pip-version-check --no-deps --python-version 3.12 --only-binary=:all: -d $(@D) ansible==$(ANSIBLE)
	.venv/bin/python -c 'import sys, zipfile; wheel = zipfile.ZipFile(sys.argv[1]); \
		wheel.extractall("$(@D)/collections", [n for n in wheel.namelist() if n.startswith("ansible_collections/community/proxmox/")])' \
		$(@D)/ansible-$(ANSIBLE)-*.whl
	rm $(@D)/*.whl
	touch $@

.PHONY: demo
demo: .venv/made ## Build the collection and run a playbook twice against a fake cluster
	$(call collection,$(PROFILE),build/demo)
	.venv/bin/python tests/demo.py build/demo/collections

.PHONY: bench
bench: .venv/made .venv-parity/made build/parity/made build ## Measure what the claims about speed and size rest on, of the executable as it is shipped
	cd tests && FERROX_EXECUTABLE=$(TARGET)/release/ferrox ../.venv/bin/python -m bench

.PHONY: clean
clean: ## Remove all that was built
	cargo clean
	rm -rf build .venv .venv-2.17 .venv-2.21 .venv-parity

# ---------------------------------------------------------------------------------------------- virtual environments

.venv/made: tests/requirements.txt tests/requirements-2.19.txt
	@[ -n "$(PYTHON)" ] || { echo 'make: Python 3.11 or newer with the module venv is needed' >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install -q --disable-pip-version-check $(addprefix -r ,$^)
	touch $@

.venv-%/made: tests/requirements-%.txt
	if [ -n "$(PYTHON_$*)" ]; then "$(PYTHON_$*)" -m venv $(@D) && $(@D)/bin/pip install -q --disable-pip-version-check -r $<; \
	else echo 'no Python for ansible-core $*: its checks are left out'; mkdir -p $(@D); fi
	touch $@
