PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CLUSTER := $(VENV)/.cluster
# Old DuckDB clients, which BI tools still have: the published file must open in them.
CLIENTS := $(VENV)/clients/duckdb-1.0.0 $(VENV)/clients/duckdb-1.4.5

# Superset has packages that ours do not go along with, so it has a virtual environment of its own.
SUPERSET := .venv-superset
PROGRAM ?= demo
PORT ?= 8088

.PHONY: build test test-all test-bi test-cluster lint docs superset cluster bench mutate differential demo-data lock clean

build: $(INSTALLED)
	$(BIN)/mm build demo
	$(BIN)/python scripts/show_report.py demo

# One process per core, each with the tests of some files.
test: $(INSTALLED) $(CLIENTS) lint
	$(BIN)/pytest --numprocesses auto --dist loadfile

# Everything there is.
test-all: test test-cluster test-bi

# The same on Spark, which needs Java: without it they say so.
test-cluster: $(INSTALLED) $(CLUSTER)
	$(BIN)/pytest tests/cluster

# Superset itself, its dashboards in a browser, and a build while it runs: some minutes, and some 900 MB the first time.
test-bi: $(INSTALLED) $(SUPERSET)/.installed
	$(BIN)/pytest tests/bi

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar models tests macros analyses scripts/mm/build/combined scripts/mm/report/sql

# Dashboards on a published file, on this machine alone, until Ctrl-C: `make superset PROGRAM=buslead PORT=8089`.
superset: $(SUPERSET)/.installed
	@$(SUPERSET)/bin/python bi/superset/serve.py $(PROGRAM) --port $(PORT)

# What `mm build PROGRAM --on cluster` needs beside the rest: some 900 MB.
cluster: $(CLUSTER)

# More random damaged folders on both engines than the tests have, compared table by table: half an hour.
FOLDERS ?= 1-20
differential: $(INSTALLED) $(CLUSTER)
	$(BIN)/pytest tests/cluster/test_random_folders.py --folders $(FOLDERS)

# Some gigabytes and many minutes: ours against hand-written floors, as a table and as out/bench.json.
bench: $(INSTALLED)
	$(BIN)/python tools/bench.py

# Break the SQL in one place at a time, and print what dbt's own tests do not notice: half an hour and more.
mutate: $(INSTALLED)
	$(BIN)/python tools/mutate.py

# One page of every table and column, of the demo; it can be opened from the disk.
docs: build
	$(BIN)/dbt docs generate --static
	@echo "The documentation is target/static_index.html"

# --no-build-isolation: the editable install uses the locked setuptools, so nothing unlocked is fetched.
$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Two of its packages are built here, by the locked setuptools: it comes first, so that nothing unlocked is fetched.
$(SUPERSET)/.installed: bi/superset/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Superset 6.1 needs Python 3.11 or 3.12, such as by PYTHON=python3.12" \
	  if sys.version_info >= (3, 13) else 0)'
	$(PYTHON) -m venv $(SUPERSET)
	sed -n '/^setuptools==/,/# via/p' $< > $(SUPERSET)/setuptools.txt
	$(SUPERSET)/bin/pip install --quiet --require-hashes --requirement $(SUPERSET)/setuptools.txt
	$(SUPERSET)/bin/pip install --quiet --require-hashes --no-build-isolation --requirement $<
	touch $@

$(CLUSTER): requirements-cluster.txt $(INSTALLED)
	$(BIN)/pip install --quiet --require-hashes --no-build-isolation --requirement requirements-cluster.txt
	touch $@

# The oldest client has no wheel for the newest Pythons; its test says so then.
$(VENV)/clients/%: tests/clients/%.txt $(INSTALLED)
	-$(BIN)/pip install --quiet --no-deps --only-binary :all: --require-hashes --requirement $< --target $@
	mkdir -p $@
	touch $@

# The invented downloads under data/demo/, the same bytes every time.
demo-data: $(INSTALLED)
	rm -rf data/demo
	$(BIN)/python tools/generate_reports.py data/demo --learners 400

COMPILE := uv pip compile --universal --no-strip-extras --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links
lock:
	$(COMPILE) pyproject.toml --extra dev --output-file requirements.txt
	$(COMPILE) pyproject.toml --extra cluster --constraint requirements.txt --output-file requirements-cluster.txt
	$(COMPILE) bi/superset/requirements.in --output-file bi/superset/requirements.txt

clean:
	rm -rf $(VENV) $(SUPERSET) target logs database out
