# The commands of the project. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# The same packages and features everywhere, so that no dependency is built twice.
ALL := --workspace --features nevermisscall/failpoints
WITH_SERVERS := target/debug/with-servers
# `make test COVERAGE=1` runs the tests instrumented; the line coverage of src/ must be at least COVERAGE_LEAST percent.
COVERAGE ?=
COVERAGE_LEAST ?= 95
# A profile of .config/nextest.toml, and further arguments such as a filter: make test NEXTEST="-E 'test(window)'"
NEXTEST_PROFILE ?= $(if $(CI),ci,default)
NEXTEST ?=
# Measurements do not use the debug build; a higher level would cost this crate more build time than it saves.
OPTIMISED := --config profile.dev.package.nevermisscall.opt-level=1
# One build for all measurements: without the tests, the dependencies would have other features and be built again.
BUILD_OPTIMISED = $(CARGO) build $(ALL) $(OPTIMISED) --bins --test it
MEASURE = $(WITH_SERVERS) -- $(CARGO) nextest run $(ALL) --test it $(OPTIMISED) --profile $(NEXTEST_PROFILE) --run-ignored only --no-capture -E
# Only the programs that are needed: each is optimised as a whole (LTO), for minutes.
RELEASE = $(CARGO) build --release --workspace
# Targets of fuzz/; all by default.
FUZZ ?=
# The kills of the short chaos run of `make test`; every part is killed at least once.
CHAOS_KILLS ?= 18

.PHONY: help
help: ## Lists the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

# The dialect of DispatchBot in the demo: make run DIALECT=dispatch-bot-ai
DIALECT ?= v1

.PHONY: run
run: servers ## Shows the whole journey on real servers, then keeps running (DIALECT=dispatch-bot-ai)
	$(CARGO) build --workspace --bins
	target/debug/demo --dialect $(DIALECT)

.PHONY: observe
observe: ## Prometheus and Alertmanager beside `make run`, with the rules of deploy/prometheus
	@scripts/get-servers monitoring
	$(CARGO) build --workspace --bins
	target/debug/observe

.PHONY: drill-alerts
drill-alerts: ## Breaks the running service in a dozen ways, and checks that each fires its alert and resolves (2 min)
	@scripts/get-servers monitoring
	@scripts/get-tools collector
	$(CARGO) build $(ALL) --bins
	target/debug/alerts-drill

# Options of the drill of rollouts: ROLLOUT="--all", ROLLOUT="--releases slow"
ROLLOUT ?=

.PHONY: drill-rollout
drill-rollout: ## Rolls a good and a bad release out under load, behind HAProxy (ROLLOUT="--all": every bad one)
	@scripts/get-servers rollout
	$(CARGO) build $(ALL) --bins
	target/debug/rollout-drill $(ROLLOUT)

.PHONY: drill-upgrade
drill-upgrade: ## Lets the version before and this one work together under load, after building it (BEFORE=commit; minutes)
	@scripts/get-servers rollout
	$(CARGO) build $(ALL) --bins
	scripts/upgrade-drill $(BEFORE)

.PHONY: drill-machine
drill-machine: servers ## Sets one machine up with systemd as the documentation says, and rolls out, kills and backs up there (2 min; needs root)
	$(CARGO) build $(ALL) --bins
	scripts/machine-drill

.PHONY: drill-restore
drill-restore: servers ## Destroys everything under load, and restores it from the encrypted backup (DRILL="--conversations 1000000"; 1 min)
	@scripts/get-servers backup
	$(CARGO) build $(ALL) --bins
	target/debug/restore-drill $(DRILL)

.PHONY: test
test: servers nextest ## Runs all tests against real servers (COVERAGE=1: instrumented, with the line coverage of src/)
	$(CARGO) build $(ALL) --bins --tests
	scripts/get-venv .run/clients docs/clients/requirements.txt
	$(if $(COVERAGE),$(WITH_SERVERS) --fast -- env NEXTEST_PROFILE=$(NEXTEST_PROFILE) scripts/coverage $(COVERAGE_LEAST),$(WITH_SERVERS) --fast -- $(CARGO) nextest run $(ALL) --profile $(NEXTEST_PROFILE) $(NEXTEST))
	$(WITH_SERVERS) --fast -- $(CARGO) test --doc $(ALL)
	@echo "accuracy of the emergency detection (tests/corpus/emergencies/README.md):"
	$(CARGO) test $(ALL) --test it --quiet emergency_corpus -- --nocapture
	$(if $(NEXTEST),,scripts/api-check)
	$(if $(NEXTEST),,scripts/twilio-library)
	$(if $(NEXTEST),,scripts/get-servers browser)
	$(if $(NEXTEST),,scripts/check-console)
	$(if $(NEXTEST),,target/debug/chaos --kills $(CHAOS_KILLS) --every-ms 1500 --rate 3)

