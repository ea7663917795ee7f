# Everything a newcomer or CI needs. `make run` and `make test` do all their set-up on a machine with Python 3.11 or newer.

VENV   := .venv
PYTHON := $(VENV)/bin/python

.PHONY: help install run demo simulators test check lock clean

help:
	@echo "make install  only .venv with all libraries; the others do it by themselves"
	@echo "make run    start the server on the embedded engines (no key needed) and say where to talk to it"
	@echo "make demo   server + one turn through the client; the reply is saved as a WAV under recordings/"
	@echo "make simulators  server + stand-ins for the cloud's vendors: the cloud paths without a key"
	@echo "make test   all tests"
	@echo "make check  formatting, lint, types, import contracts, fast tests"
	@echo "make lock   requirements*.txt anew from pyproject.toml"

install: $(VENV)/installed

run: $(VENV)/installed
	@exec $(PYTHON) -m server.main

demo: $(VENV)/installed
	@exec bash scripts/demo.sh $(PYTHON)

simulators: $(VENV)/installed
	@exec $(PYTHON) -m tests.simulators

test: $(VENV)/installed-dev
	@exec $(PYTHON) -m pytest -n auto

# Types and contracts beside the tests: they say what they found at the end, one after the other.
check: $(VENV)/installed-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	@said=$$(mktemp) || exit; \
	{ $(VENV)/bin/mypy && $(VENV)/bin/lint-imports; } >"$$said" 2>&1 & \
	$(PYTHON) -m pytest -n auto -m "not slow"; tests=$$?; \
	wait $$!; others=$$?; cat "$$said"; rm -f "$$said"; \
	exit $$((tests | others))

$(VENV)/installed: requirements.txt scripts/venv.sh
	@bash scripts/venv.sh $(VENV) requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@bash scripts/venv.sh $(VENV) requirements-dev.txt
	@touch $@

# Universal: exact versions and the hashes of all platforms, with markers; no address of any index.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

lock: $(VENV)/installed-dev
	$(LOCK) -o requirements.txt pyproject.toml
	$(LOCK) --group dev --constraint requirements.txt -o requirements-dev.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
