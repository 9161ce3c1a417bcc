# Everything happens in .venv, made from requirements.lock by the first target that needs it.

BIN := .venv/bin
PACKAGES := grammar dsl plugins compiler runner server cli
# One more than processors: many tests wait for processes of their own.
JOBS ?= $(shell expr $$(nproc) + 1)

.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs bench lock clean setup

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(BIN)/.installed ## Take a small web shop through its release flow: two releases, then one that undoes itself
	@$(BIN)/python examples/shop/demo

test: $(BIN)/.installed ## Run all tests (ARGS="-k name" narrows, JOBS=1 one process)
	@$(BIN)/pytest -n $(JOBS) $(ARGS)

lint: $(BIN)/.installed ## Check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(BIN)/.installed ## Check types (mypy --strict)
	@$(BIN)/mypy $(addprefix -p rflow.,$(PACKAGES))

docs: $(BIN)/.installed ## Make the pages of the reference that say what the code says
	@$(BIN)/python docs/generate.py

bench: $(BIN)/.installed ## Measure speed: checking, running, folding, serving
	@$(BIN)/python benchmarks/check_speed.py
	@$(BIN)/python benchmarks/run_speed.py
	@$(BIN)/python benchmarks/fold_speed.py
	@$(BIN)/python benchmarks/deliveries_speed.py
	@$(BIN)/python benchmarks/pages_speed.py
	@$(BIN)/python benchmarks/api_speed.py

setup: $(BIN)/.installed ## Make the local environment in .venv

$(BIN)/.installed: requirements.lock pyproject.toml .ci/venv
	@.ci/venv .venv
	@touch $@

lock: $(BIN)/.installed ## Write requirements.lock anew from pyproject.toml (PIN=--upgrade takes newer versions)
	@test -x build/lock/bin/pip-compile || { python3 -m venv build/lock && build/lock/bin/pip -q install pip-tools; }
	@build/lock/bin/pip-compile -q $(PIN) --extra dev --extra fsspec --extra server --all-build-deps --generate-hashes --allow-unsafe \
	  --strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  -o requirements.lock pyproject.toml
	@sed -i '1i # Exact versions of all that rflow and its tests need, with hashes. Made by `make lock`; not edited by hand.' requirements.lock

clean: ## Remove the environment and all that was made
	@rm -rf .venv build dist rflow.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
