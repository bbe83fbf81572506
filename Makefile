# make demo      two LISP sites in network namespaces on this machine, from nothing
# make build     lispd and lispctl, optimized
# make test      every test: units, properties, and the daemon between real kernels
# make suite     of the tests, those between real kernels alone
# make suite-variants    the same with one worker, with two, with all offloads off and with each; stops at the first that fails (SUITE)
# make bench     what it costs: the parts, and the demo's network beside plain routing and VXLAN; also as bench.json
# make soak      many routers in one process on a virtual clock, for hours of their time, from many seeds (SEEDS, SEED)
# make simulate  an internet of ten thousand sites for an hour and one of a thousand for a day, virtual time, each on one core (SEED)
# make bench-check       instructions, allocations and retains of the parts against what is committed; part of `test`
# make bench-thresholds  rewrites the thresholds
# make lint      the formatting, as .swift-format has it
# make install   lispd, lispctl, the systemd unit, example configurations and MIB modules (PREFIX, DESTDIR)
# make setup     the Debian packages that are missing; `demo` and `test` begin with it
# make clean     what was built

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR := $(PREFIX)/sbin
USERBINDIR := $(PREFIX)/bin
UNITDIR ?= /lib/systemd/system
# Where Debian's net-snmp and libsmi look for MIB modules, which is not below /usr/local.
NETSNMPDIR ?= /usr/share/snmp/mibs
SMIDIR ?= /usr/share/mibs/site
SWIFT ?= swift

# The networks need root; the builds do not.
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help setup build build-bench build-agents demo test suite suite-variants soak simulate bench bench-check bench-thresholds lint install clean

help:
	@sed -n 's/^# make /  make /p' Makefile

setup:
	@packaging/setup

build: setup
	@echo "Building lispd and lispctl; the first time this takes a few minutes."
	$(SWIFT) build -c release --product lispd
	$(SWIFT) build -c release --product lispctl

demo: build
	@$(AS_ROOT) Interop/demo

test: setup
	@packaging/run-tests

suite: build build-bench build-agents
	@packaging/pyats
	@$(AS_ROOT) Interop/suite

# What each is called in `show status`.
OFFLOADS := tso uso merge udp-segment udp-gro multi-queue tun-steering udp-steering
# Words that name groups, such as `throughput:`; all unless said.
SUITE ?=

suite-variants: build build-bench build-agents
	@packaging/pyats
	@for settings in '{"workers": 1}' '{"workers": 2}' '{"workers": 2, "offload": "off"}' \
	        $(foreach each,$(OFFLOADS),'{"workers": 2, "offload": {"$(each)": "off"}}'); do \
	    for group in $(if $(SUITE),$(SUITE),""); do \
	        $(AS_ROOT) Interop/suite --data-plane "$$settings" $$group || exit 1; \
	    done; \
	done

SEED ?= 1
SEEDS ?= 5

soak: setup
	$(SWIFT) build -c release --product lispsim
	@for scenario in small attacked limits city; do \
	    .build/release/lispsim run --scenario $$scenario --seed $(SEED) --seeds $$((20 * $(SEEDS))) || exit 1; \
	done
	@.build/release/lispsim run --scenario soak --seed $(SEED) --seeds $(SEEDS)

# Each may take ten minutes of one core and 8 GiB.
simulate: setup
	$(SWIFT) build -c release --product lispsim
	@for scenario in internet day; do \
	    .build/release/lispsim run --scenario $$scenario --seed $(SEED) --progress 10 \
	        --cpu-seconds 600 --memory-mib 8192 || exit 1; \
	done

build-bench: setup
	$(SWIFT) build -c release --product lispd-bench

# Subagents for the suite.
build-agents: setup
	$(SWIFT) build -c release --product agentx-example
	$(SWIFT) build -c release --product agentx-test-agent

# BENCH="--quick" and the like: Interop/bench --help.
bench: build build-bench
	@$(AS_ROOT) Interop/bench --json bench.json $(BENCH)

bench-check: build-bench
	@Benchmarks/check

bench-thresholds: build-bench
	@Benchmarks/check --update

lint:
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks

# The Swift runtime goes into the binaries, so that they run where no toolchain is.
install:
	$(SWIFT) build -c release --static-swift-stdlib --scratch-path .build/static --product lispd
	$(SWIFT) build -c release --static-swift-stdlib --scratch-path .build/static --product lispctl
	install -D -s -m 755 .build/static/release/lispd $(DESTDIR)$(BINDIR)/lispd
	install -D -s -m 755 .build/static/release/lispctl $(DESTDIR)$(USERBINDIR)/lispctl
	install -d -m 755 $(DESTDIR)/etc/lispd $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/share/doc/lispd/examples
	sed 's|@BINDIR@|$(BINDIR)|' packaging/lispd.service > $(DESTDIR)$(UNITDIR)/lispd.service
	chmod 644 $(DESTDIR)$(UNITDIR)/lispd.service
	install -m 644 configs/*.yaml $(DESTDIR)$(PREFIX)/share/doc/lispd/examples/
	install -d -m 755 $(DESTDIR)$(PREFIX)/share/doc/lispd/snmpd
	install -m 644 packaging/snmpd/* $(DESTDIR)$(PREFIX)/share/doc/lispd/snmpd/
	packaging/install-mibs "$(DESTDIR)" "$(PREFIX)" "$(NETSNMPDIR)" "$(SMIDIR)"

clean:
	rm -rf .build Interop/out bench.json
