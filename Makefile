PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: build test lint lock clean

build: $(INSTALLED)
	$(BIN)/dbt build
	$(BIN)/python scripts/show_report.py

test: $(INSTALLED) $(CLIENTS)
	$(BIN)/pytest

# --no-build-isolation: the editable install uses the locked setuptools, so nothing unlocked is fetched.
$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

lock:
	uv pip compile pyproject.toml --all-extras --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --output-file requirements.txt

clean:
	rm -rf $(VENV) target logs database