.PHONY: api
api: servers ## Checks the running service against its OpenAPI document, with schemathesis and a generated client
	$(CARGO) build $(ALL) --bins
	scripts/api-check

.PHONY: twilio-library
twilio-library: ## Checks the Twilio simulator with Twilio's official Python library as its client
	$(CARGO) build $(ALL) --bins
	scripts/twilio-library

.PHONY: console
console: servers ## Tests the console in Chromium against the running service (2 min)
	@scripts/get-servers browser
	$(CARGO) build $(ALL) --bins
	scripts/check-console

.PHONY: screenshots
screenshots: servers ## Renews docs/console/*.png
	@scripts/get-servers browser
	$(CARGO) build $(ALL) --bins
	scripts/check-console --screenshots

.PHONY: coverage
coverage: ## Like test, instrumented, with the line coverage of src/
	$(MAKE) test COVERAGE=1

.PHONY: performance
performance: servers nextest ## Measures the absolute performance bounds
	$(BUILD_OPTIMISED)
	$(MEASURE) 'test(performance_)'

.PHONY: lists
lists: servers nextest ## Measures every combination of filters of the list, at 1,000,000 conversations
	$(BUILD_OPTIMISED)
	$(MEASURE) 'test(a_million_conversations)'

# Options of the load test: LOAD="--rate 100 --fast"
LOAD ?=

.PHONY: load
load: servers ## Runs the document's load test for 5 minutes against the release build (LOAD="--rate 100 --fast")
	$(RELEASE) --bin nevermisscall --bin load
	target/release/load $(LOAD)

.PHONY: load-short
load-short: servers ## The same bounds for 60 seconds, without a release build
	$(BUILD_OPTIMISED)
	target/debug/load --duration 60s $(LOAD)

# Options of the comparison: COMPARE="--rounds 1 --service target/debug/nevermisscall"
COMPARE ?=

.PHONY: compare
compare: servers ## Measures the release build beside a bare handler, express + BullMQ and Restate (COMPARE="--rounds 1"); the last two need npm
	$(RELEASE) --bin nevermisscall --bin compare --bin bare-handler
	target/release/compare $(COMPARE)

.PHONY: bench
bench: ## Measures how many texts per second one core checks for emergencies (an optimised build, some minutes)
	$(CARGO) bench --package nevermisscall --bench emergency

.PHONY: race
race: servers nextest ## Makes thousands of takeovers at random moments against two processes (NMC_RACE_TAKEOVERS, NMC_RACE_TAKES, NMC_RACE_SEED)
	$(CARGO) build $(ALL) --bins --tests
	NMC_RACE_TAKEOVERS=$${NMC_RACE_TAKEOVERS:-3000} NMC_RACE_TAKES=$${NMC_RACE_TAKES:-1000} $(WITH_SERVERS) --fast -- $(CARGO) nextest run $(ALL) --profile $(NEXTEST_PROFILE) -E 'test(takeover_race_nothing)' --no-capture

.PHONY: chaos
chaos: servers ## Kills the service and its servers at random under load, 1,000 times (NMC_CHAOS_KILLS, NMC_CHAOS_EVERY_MS, NMC_CHAOS_SEED)
	$(CARGO) build $(ALL) --bins
	target/debug/chaos --kills $${NMC_CHAOS_KILLS:-1000} --every-ms $${NMC_CHAOS_EVERY_MS:-2000} --seed $${NMC_CHAOS_SEED:-random}

.PHONY: chaos-cluster
chaos-cluster: servers ## Like chaos, on a cluster of three nats-servers whose leaders are killed (40 kills, most of them of a leader)
	$(CARGO) build $(ALL) --bins
	target/debug/chaos --cluster --kills $${NMC_CHAOS_KILLS:-40} --every-ms $${NMC_CHAOS_EVERY_MS:-5000} --seed $${NMC_CHAOS_SEED:-random}

# Options of the drill and of the soak: DRILL="--noticed 10s", SOAK="--duration 5min"
DRILL ?=
SOAK ?=

.PHONY: drill-failover
drill-failover: servers ## Loses PostgreSQL's primary, NATS's leader and Redis under load, and checks that nothing is lost (2 min)
	$(CARGO) build $(ALL) --bins
	target/debug/failover-drill $(DRILL)

