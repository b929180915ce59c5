# kakekomi: two commands on a fresh machine: `make ask` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SAMPLE := アダルトサイトで登録完了と出て、3万円振り込んでしまいました
# durable_rules' C source calls PyEval_CallObject, which Python 3.13 no longer has; its setup.py overwrites CFLAGS, so CPPFLAGS it is.
export CPPFLAGS := -DPyEval_CallObject=PyObject_CallObject $(CPPFLAGS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help ask test slow check format bench eval wheel compiled clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

ask: $(STAMP) ## set up and answer: TEXT="…" answers once, without it the prompt opens
	@if [ -n "$$TEXT" ]; then $(BIN)/kakekomi ask -- "$$TEXT"; \
	elif [ -t 0 ]; then $(BIN)/kakekomi ask; \
	else $(BIN)/kakekomi ask --sample-if-empty "$(SAMPLE)"; fi

test: $(STAMP) ## set up and run the tests on all cores (some minutes)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

slow: $(STAMP) ## the slow tests: all triples of facts, 100,000 random states and cases, the wheel
	$(BIN)/python -m pytest -m slow

check: $(STAMP) ## ruff (lint and format), mypy, import-linter, the knowledge check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/kakekomi check

format: $(STAMP) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: compiled ## measure speed and memory of the compiled wheel (eval/speed.py; BENCH="--million")
	rm -rf build/bench
	$(BIN)/python -m pip install --quiet --no-deps --no-index --target build/bench dist/compiled/*.whl
	PYTHONPATH=build/bench:. $(BIN)/python eval/speed.py $(BENCH)

eval: $(STAMP) ## measure accuracy against the baselines and write the table in eval/README.md
	$(BIN)/python eval/accuracy.py

wheel: $(STAMP) ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

# By way of the source archive, so that nothing compiled is left in the checkout. mypyc treats warnings as errors: the definition for durable_rules is one.
compiled: $(STAMP) ## build a wheel with its busiest modules compiled into dist/compiled/ (for this Python and system)
	rm -rf dist/compiled
	CPPFLAGS= HATCH_BUILD_HOOK_ENABLE_MYPYC=true $(BIN)/python -m build --no-isolation --outdir dist/compiled >/dev/null

clean: ## remove the virtual environment and what was built
	rm -rf $(VENV) dist build

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "エラー: $(PYTHON) が見つかりません。Python 3.11〜3.13 を入れるか、make … PYTHON=python3.12 のように指定してください。" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "エラー: Python 3.11〜3.13 が必要です。make … PYTHON=python3.12 のように指定してください。" >&2; exit 1; }
	@command -v cc >/dev/null || command -v gcc >/dev/null || { echo "エラー: Cコンパイラがありません。規則エンジンを作るのに要ります(Debian/Ubuntu: sudo apt-get install gcc python3-dev / macOS: xcode-select --install)。" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $(STAMP)
