# dockagent: set-up, tests, installation. `make help` lists what there is. Needs GNU make, bash, and Python 3.11 or later.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# Tests wait half of their time, for devices, lines and daemons: one more of them at once than a small machine has cores.
JOBS ?= 3
PYTEST_ARGS ?=
BENCH_ARGS ?=
SERVE ?=

# Where `make install` puts things; a package overrides LIBDIR=/usr/lib and DESTDIR.
DESTDIR ?=
PREFIX ?= /opt/dockagent
LIBDIR ?= /usr/local/lib
BINDIR ?= /usr/local/bin
SYSCONFDIR ?= /etc

# SYSTEM_PACKAGES=skip leaves the system alone: for systems without apt, or with these programs from elsewhere.
SYSTEM_PACKAGES ?=
OUTSIDE = $(VENV)/outside
OUTSIDE_FROM := tests/evidence/outside
SWIFT = $(VENV)/swift
PRETENDERS = $(VENV)/pretenders
PACKAGES_DEMO := ffmpeg python3-venv
PACKAGES_TEST := $(PACKAGES_DEMO) openssl udev util-linux mount e2fsprogs procps systemd \
    golang-go golang-golang-x-mod-dev swtpm tpm2-tools age jq iproute2 libpango-1.0-0 libpangoft2-1.0-0 \
    $(if $(shell command -v npm),,nodejs npm) $(shell sed 's/\#.*//' hil/central/packages.txt 2>/dev/null)
# What the emulated USB rigs need: a kernel of their own is built from the source, once (hil/rigs/uml).
PACKAGES_RIG := $(PACKAGES_TEST) $(shell sed 's/\#.*//' hil/rigs/uml/packages.txt 2>/dev/null)
PACKAGES_LONG := $(PACKAGES_RIG) $(shell sed 's/\#.*//' hil/rigs/qemu/packages.txt 2>/dev/null)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PYTHON SERVE

.PHONY: help demo test test-rig test-long test-ceph test-faults test-cut rig-kernel rig-guest packages-rig packages-long lint types lock bench clean install uninstall help-table \
    packages-demo packages-test packages-install

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: packages-demo $(VENV)/runtime.stamp  ## show the agent at work with emulated cameras (SERVE=1 keeps the board up)
	@exec $(BIN)/python -m hil.demo

test: packages-test lint types $(OUTSIDE)/stamp $(SWIFT)/stamp $(PRETENDERS)/stamp  ## the whole test suite: style, types, tests (PYTEST_ARGS="-k ledger" for some)
	@exec $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

test-rig: rig-kernel  ## the agent on emulated USB hardware, in a kernel of its own (no root, no KVM)
	@exec env DOCKAGENT_RIG=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup tests/rigs/uml $(PYTEST_ARGS)

rig-kernel: packages-rig $(VENV)/dev.stamp  ## build that kernel, if it is not in the cache
	@exec $(BIN)/python -m hil.rigs.uml.kernel

test-long: rig-guest test-ceph  ## the long tier: a Debian 12 guest in QEMU, the installed package under its systemd
	@exec env DOCKAGENT_RIG=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/rigs/qemu $(PYTEST_ARGS)

test-ceph: packages-long $(VENV)/dev.stamp  ## the S3 store against the newest Ceph, from Debian unstable (root)
	@$(BIN)/python -m hil.central.lane_b
	env DOCKAGENT_CEPH=b $(BIN)/python -m pytest tests/stores tests/contracts/test_store.py -k s3 $(PYTEST_ARGS)
	exec env DOCKAGENT_CEPH=b $(BIN)/python -m pytest tests/daemon/test_unseen.py $(PYTEST_ARGS)

test-cut: packages-test $(VENV)/dev.stamp  ## a line that is cut for a whole hour in the middle of a part
	@exec env DOCKAGENT_LONG_CUT=1 $(BIN)/python -m pytest -s tests/daemon/test_long_cut.py

test-faults: packages-test $(VENV)/dev.stamp  ## 200 lives of a dock before a real S3 server, each with faults of its own
	@exec env DOCKAGENT_FAULT_SEEDS=0-199 $(BIN)/python -m pytest -n $(JOBS) tests/daemon/test_seeded_faults.py $(PYTEST_ARGS)

rig-guest: packages-long $(VENV)/dev.stamp  ## make that guest, if it is not in the cache
	@exec $(BIN)/python -m hil.rigs.qemu.image

