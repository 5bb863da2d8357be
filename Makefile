# make demo   install, run the whole pipeline on real digits, print the results
# make demo-detection   install, detection on generated scenes: data and model change told apart
# make test   install, run the tests                    make check   format, lint, types, tests
# make ui     MLflow in the browser                     make server  a Prefect server that serves the flows (make deploy: for workers)
# make docs   the documentation, as a site in site/       make label-studio   Label Studio, for the tests that need it
# make bench  the figures of benchmarks/README.md       make bench-selection  of the strategies only
# make fuzz   32,000 damaged images, tables, params and sources: each is accepted or refused

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := .venv-docs
STUDIO := .venv-label-studio
TESTS := pytest -q -n 2 --dist loadfile --no-loadscope-reorder # by file: servers and projects are started once
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PREFECT_SERVER_ANALYTICS_ENABLED ?= false
export DO_NOT_TRACK ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo demo-detection test check format docs ui server deploy label-studio bench bench-selection fuzz lock clean

help:
	@sed -n 's/^# //p' Makefile | head -7

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

demo: install
	@python flows/pipeline.py && python flows/tour.py

demo-detection: install
	@python flows/tour.py detection --seeds 2 --steps 1

test: install
	@$(TESTS)

check: install
	@ruff format --check . && ruff check . && mypy && $(TESTS)

format: install
	@ruff format . && ruff check --fix .

$(SITE)/.installed: docs/requirements.txt # a separate environment: not needed to run assay
	test -x $(SITE)/bin/python || $(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.txt
	touch $@

$(STUDIO)/.installed: tests/annotators/label-studio.txt # likewise: 1 GB, for the tests with a real server
	test -x $(STUDIO)/bin/python || $(PYTHON) -m venv $(STUDIO)
	$(STUDIO)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/annotators/label-studio.txt
	touch $@

label-studio: $(STUDIO)/.installed

docs: install $(SITE)/.installed # without --quiet, with which a warning is not an error
	@python -m docs.generate
	@NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --clean

ui: install
	@assay ui --port $${PORT:-5000}

server: install
	@python flows/serve.py --with-server --port $${PORT:-4200}

deploy: install # for workers: see prefect.yaml
	@PROJECT=$${PROJECT:-$(notdir $(CURDIR))} prefect --no-prompt deploy --all

bench: install
	@python -m benchmarks

bench-selection: install # with peers, if installed: pip install -e .[bench]
	@python -m benchmarks selection

fuzz: install # the same inputs each time; SEED=1 for others
	@python -m benchmarks.fuzz --seed $${SEED:-0}

lock: # needs uv; universal, so that one file serves Linux, macOS and CUDA
	uv pip compile --universal --python-version 3.11 pyproject.toml --extra lite0 --extra dev \
	  --no-strip-extras --generate-hashes --no-header --no-annotate -o requirements.lock
	@# pip wants `name` pinned beside `name[extra]`, each by itself
	awk '/^[^ ]+\[/ {open = 1; plain = ""} {print} open {line = $$0; sub(/\[[^]]*\]/, "", line); \
	  plain = plain line "\n"; if (line !~ /\\$$/) {printf "%s", plain; open = 0}}' \
	  requirements.lock > requirements.lock.tmp && mv requirements.lock.tmp requirements.lock

	uv pip compile --universal --python-version 3.11 docs/requirements.in \
	  --generate-hashes --no-header --no-annotate -o docs/requirements.txt

clean:
	rm -rf .assay outputs data/code data/pool data/embedder.json data/embeddings data/snapshot data/audit data/selection