.PHONY: soak
soak: servers ## Loads the service for 20 minutes with kills, a rolling restart, an upgrade and a backup (SOAK="--duration 5min")
	$(CARGO) build $(ALL) --bins
	target/debug/soak $(SOAK)

.PHONY: property
property: ## Runs the rules on a million random sequences, different ones each time (NMC_PROPERTY_CASES, NMC_PROPERTY_SEED)
	NMC_PROPERTY_CASES=$${NMC_PROPERTY_CASES:-1000000} NMC_PROPERTY_SEED=$${NMC_PROPERTY_SEED:-random} $(CARGO) test $(ALL) --package nevermisscall --lib property:: -- --nocapture

.PHONY: fuzz
fuzz: ## Generates bad input: libFuzzer on each target of fuzz/, a minute each (NMC_FUZZ_SECONDS, FUZZ="form twiml")
	scripts/fuzz $(FUZZ)

.PHONY: rules
rules: nextest ## Runs the random sequences and the simulated worlds of `make test`, optimised a little
	$(CARGO) nextest run $(ALL) $(OPTIMISED) --package nevermisscall --lib --profile $(NEXTEST_PROFILE) -E 'test(property::) + test(simulation::tests::)'

.PHONY: simulate
simulate: ## Runs the service in a simulated world with a million seeds, optimised (NMC_SIM_SEEDS, NMC_SIM_FIRST); NMC_SIM_SEED=n repeats one
	NMC_SIM_SEEDS=$${NMC_SIM_SEEDS:-1000000} $(CARGO) test --package nevermisscall --lib --profile simulate simulation::tests::guarantees -- --nocapture

.PHONY: test-live
test-live: servers nextest ## Runs the tests against the real Twilio and DispatchBot whose test credentials are set
	@scripts/live-tests > /dev/null
	$(CARGO) build $(ALL) --bins --tests
	$(WITH_SERVERS) --fast -- $(CARGO) nextest run $(ALL) --run-ignored only -E "$$(scripts/live-tests 2> /dev/null)" --no-capture

.PHONY: image
image: ## Makes the container image from a release build, with its list of contents (SBOM); needs a Docker engine
	@scripts/get-tools cyclonedx
	$(RELEASE) --bin nevermisscall
	scripts/image

.PHONY: image-build
image-build: ## Builds the image in a container, as deploy/Dockerfile says, on a base made here (15 min; needs root)
	scripts/image-build

.PHONY: compose-test
compose-test: servers ## Starts compose.yaml on a private Docker engine, walks the journey, takes it down (2 min; needs root)
	$(CARGO) build $(ALL) --bins
	scripts/compose-test

.PHONY: check-kubernetes
check-kubernetes: ## Builds and validates deploy/kubernetes, and tests it and scripts/rollback
	$(CARGO) build $(ALL) --bins
	scripts/check-kubernetes

.PHONY: prometheus-rule
prometheus-rule: ## Regenerates deploy/kubernetes/base/shared/prometheus-rule.yaml after a change of an alert
	scripts/prometheus-rule >deploy/kubernetes/base/shared/prometheus-rule.yaml.new
	mv deploy/kubernetes/base/shared/prometheus-rule.yaml.new deploy/kubernetes/base/shared/prometheus-rule.yaml

.PHONY: ci
ci: ## Runs everything that CI runs
	bash .ci/run

.PHONY: fmt
fmt: ## Formats the source
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

.PHONY: lint
lint: ## Checks formatting, and clippy with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings

.PHONY: sqlx-prepare
sqlx-prepare: ## Regenerates .sqlx/ after a change of a query or a migration
	scripts/sqlx-prepare

.PHONY: openapi
openapi: ## Regenerates openapi/openapi.json
	mkdir -p openapi
	$(CARGO) run $(ALL) --quiet --bin nevermisscall -- openapi >openapi/openapi.json.new
	mv openapi/openapi.json.new openapi/openapi.json

.PHONY: asyncapi
asyncapi: ## Regenerates openapi/asyncapi.yaml after a change of an event
	$(CARGO) run $(ALL) --quiet --bin nevermisscall -- asyncapi >openapi/asyncapi.yaml.new
	mv openapi/asyncapi.yaml.new openapi/asyncapi.yaml

.PHONY: metrics-doc
metrics-doc: ## Regenerates docs/metrics.md
	$(CARGO) run $(ALL) --quiet --bin nevermisscall -- metrics-doc >docs/metrics.md.new
	mv docs/metrics.md.new docs/metrics.md

.PHONY: servers
servers:
	@scripts/get-servers

.PHONY: nextest
nextest:
	@scripts/get-tools nextest
