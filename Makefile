# Everything a newcomer or CI needs. `make run` and `make test` do all their set-up on a machine with Python 3.11 or newer.

VENV   := .venv
PYTHON := $(VENV)/bin/python

.PHONY: help install run demo simulators test check bench hostile fuzz autobahn node configuration lock lock-node clean

help:
	@echo "make install  only .venv with all libraries; the others do it by themselves"
	@echo "make run    start the server on the embedded engines (no key needed) and say where to talk to it"
	@echo "make demo   server + one turn through the client; the reply is saved as a WAV under recordings/"
	@echo "make simulators  server + stand-ins for the cloud's vendors: the cloud paths without a key"
	@echo "make test   all tests"
	@echo "make check  formatting, lint, types, import contracts, fast tests"
	@echo "make bench  speed: seven benches and Pipecat beside, over an hour (BENCH=\"capacity connect\" for these alone, BENCH=--quick)"
	@echo "make hostile  a healthy user beside strangers who attack: what both notice, as a table (bench/RESULTS.md)"
	@echo "make fuzz   inputs that nobody thought of, for FUZZ_MINUTES=8, and how many of them there were"
	@echo "make autobahn  Autobahn's suite against the listener (PYTHON27=... with its wstest installed)"
	@echo "make node   what the tests of /asyncapi.json read it with (needs Node.js 18 and npm)"
	@echo "make configuration  the tables of docs/configuration*.md anew from server/config.py and scripts/configuration.yaml"
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

# What there is, and one command each: bench/__main__.py
bench: $(VENV)/installed-dev
	@exec $(PYTHON) -m bench $(BENCH)

# HOSTILE="--crowd 0.5 --each" and others: python -m bench.hostile --help
hostile: $(VENV)/installed
	@exec $(PYTHON) -m bench.hostile $(HOSTILE)

# Atheris has wheels for Linux and some Pythons; where it has none, Hypothesis alone draws the inputs.
FUZZ_MINUTES := 8

fuzz: $(VENV)/fuzz/installed
	@PYTHONPATH=$(VENV)/fuzz exec $(PYTHON) -m tests.fuzz --minutes $(FUZZ_MINUTES)

autobahn: $(VENV)/installed-dev
	@exec $(PYTHON) -m tests.fuzz.autobahn

$(VENV)/fuzz/installed: requirements-fuzz.txt $(VENV)/installed-dev
	@mkdir -p $(@D)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		--upgrade --target $(@D) --requirement $< || echo "no Atheris here: Hypothesis alone" >&2
	@touch $@

$(VENV)/installed: requirements.txt scripts/venv.sh
	@bash scripts/venv.sh $(VENV) requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@bash scripts/venv.sh $(VENV) requirements-dev.txt
	@touch $@

# Beside the Python of the tests: nothing of it is needed to run the server, nor looked for in the source tree.
node: $(VENV)/node/installed

$(VENV)/node/installed: tests/node/package-lock.json
	@echo "installing $< ..." >&2
	@mkdir -p $(@D) && cp tests/node/package.json tests/node/package-lock.json $(@D)
	@cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

configuration: $(VENV)/installed
	@exec $(PYTHON) -m scripts.configuration_document

# Universal: exact versions and the hashes of all platforms, with markers; no address of any index.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

lock: $(VENV)/installed-dev
	$(LOCK) -o requirements.txt pyproject.toml
	$(LOCK) --group dev --constraint requirements.txt -o requirements-dev.txt
	$(LOCK) --group fuzz -o requirements-fuzz.txt
	for wanted in tests/foreign/*.in; do $(LOCK) -o $${wanted%.in}.txt $$wanted || exit; done

# The same for Node.js: no address of a package, nor of whom to pay for it.
lock-node: $(VENV)/installed
	cd tests/node && npm install --package-lock-only --ignore-scripts --no-audit --omit-lockfile-registry-resolved
	$(PYTHON) -c "import json, pathlib; lock = pathlib.Path('tests/node/package-lock.json'); \
	said = json.loads(lock.read_text('utf-8')); \
	[package.pop(name, None) for package in said['packages'].values() for name in ('funding', 'deprecated')]; \
	lock.write_text(json.dumps(said, indent=1) + chr(10), 'utf-8')"

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
