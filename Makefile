# Everything runs in .venv, which is made when it is missing or when what it holds has changed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test docs lint format packages clean

demo: .venv/installed  ## a whole trial on the built-in corpus, some minutes on two cores
	$(BIN)/toktrial run demo

# Files in their order: by default those with few tests, some of which take longest, would come last and leave a core idle.
test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

docs: .venv/installed-docs  ## the documentation as a site, in build/site
	$(BIN)/python docs/build_site.py

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# From the wheel, into an environment of its own and outside this folder, where nothing of the source can be found.
packages: .venv/installed-dev  ## sdist and wheel in dist/, and a small trial from the wheel
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(PYTHON) -m venv dist/try/venv
	dist/try/venv/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	cd dist/try && venv/bin/toktrial run demo --quiet --seeds 1 --corpus.max-megabytes 1 --training.steps 20

clean:
	rm -rf .venv dist build trials/demo

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "toktrial needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@ .venv/installed

.venv/installed-docs: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@ .venv/installed
