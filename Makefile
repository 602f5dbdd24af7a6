# Everything a fresh machine needs is set up by the targets themselves.
#   make demo    apply the examples on the embedded local agent, run one, show states and a log
#   make test    the whole test suite (four workers, whatever the cores: half of a test is waiting)
#   make lint    ruff, mypy --strict, import-linter
#   make soak    the long fault tests, an hour at the most
#   make bench   figures beside peers          make docs    the generated references and pictures

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test soak lint bench docs clean

$(VENV)/.user: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Xene needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.user
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.user
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

test: $(VENV)/.dev
	@sh scripts/install-sshd.sh
	@sh scripts/install-podman.sh
	@sh scripts/install-cron.sh
	@sh scripts/install-tmux.sh
	@sh scripts/install-chromium.sh
	$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder

soak: $(VENV)/.dev
	@sh scripts/install-sshd.sh
	@sh scripts/install-podman.sh
	@sh scripts/install-cron.sh
	@sh scripts/install-tmux.sh
	@sh scripts/install-chromium.sh
	timeout 3600 $(BIN)/python -m pytest -q -m soak

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	@sh scripts/install-peers.sh
	$(BIN)/python -m bench

docs: $(VENV)/.dev
	$(BIN)/python scripts/generate_docs.py

clean:
	rm -rf $(VENV) build dist .bench
