# `make` prints what there is. Each target is one line that calls a tool; the tools have --help.
unexport PYTHONDONTWRITEBYTECODE
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
RERUNS ?=
PYTEST := $(BIN)/python -m pytest -q $(if $(RERUNS),--reruns "$(RERUNS)")
# One of several machines: SPLITS of them, this is GROUP.
SPLITS ?=
SPLIT = $(if $(SPLITS),--splits "$(SPLITS)" --group "$(GROUP)" --splitting-algorithm least_duration --durations-path tests/durations.json)
S ?= bad-release
RUNS ?= 1
RUNTIME ?= embedded
PORT ?=
REASON ?= make
TO ?=
export REASON TO
# The store on containers is an environment of its own: both can run side by side.
ENVIRONMENT ?= $(if $(filter compose,$(RUNTIME)),containers,local)
ENV = --env "$(ENVIRONMENT)"
APPROVED_BY ?=
UNTIL ?=
B ?=
QUICK ?=
# What the stages after the build are about: the release that DIGEST names, else this tree's. Named but empty is an error: it is not what was built.
THE_DIGEST = "$(if $(filter undefined,$(origin DIGEST)),$$($(BIN)/release build --runtime "$(RUNTIME)"),$$DIGEST)"
LAST_RELEASE = "$$($(BIN)/release build --runtime "$(RUNTIME)" --commit "$$(cat api/contract/released.commit)")"
MEMBERS := $(wildcard api/pyproject.toml pipeline/pyproject.toml drills/pyproject.toml)
# Node is the wheel's, whatever else is installed. A fork without web/ has nothing to do there.
HAS_WEB := $(wildcard web/package-lock.json)
NPM := { [ -w "$$HOME" ] || export npm_config_cache="$(CURDIR)/var/npm"; } && PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web --loglevel error

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev web-check web-lint web-types web-unit drill drills bench report figures up down ship rollback status pipeline lint types contract-check integration schema browser security rehearsal stale-flags durations build digest publish handover receive attested sign-keyless advisories scan all-green protect verify staging approval approvals production test unit web long check contract format locks cosign screenshot test-containers image base-images generated observe backfill

help: ## this page
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

##@ Drills
drill: setup ## ship a bad release under traffic, watch it come back [S=scenario or path] [RUNS=n] [RUNTIME=compose]
	@SLIPWAY_SETUP_S="$$(cat .venv/setup_s 2>/dev/null || echo 0; rm -f .venv/setup_s)" $(BIN)/drill run "$(S)" --runs "$(RUNS)" --runtime "$(RUNTIME)"

drills: setup ## every scenario, the long ones too [RUNTIME=compose]
	@$(BIN)/drill run --all --runtime "$(RUNTIME)"

report: setup ## print the newest report [MARKDOWN=1]
	@$(BIN)/drill report $(if $(MARKDOWN),--markdown)

bench: setup ## what measures the program; without B: a list [B=flags|all] [QUICK=1]
	@$(BIN)/python -m bench $(B) $(if $(QUICK),--quick)

figures: setup ## write the newest report's figures into README.md
	@$(BIN)/drill report --into README.md

##@ The store on this machine
up: setup ## run the store [PORT=8080] [RUNTIME=compose: on containers]
	@$(BIN)/release up $(ENV) $(if $(PORT),--port "$(PORT)") --runtime "$(RUNTIME)"

ship: setup ## build this tree and roll it out to demo traffic [REASON=text]
	@$(BIN)/drill traffic $(ENV) -- $(BIN)/release deploy $(ENV) --reason "$$REASON"

observe: setup ## Prometheus, Alertmanager, Grafana and traces beside it [RUNTIME=compose]
	@$(BIN)/release observe $(ENV)

rollback: setup ## everyone back to the last good release, at once [REASON=text] [TO=sha256:...]
	@$(BIN)/release rollback $(ENV) $${TO:+--to "$$TO"} --reason "$$REASON"

status: setup ## what runs where
	@$(BIN)/release status $(ENV)

down: setup ## stop the store; its data stays [PURGE=1: not even that]
	@$(BIN)/release down $(ENV) $(if $(PURGE),--purge)

backfill: setup ## fill in what an expand step brought, beside users; it may be ended and goes on [DRY=1: only count]
	@$(BIN)/release backfill $(ENV) $(if $(DRY),--dry-run)

##@ From a commit to its users
pipeline: setup-dev ## all stages that GitHub runs, in the same order [APPROVED_BY=name: to production] [UNTIL=stage] [RUNTIME=compose]
	@APPROVED_BY="$(APPROVED_BY)" $(BIN)/release pipeline --runtime "$(RUNTIME)" $(if $(UNTIL),--until "$(UNTIL)")

