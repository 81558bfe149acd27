# Two commands: `make study` runs the main job, `make test` runs the tests. Each makes what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: study installed test test-all test-browser test-wheel campaign-signals campaign-flipped-bits campaign-papers-network campaign-coverage campaign-preparation campaign-drawn-digits soak check format bench bench-own bench-gpu bench-large-store mutations clean

study: $(VENV)/.installed
	$(BIN)/twofold study

# Each of the two has one half of the tests, and then half of what the other has left: so a file's tests share what they
# prepare, and both end together.
SIDE_BY_SIDE := -n 2 --dist worksteal

test: $(VENV)/.installed-test
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-all: $(VENV)/.installed-test
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not browser and not wheel"

test-wheel: $(VENV)/.installed-wheel
	$(BIN)/pytest -m wheel tests/packaging

test-browser: $(VENV)/.installed-browser
	$(BIN)/pytest -m browser tests/browser

# Stops commands by signals at random moments, and counts how they end.
campaign-signals: $(VENV)/.installed-test
	$(BIN)/python -m tests.campaigns.signals

campaign-flipped-bits: $(VENV)/.installed-test
	$(BIN)/python -m tests.campaigns.flipped_bits

# The paper's network as a user writes it in PyTorch and in Equinox, beside the one that is built in: forty rounds of the full MNIST.
campaign-papers-network: $(VENV)/.installed-test
	$(BIN)/python -m tests.campaigns.papers_network

# How often intervals hold and tests err, by simulation: writes docs/coverage.md.
campaign-coverage: $(VENV)/.installed-test
	$(BIN)/python -m tests.campaigns.coverage --out docs/coverage.md

# Digits that were changed, and printed ones: how many keep their class when they are prepared. It needs the full MNIST.
campaign-preparation: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.preparation

# Digits that are drawn on the demo's page in a browser: how many are read right.
campaign-drawn-digits: $(VENV)/.installed-browser
	$(BIN)/twofold study --rounds 2 --epochs 15 --keep-models best --store drawn_digits.db
	$(BIN)/twofold demo --store drawn_digits.db --out drawn_digits.html
	$(BIN)/python -m benchmarks.drawn_digits drawn_digits.html --drawings 50

# Runs that are killed, stopped and cut off at any moment, and stores that ten processes share.
soak: $(VENV)/.installed-test
	$(BIN)/python -m tests.campaigns.soak

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/throughput.py

# Networks of one's own beside PyTorch.
bench-own: $(VENV)/.installed-test
	$(BIN)/python benchmarks/own_networks.py

# What it takes to read a store of a million trials.
bench-large-store: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.large_store

# Everything that is to be known of a GPU, in eight minutes at most (docs/gpu.md).
bench-gpu: $(VENV)/.installed-test
	$(BIN)/python benchmarks/gpu.py

# Ten thousand wrong files for each reader of files that may come from anybody.
mutations: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.mutations

clean:
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/.installed-wheel: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[test,wheel]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/.installed-browser: pyproject.toml | $(BIN)/python $(VENV)/.chromium
	$(BIN)/pip install --quiet --editable '.[test,browser]'
	touch $@

# The browser is Debian's, where there is none yet and we may install it; elsewhere these tests skip and say why.
$(VENV)/.chromium: | $(BIN)/python
	command -v chromium || { [ "$$(id -u)" = 0 ] && command -v apt-get \
		&& apt-get update -qq && apt-get install -qq -y chromium; } || true
	touch $@

# All of these by one call, which takes the time of one, for whoever makes several targets: they may be made side by side then.
installed: $(VENV)/.installed-all

$(VENV)/.installed-all: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[test,wheel,dev,browser]'
	touch $(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-wheel $(VENV)/.installed-dev $(VENV)/.installed-browser $@
