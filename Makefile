# From a clone to the chat page: `make chat`. Every test: `make test`.

PYTHON ?= python3
PORT ?= 7860
RUN := .venv/bin
# the tests' models; their index lives in temporary folders
TEST_HOME := .home

.PHONY: chat test lint bench lock chromium clean

chat: .venv/installed
	@$(RUN)/askmynotes models install
	@$(RUN)/askmynotes ingest --if-empty
	@$(RUN)/askmynotes serve --port $(PORT)

test: .venv/installed-dev chromium
	@$(RUN)/askmynotes models install --home $(TEST_HOME)
	$(RUN)/python -m pytest

lint: .venv/installed-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

bench: .venv/installed-dev
	@$(RUN)/askmynotes models install --home $(TEST_HOME)
	$(RUN)/python -m tests.benchmarks

# pin what is installed now; torch without the name of its build, so that each platform takes its own
lock: .venv/installed-dev
	@sed -n 1p constraints.txt > constraints.new
	@$(RUN)/pip freeze --exclude-editable | sed 's/+cpu$$//' >> constraints.new
	@mv constraints.new constraints.txt

# the browser tests drive Debian's Chromium; without it they are skipped, and pytest's summary says so
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else \
	  echo "No Chromium here: the browser tests are left out (sudo apt-get install chromium mends it)."; \
	fi

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(RUN)/pip install --disable-pip-version-check --constraint constraints.txt --editable '.[finetune]'
	@touch $@

.venv/installed-dev: .venv/installed
	$(RUN)/pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv $(TEST_HOME)