lint: setup-dev $(HAS_WEB:web/package-lock.json=web-lint) ## style, format, levels of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: setup-dev $(HAS_WEB:web/package-lock.json=web-types) ## static types
	@$(BIN)/mypy api/app api/contract pipeline/release drills/drill bench db/tests/lint.py requirements/setup.py

contract-check: setup-dev ## the API's document: is it the code's, does it break clients of the last release, does the API keep it
	@cd api && ../$(BIN)/python -m contract check
	@$(PYTEST) -m contract

integration: setup-dev ## the store on real PostgreSQL
	@$(PYTEST) -m "(real or thorough) and not (long or contract or browser or rehearsal or matrix)" -n 2 --dist loadfile

schema: setup-dev ## migrations: what is risky in their SQL; then each build on each state of the schema
	@$(BIN)/python db/tests/lint.py
	@$(PYTEST) -m matrix -n 2

browser: setup-dev ## the store in a real browser
	@$(PYTEST) -m "browser and not long" -n 2 --dist loadfile

security: setup-dev ## workflows and actions, Dependabot's file, secrets in the tree
	@$(BIN)/zizmor --offline --quiet --persona pedantic .github && $(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml && $(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@git ls-files -z | xargs -0 -P 2 -n 120 $(BIN)/detect-secrets-hook --exclude-files '(\.lock|package-lock\.json|\.patch)$$'

rehearsal: setup-dev ## engine, runtimes, whole commands and drills on real parts [SPLITS=3 GROUP=1: a third of it]
	@$(PYTEST) -m "rehearsal and not (alone or long)" -n 2 --dist loadfile $(SPLIT)
	@$(PYTEST) -m "rehearsal and alone and not long" $(SPLIT)

stale-flags: setup-dev ## flags of this tree whose day is over
	@cd api && ../$(BIN)/python -m app.flags.stale

durations: setup-dev ## measure how long tests take, so that SPLITS are even; alone on a quiet machine
	@$(PYTEST) -m "(real or thorough) and not (long or alone)" -n 2 --dist loadfile --store-durations --durations-path tests/durations.json

build: setup ## this tree's release, signed, with SBOM and provenance; its digest [RUNTIME=compose: an image]
	@$(BIN)/release build --runtime "$(RUNTIME)"

verify: setup ## all that is attested about it, for exactly its digest [DIGEST=sha256:...]
	@$(BIN)/release verify $(THE_DIGEST) $(ENV) --runtime "$(RUNTIME)"

staging: export SLIPWAY_POLICY := $(CURDIR)/pipeline/staging.yaml
staging: setup ## verify, migrate, deploy and smoke in the environment staging, with demo traffic [DIGEST=sha256:...]
	@$(BIN)/release up --env staging --port 0 --runtime "$(RUNTIME)" --first $(LAST_RELEASE)
	@$(BIN)/drill traffic --env staging -- $(BIN)/release deploy $(THE_DIGEST) --env staging --reason "$$REASON"

approval: setup ## has a person said yes to production? [APPROVED_BY=name]
	@APPROVED_BY="$(APPROVED_BY)" $(BIN)/release approval

approvals: setup ## have two people approved what it takes for good, and a changed policy? [DIGEST=sha256:...]
	@$(BIN)/release approvals --for $(THE_DIGEST) --env production --runtime "$(RUNTIME)" && $(BIN)/release approvals --for policy --env production

production: setup ## the same digest as canary from 1 to 100 % [DIGEST=sha256:...] [USERS=1: they send the traffic, not we]
	@$(BIN)/release up --env production --port 0 --runtime "$(RUNTIME)" --first $(LAST_RELEASE)
	@$(if $(USERS),,$(BIN)/drill traffic --env production --) $(BIN)/release deploy $(THE_DIGEST) --env production --reason "$$REASON"

digest: setup ## the line that names it to the jobs after it
	@digest="$$($(BIN)/release build --runtime "$(RUNTIME)")" && echo "digest=$$digest"

publish: setup ## the image, and what is attested about it, to SLIPWAY_REGISTRY [DIGEST=sha256:...]
	@$(BIN)/release publish $(THE_DIGEST) $(ENV) --runtime "$(RUNTIME)"

handover: setup ## what another machine needs to verify and run it, into var/handover [DIGEST=sha256:...]
	@$(BIN)/release handover $(THE_DIGEST) var/handover --runtime "$(RUNTIME)"

receive: setup ## take var/handover over, and trust its key: `make attested` says whose that is
	@$(BIN)/release receive var/handover

attested: ## did this repository's release workflow make var/handover? (needs gh, and GitHub) [DIGEST=sha256:...]
	@echo "$${DIGEST#sha256:}  var/handover/manifest.json" | sha256sum --check --quiet
	@for file in manifest.json release.pub; do gh attestation verify "var/handover/$$file" --repo "$$GITHUB_REPOSITORY" --signer-workflow "$$GITHUB_REPOSITORY/.github/workflows/release.yml" || exit 1; done

sign-keyless: ## a signature by the workflow's own identity beside ours (needs cosign, and GitHub)
	@cosign sign-blob --yes --bundle var/handover/manifest.sigstore.json var/handover/manifest.json

advisories: setup ## fetch what is known of vulnerable packages
	@$(BIN)/release advisories

scan: setup ## known vulnerabilities and unwanted licences of the release, by its SBOM [DIGEST=sha256:...]
	@$(BIN)/release scan $(THE_DIGEST)

all-green: ## is each word of RESULTS success?
	@test -n "$(RESULTS)" && test -z "$(filter-out success,$(RESULTS))" || { echo "not all are green: $(RESULTS)"; exit 1; }

protect: setup ## print what GitHub would be told: branch, environments, security [REVIEWERS="ada grace"] [APPLY=1: tell it, with gh]
	@$(BIN)/release protect $(REVIEWERS:%=--reviewer "%") $(if $(APPLY),--apply)

##@ Work on it
setup: .venv/$(if $(filter compose,$(RUNTIME)),containers,tools).stamp ## what all other targets need, into .venv (they call it themselves)

setup-dev: .venv/dev.stamp

test: unit $(HAS_WEB:web/package-lock.json=web-unit) ## unit tests first, then those on real PostgreSQL, Envoy and traffic
	@$(PYTEST) -m "(real or thorough) and not (alone or long)" -n 2 --dist loadfile
	@$(PYTEST) -m "alone and not long"

unit: setup-dev ## the first gate: seconds
	@$(PYTEST) -m "not real and not thorough and not long and not cosign and not containers" -n 2

long: setup-dev ## tests that take minutes: thousands of imagined rollouts; each workflow of GitHub's, run here
	@$(PYTEST) -m "long and not alone" -n 2
	@$(PYTEST) -m "long and alone"

web: setup-dev web-check web-unit ## the SPA alone: lint, types, unit tests, build into web/dist
	@$(NPM) run build

web-check: web-lint web-types

web-lint: web/node_modules/.stamp
	@$(NPM) run lint && $(BIN)/node web/node_modules/oxlint/bin/oxlint -c web/.oxlintrc.json --deny-warnings drills/drill/pages/js

web-types: web/node_modules/.stamp
	@$(NPM) run typecheck

web-unit: web/node_modules/.stamp
	@$(NPM) test

check: lint types ## lint, format, types, levels of imports

test-containers: setup-dev ## the images and docker-compose.yml, on a Docker engine
	@$(PYTEST) -m containers

image: .venv/containers.stamp ## this tree as a signed image; the digest that it prints is the same everywhere (needs Docker)
	@$(BIN)/release build --runtime compose

base-images: .venv/containers.stamp ## name public images by the digests that their tags mean today (needs Docker)
	@$(BIN)/release base-images

generated: setup-dev ## renew what is written from policy.yaml: containers/edge, rules and dashboards below containers/observability
	@$(BIN)/python -m release.compose && $(BIN)/python -m release.observability

screenshot: setup-dev web/node_modules/.stamp ## renew the pictures in README
	@SLIPWAY_PICTURES="$(CURDIR)/docs" $(PYTEST) tests/browser/test_store.py -k picture

cosign: setup-dev ## cosign accepts what we sign and refuses what we refuse (needs cosign)
	@$(PYTEST) -m cosign

contract: setup-dev ## renew api/openapi.json from the code, and compare it with the last release's
	@cd api && ../$(BIN)/python -m contract write && cp openapi.json ../web/ && ../$(BIN)/python -m contract check

format: setup-dev
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

locks: setup-dev ## renew requirements/*.lock from the *.in files
	@$(BIN)/python requirements/locks.py

.venv/tools.stamp: requirements/bootstrap.lock requirements/tools.lock requirements/setup.py $(MEMBERS)
	@$(PYTHON) requirements/setup.py tools

.venv/containers.stamp: requirements/bootstrap.lock requirements/containers.lock requirements/setup.py $(MEMBERS)
	@$(PYTHON) requirements/setup.py containers

.venv/dev.stamp: requirements/bootstrap.lock requirements/dev.lock requirements/setup.py $(MEMBERS)
	@$(PYTHON) requirements/setup.py dev

web/node_modules/.stamp: web/package-lock.json | .venv/dev.stamp
	@$(NPM) ci --include=dev && touch $@
