# What there is to do here. Each target sets up what it needs, in folders .venv*, and reuses it.

PYTHON ?= $(shell tools/find-python 3.11 || tools/find-python 3.12 || tools/find-python 3.13 || echo python3.11)
CHECK ?=
MASKING ?= on
FUZZ_SECONDS ?= 600

.PHONY: help demo check test fuzz bench soak docs-reference clean

help:
	@echo "make demo             a shop that breaks, and what its people are told; Ctrl-C ends it"
	@echo "make demo CHECK=1     the same, run through and verified (MASKING=off: must fail)"
	@echo "make check            lint, types, import contract, unit tests: under a minute"
	@echo "make test             everything, on every Python there is, with real servers and a browser"
	@echo "make bench            what tocsin costs, beside others; writes docs/explanation/performance.md"
	@echo "make soak             half an hour of mixed load: whether anything grows; writes docs/explanation/soak.md"
	@echo "make fuzz             every target of tests/fuzz for FUZZ_SECONDS=600, guided by coverage"
	@echo "make docs-reference   write the generated pages of docs/reference anew"
	@echo "make clean            remove environments and what runs have left"

demo:
	@tools/venv .venv-demo "$(PYTHON)" demo
	@.venv-demo/bin/python demo/run.py --masking $(MASKING) $(if $(CHECK),--check)

check:
	@tools/venv .venv "$(PYTHON)" check
	@tools/lint .venv
	@.venv/bin/python -m pytest tests/unit -q -n auto

test:
	@tools/test-everything "$(PYTHON)"

bench:
	@tools/venv .venv-bench "$(PYTHON)" bench
	@.venv-bench/bin/python bench/run.py --write

soak:
	@tools/venv .venv "$(PYTHON)" check test
	@.venv/bin/python bench/soak.py --page docs/explanation/soak.md

fuzz:
	@tools/venv .venv "$(PYTHON)" check test
	@for target in tests/fuzz/fuzz_*.py; do \
		echo "== $$target"; .venv/bin/python $$target -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

docs-reference:
	@tools/venv .venv "$(PYTHON)" check
	@.venv/bin/python docs/generate.py

clean:
	rm -rf .venv .venv-* .demo .bench .soak build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests demo docs -name __pycache__ -type d -exec rm -rf {} +