lint: $(VENV)/dev.stamp  ## style: ruff check and format
	@echo "ruff"
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .

types: $(VENV)/dev.stamp  ## types: mypy, strict
	@exec $(BIN)/mypy

bench: $(VENV)/dev.stamp  ## measure how fast cards are drained (BENCH_ARGS)
	@exec $(BIN)/python -m tests.bench $(BENCH_ARGS)

help-table: $(VENV)/dev.stamp  ## print the table of commands for README.md
	@exec $(BIN)/python -m tests.test_help

clean:  ## remove what the other targets made here
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo dist build
	find . -path ./.git -prune -o -type d -name __pycache__ -print0 | xargs -0r rm -rf

# --- Others' verifiers --------------------------------------------------------------------------------------------
# What the tests ask about our formats, and what must not lie among our own libraries.

$(OUTSIDE)/stamp: $(wildcard $(OUTSIDE_FROM)/*.lock $(OUTSIDE_FROM)/package*.json) $(VENV)/dev.stamp | packages-test
	@echo "outside verifiers: case_validate, @sigstore/verify, @trustnxt/c2pa-ts"
	$(BIN)/python -m venv --clear $(OUTSIDE)
	$(OUTSIDE)/bin/python -m pip install --quiet --require-hashes -r $(OUTSIDE_FROM)/case.lock
	cp $(OUTSIDE_FROM)/package.json $(OUTSIDE_FROM)/package-lock.json $(OUTSIDE)
	npm ci --prefix $(OUTSIDE) --no-audit --no-fund --silent
	touch $@

$(SWIFT)/stamp: hil/central/swift.lock $(VENV)/dev.stamp | packages-test
	@echo "a server to deliver to: OpenStack Swift"
	$(BIN)/python -m hil.central.swift build
	touch $@

$(PRETENDERS)/stamp: hil/central/pretenders.lock $(VENV)/dev.stamp
	@echo "servers that only pretend to keep what they are given: moto, rclone"
	$(BIN)/python -m venv --clear $(PRETENDERS)
	$(PRETENDERS)/bin/python -m pip install --quiet --require-hashes -r hil/central/pretenders.lock
	touch $@

# --- Python environment -------------------------------------------------------------------------------------------
# PYTHON=… chooses an interpreter; otherwise the first of these that runs, is 3.11 or later, and can make a venv.

WORKS := $(BIN)/python -c 'import msgspec' 2>/dev/null

define FIND_PYTHON
python_ok() { "$$@" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
find_python() {
    local one
    for one in $${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3}; do
        if python_ok "$$one"; then echo "$$one"; return; fi
    done
    echo "make: no usable Python ($${PYTHON:-python3 and python3.11 to python3.14 were tried})." \
        "Install Python 3.11 or later with its venv module (Debian: apt-get install python3-venv), or name one:" \
        "make PYTHON=/path/to/python3" >&2
    return 2
}
endef

# What a stamp holds: the lock's digest and the place of the checkout. A lock that differs, a checkout that was moved
# and an interpreter that is gone each mean a new environment; a newer pyproject.toml only that the project itself is
# put in again. The kernel lets the lock on this file go when its holder ends, so two makes do not meet in one venv.
define MAKE_VENV
$(FIND_PYTHON)
exec 9<Makefile; flock 9
lock=$(1)
mark="$$(sha256sum "$$lock" | cut -d' ' -f1) $$PWD"
if ! grep -qsxF "$$mark" $@ || ! $(WORKS); then
    python=$$(find_python)
    echo "environment: $(VENV) with $$("$$python" --version) and $$(grep -c '==' "$$lock") packages of $$lock"
    "$$python" -m venv --clear $(VENV)
    $(BIN)/python -m pip install --quiet --require-hashes -r "$$lock"
fi
$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
for stamp in $(2); do echo "$$mark" > "$$stamp"; done
endef

USABLE := $(shell $(WORKS) && grep -qs " $(CURDIR)$$" $(VENV)/*.stamp && echo yes)
DEVELOPING := $(filter test test-rig test-long test-ceph test-faults test-cut rig-kernel rig-guest lint types bench help-table,$(MAKECMDGOALS))$(wildcard $(VENV)/dev.stamp)

# The development environment holds all of the runtime's, so a demo after a test makes nothing new.
$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml $(if $(USABLE),,outdated) \
        $(if $(filter test,$(MAKECMDGOALS)),| packages-test) \
        $(if $(filter test-rig rig-kernel,$(MAKECMDGOALS)),| packages-rig)
	@$(call MAKE_VENV,requirements-dev.lock,$(VENV)/dev.stamp)

ifeq ($(DEVELOPING),)
$(VENV)/runtime.stamp: requirements.lock pyproject.toml $(if $(USABLE),,outdated) \
        $(if $(filter demo,$(MAKECMDGOALS)),| packages-demo)
	@$(call MAKE_VENV,requirements.lock,$(VENV)/runtime.stamp)
else
$(VENV)/runtime.stamp: $(VENV)/dev.stamp
	@cp $< $@
endif

.PHONY: outdated
outdated:

# Both locks come from pyproject.toml. The build backend is in them, so that the project itself installs without an
# index; the second is held to the versions of the first.
PIP_COMPILE_ONE = CUSTOM_COMPILE_COMMAND="make lock" $$tools/bin/pip-compile --quiet --strip-extras \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(LOCK_ARGS)
PIP_COMPILE = $(PIP_COMPILE_ONE) --extra s3 --extra sealing --extra timestamps --build-deps-for editable --build-deps-for wheel
LOCK_ARGS ?=

lock:  ## bring the locks up to date with pyproject.toml (LOCK_ARGS=--upgrade for newer versions)
	@$(FIND_PYTHON)
	tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT
	"$$(find_python)" -m venv "$$tools"
	"$$tools/bin/pip" install --quiet pip-tools
	$(PIP_COMPILE) --output-file requirements.lock pyproject.toml
	$(PIP_COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(PIP_COMPILE_ONE) --output-file $(OUTSIDE_FROM)/case.lock $(OUTSIDE_FROM)/case.in
	$(PIP_COMPILE_ONE) --output-file hil/central/swift.lock hil/central/swift.in
	$(PIP_COMPILE_ONE) --output-file hil/central/pretenders.lock hil/central/pretenders.in
	grep -Ec '^[a-z0-9]' requirements.lock requirements-dev.lock $(OUTSIDE_FROM)/case.lock hil/central/swift.lock hil/central/pretenders.lock

# --- A dock -------------------------------------------------------------------------------------------------------
# Everything lies under DESTDIR where one is given (for a package); then nothing of the running system is touched.

SYSTEM_FILES = $(DESTDIR)$(LIBDIR)/systemd/system/dockagent.service $(DESTDIR)$(LIBDIR)/sysusers.d/dockagent.conf \
    $(DESTDIR)$(LIBDIR)/tmpfiles.d/dockagent.conf $(DESTDIR)$(LIBDIR)/udev/rules.d/60-dockagent.rules \
    $(DESTDIR)$(LIBDIR)/systemd/system/dockagent-custodian.service
CONFIG = $(DESTDIR)$(SYSCONFDIR)/dockagent/dockagent.toml
IN_PLACE = if [ -n "$(DESTDIR)" ]; then exit 0; fi
NEEDS_ROOT = if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" != 0 ]; then \
    echo "make: $@ needs root: sudo make $@" >&2; exit 2; fi

install:  ## put the agent on this machine as a service (root); DESTDIR, PREFIX, LIBDIR, SYSCONFDIR as usual
	@$(NEEDS_ROOT)
	$(FIND_PYTHON)
	umask 022
	venv="$(DESTDIR)$(PREFIX)"
	python=$$(PYTHON="$${PYTHON:-/usr/bin/python3 /usr/local/bin/python3}" find_python)  # one that every user can run
	"$$python" -m venv --clear "$$venv"
	"$$venv/bin/python" -m pip install --quiet --no-compile --require-hashes -r requirements.lock
	"$$venv/bin/python" -m pip install --quiet --no-compile --no-deps --no-build-isolation .
	if [ -n "$(DESTDIR)" ]; then
	    grep -rlI "$(DESTDIR)" "$$venv/bin" "$$venv/pyvenv.cfg" | xargs -r sed -i "s|$(DESTDIR)||g"
	fi
	"$$venv/bin/python" -m compileall -q $(if $(DESTDIR),-s "$(DESTDIR)" -p /) "$$venv/lib"
	install -d "$(DESTDIR)$(BINDIR)" && ln -sfn "$(PREFIX)/bin/dockagent" "$(DESTDIR)$(BINDIR)/dockagent"
	if [ -z "$(DESTDIR)" ]; then systemd-sysusers systemd/dockagent.sysusers; fi  # before udevd reads rules that name it
	sources=(systemd/dockagent.service systemd/dockagent.sysusers systemd/dockagent.tmpfiles systemd/60-dockagent.rules \
	    systemd/dockagent-custodian.service)
	for target in $(SYSTEM_FILES); do
	    install -D -m 644 "$${sources[0]}" "$$target"
	    sed -i 's|/opt/dockagent/bin|$(PREFIX)/bin|' "$$target"
	    sources=("$${sources[@]:1}")
	done
	install -d -m 750 "$$(dirname "$(CONFIG)")"
	if [ -e "$(CONFIG)" ]; then echo "kept as it is: $(CONFIG)"
	else install -m 640 systemd/dockagent.toml "$(CONFIG)"; fi
	$(IN_PLACE)
	systemd-tmpfiles --create "$(LIBDIR)/tmpfiles.d/dockagent.conf"
	chgrp dockagent "$(CONFIG)"
	if [ -e /run/udev/control ]; then udevadm control --reload; fi
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl try-restart dockagent; fi
	echo "installed. As its own user, with the rights of its service, dockagent says:"
	cd / && $(AS_SERVICE) "$(BINDIR)/dockagent" doctor || true
	echo "next: edit $(CONFIG), then: systemctl enable --now dockagent"

AS_SERVICE = setpriv --reuid dockagent --regid dockagent --init-groups --inh-caps=-all,+sys_admin \
    --ambient-caps=-all,+sys_admin --bounding-set=-all,+sys_admin --no-new-privs

uninstall:  ## take the agent away (root); configuration, keys, ledger and footage stay
	@$(NEEDS_ROOT)
	if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then
	    systemctl disable --now dockagent 2>/dev/null || true
	fi
	rm -f $(SYSTEM_FILES) "$(DESTDIR)$(BINDIR)/dockagent"
	rm -rf "$(DESTDIR)$(PREFIX)"
	$(IN_PLACE)
	if [ -e /run/udev/control ]; then udevadm control --reload; fi
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
	echo "uninstalled; kept: $(SYSCONFDIR)/dockagent and /var/lib/dockagent"

# --- System packages ----------------------------------------------------------------------------------------------

packages-demo:
	@if command -v ffmpeg ffprobe >/dev/null; then
	    $(FIND_PYTHON)
	    if find_python >/dev/null 2>&1; then exit 0; fi
	fi
	exec $(MAKE) packages-install PACKAGES="$(PACKAGES_DEMO)"

packages-test:
	@exec $(MAKE) packages-install PACKAGES="$(PACKAGES_TEST)"

packages-rig:
	@exec $(MAKE) packages-install PACKAGES="$(PACKAGES_RIG)"

packages-long:
	@exec $(MAKE) packages-install PACKAGES="$(PACKAGES_LONG)"

packages-install:
	@if [ "$(SYSTEM_PACKAGES)" = skip ]; then exit 0; fi
	missing=()
	for package in $(PACKAGES); do
	    state=$$(dpkg-query --show --showformat '$${db:Status-Status}' "$$package" 2>/dev/null || true)
	    if [ "$$state" != installed ]; then missing+=("$$package"); fi
	done
	if [ $${#missing[@]} = 0 ]; then exit 0; fi
	echo "system packages: $(PACKAGES)"
	echo "not there yet:   $${missing[*]}"
	if ! command -v apt-get >/dev/null; then
	    echo "make: this is not Debian or Ubuntu: install what corresponds to these packages," \
	        "then run make again with SYSTEM_PACKAGES=skip" >&2
	    exit 2
	fi
	if [ "$$(id -u)" = 0 ]; then as_root=()
	elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then as_root=(sudo)
	else
	    echo "make: installing them needs root, and there is no sudo here. Have an administrator run:" >&2
	    echo "    apt-get install --no-install-recommends $${missing[*]}" >&2
	    exit 2
	fi
	quiet=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
	"$${as_root[@]}" "$${quiet[@]}" update || echo "make: going on with the package lists that are here" >&2
	"$${as_root[@]}" "$${quiet[@]}" install --yes --no-install-recommends "$${missing[@]}" </dev/null
