# `make help` lists the targets. The first call creates the environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SWEEP ?= grid
# The network of the page for the browser; empty is the default network
NETWORK ?=
NODE_MODULES := scripts/browser/node_modules
# How many runs of the grid are trained at once
JOBS ?= 1
# The package index for PyTorch, such as https://download.pytorch.org/whl/cpu; empty is the default of pip
TORCH_INDEX ?=
# Arguments of the command, such as: make train ARGS="model=srcnn_9315 blur=motion"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help train test test-slow test-all test-demo test-browser bench-gpu grid report pretrained gate estimator browser tensorboard \
	lint docs dist clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "deblur needs Python 3.11 or newer: make train PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
ifneq ($(TORCH_INDEX),)
	$(BIN)/python -m pip install --quiet --index-url $(TORCH_INDEX) $(shell grep '^torch==' requirements.lock)
endif
	PIP_CONSTRAINT=requirements.lock $(BIN)/python -m pip install --quiet --editable '.[dev,demo]'
	@touch $@

train: $(INSTALLED) ## train one network on drawn faces
	@$(BIN)/python -m deblur.train $(ARGS)

test: $(INSTALLED) ## run the fast tests
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 $(ARGS)

test-slow: $(INSTALLED) ## run the slow tests: real processes, real faces
	@$(BIN)/python -m pytest -m "slow and not exhaustive" -n auto --maxprocesses 4 $(ARGS)

test-all: $(INSTALLED) ## run all tests
	@$(BIN)/python -m pytest -m "slow or not slow" $(ARGS)

test-demo: $(INSTALLED) ## install playwright and run the tests of the web page, in Chromium if there is one
	PIP_CONSTRAINT=requirements.lock $(BIN)/python -m pip install --quiet playwright
	@$(BIN)/python -m pytest -m "slow or not slow" tests/demo $(ARGS)

test-browser: $(INSTALLED) $(NODE_MODULES) ## install playwright and run the tests of the static page, in Chromium if there is one
	PIP_CONSTRAINT=requirements.lock $(BIN)/python -m pip install --quiet playwright
	@$(BIN)/python -m pytest -m "slow or not slow" tests/browser $(ARGS)

bench-gpu: $(INSTALLED) ## on a machine with a CUDA GPU: run the tests that need one, then measure it
	@$(BIN)/python -m pytest -m gpu
	@$(BIN)/python -m benchmarks.gpu $(ARGS)

grid: GRID_LAUNCHER := $(if $(filter-out 1,$(JOBS)),hydra/launcher=joblib hydra.launcher.n_jobs=$(JOBS))
grid: $(INSTALLED) ## train 3 networks x 3 blurs x 2 learning rates; two at a time: make grid JOBS=2
	@$(BIN)/python -m deblur.train experiment=grid sweep=$(SWEEP) $(GRID_LAUNCHER) $(ARGS)

report: $(INSTALLED) ## write the report of a sweep: make report SWEEP=grid
	@$(BIN)/python -m deblur.report $(SWEEP) $(ARGS)

pretrained: $(INSTALLED) ## train the pretrained networks again: make pretrained IMAGES="FACES CBSD68" also measures them there
	@$(BIN)/python -m scripts.pretrained $(IMAGES)

gate: $(INSTALLED) ## train and calibrate the gate of the pretrained networks again
	@$(BIN)/python -m scripts.gate

estimator: $(INSTALLED) ## train the network that estimates the blur of an image again
	@$(BIN)/python -m scripts.estimator

browser: $(INSTALLED) $(NODE_MODULES) ## write a static page that restores photos in the browser (needs npm): make browser NETWORK=motion
	@$(BIN)/python -m scripts.browser $(NETWORK) $(ARGS)

$(NODE_MODULES): scripts/browser/package-lock.json
	@command -v npm > /dev/null || { echo "the page needs npm (Node.js 20 or newer): https://nodejs.org"; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund --prefix scripts/browser
	@touch $@

tensorboard: $(INSTALLED) ## browse the runs in outputs
	@$(BIN)/tensorboard --logdir outputs

lint: $(INSTALLED) ## check format, style, types and spelling
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/codespell

docs: $(INSTALLED) ## build the documentation site into outputs/docs
	PIP_CONSTRAINT=requirements.lock $(BIN)/python -m pip install --quiet --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet $(ARGS)
	@echo "The site is outputs/docs/index.html; its search needs a server: python -m http.server --directory outputs/docs"

dist: $(INSTALLED) ## build wheel and sdist into dist, and check them as an index would
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation
	@$(BIN)/python -m twine check --strict dist/*

clean: ## remove caches and build products; outputs and the environment stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
