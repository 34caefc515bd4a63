# `make` prints what there is. Each target is one line that calls a tool; the tools have --help.
unexport PYTHONDONTWRITEBYTECODE
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
S ?= bad-release
RUNS ?= 1
RUNTIME ?= embedded
PORT ?= 8080
MEMBERS := $(wildcard api/pyproject.toml pipeline/pyproject.toml drills/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev

help: ## this page
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: .venv/tools.stamp ## what all other targets need, into .venv (they call it themselves)

setup-dev: .venv/dev.stamp

.venv/tools.stamp: requirements/bootstrap.lock requirements/tools.lock requirements/setup.py $(MEMBERS)
	@$(PYTHON) requirements/setup.py tools

.venv/dev.stamp: requirements/bootstrap.lock requirements/dev.lock requirements/setup.py $(MEMBERS)
	@$(PYTHON) requirements/setup.py dev
