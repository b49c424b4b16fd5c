# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Everything is made below this directory: virtual environments in .venv, results in build.
# Needs Python 3.11, and for a part of the tests 3.8 to 3.13 (those that are missing are left out);
# they are looked for on PATH and among pyenv's versions, or given as PYTHON3_11 and so on.

# Any Python from 3.8 on: it only finds the others.
PYTHON ?= python3
INSTALL = $(PYTHON) -m nova_swift_handler.sandbox.install
NOVA = .venv/nova/bin/python
PY38 = .venv/nova-py38/bin/python
DOCS = .venv/docs/bin/python

.PHONY: demo bench test test-all install check unit contract docs matrix matrix-all functional \
	functional-all tenancy nova38 py38 clean

# The main job from nothing; writes build/demo.json.
demo:
	$(INSTALL) cloud nova
	$(NOVA) -m nova_swift_handler.sandbox.databases
	$(NOVA) -m nova_swift_handler.sandbox.demo

# What it costs, beside what else one would use; some 20 minutes.  Writes build/bench.json.
# For a part of it: python -m bench --help.
bench:
	$(INSTALL) cloud nova
	$(NOVA) -m nova_swift_handler.sandbox.databases
	$(NOVA) -m bench

# What every change must pass.
test: install check unit contract docs matrix functional nova38

# That, and what takes long: every failure of XAPI, Swift and Glance, killed processes, the
# simulated hosts themselves, Python 3.8 with the libraries of Nova's time, and all unit tests on
# every Python, with examples that chance chooses.
test-all: test functional-all py38 matrix-all

install:
	$(INSTALL) cloud nova
	$(NOVA) -m nova_swift_handler.sandbox.databases

check: install
	$(NOVA) -m ruff check .
	$(NOVA) -m mypy

unit: install
	$(NOVA) -m pytest -n 2 tests/unit

# What is relied on in Nova, against the wheels of Nova 18 to 21, which are read and not run.
contract: install .venv/wheels/complete
	$(NOVA) -m pytest -q tests/contract

# One by one: pip refuses to have two versions of a package at once.
.venv/wheels/complete: tests/contract/wheels.txt
	@grep '^nova' $< | while read -r wheel; do \
	  echo "$$wheel" | $(NOVA) -m pip download -q --no-deps --only-binary :all: \
	    --ignore-requires-python --require-hashes --dest .venv/wheels \
	    --requirement /dev/stdin || exit; \
	done
	touch $@

# The manual, into build/docs; warnings are errors.
docs:
	$(INSTALL) docs
	$(DOCS) -m sphinx -W --keep-going -q -b html -d build/doctrees doc/source build/docs

# The package alone on every Python that it supports: what is quick of the unit tests, or all.
matrix:
	$(INSTALL) $(PYTHONS:%=--optional package-%)
	@printf '%s\n' $(PYTHONS) | xargs -P 3 -I VERSION $(SHELL) -c '$(ON_PYTHON)' \
	  sh VERSION $(MATRIX)

matrix-all: matrix
	@printf '%s\n' $(PYTHONS) | SWIFT_VHD_TEST_RANDOM=1 xargs -P 2 -I VERSION $(SHELL) -c \
	  '$(ON_PYTHON)' sh VERSION tests/unit $(NEED_NOVA:%=--ignore %)

PYTHONS = 3.8 3.9 3.10 3.11 3.12 3.13
MATRIX = tests/unit/test_imports.py tests/unit/conf tests/unit/cli tests/unit/store \
	tests/unit/vhd/test_golden.py tests/unit/vhd/test_file.py tests/unit/vhd/test_footer.py \
	tests/unit/vhd/test_header.py tests/unit/vhd/test_locator.py \
	tests/unit/catalog/test_golden.py tests/unit/transfer/test_upload.py
NEED_NOVA = tests/unit/sandbox tests/unit/nova_plugin tests/unit/test_handler.py

# Run pytest on a Python, and say which one its results are of.
ON_PYTHON = python=.venv/package-$$1/bin/python; \
	if [ ! -x $$python ]; then echo "no Python $$1 here: its tests are left out"; exit; fi; \
	version=$$1; shift; \
	result=$$($$python -m pytest -q -r fE -p no:cacheprovider "$$@" 2>&1); code=$$?; \
	if [ $$code != 0 ]; then echo "$$result"; fi; \
	echo "Python $$version: $$(echo "$$result" | tail -n 1)"; exit $$code

functional: install
	$(NOVA) -m pytest $(FUNCTIONAL)

# What other projects' users, and those who hold a credential, try; on a cloud of their own, which
# they leave damaged.
tenancy: install
	$(NOVA) -m pytest tests/functional/tenancy

functional-all: tenancy
	$(NOVA) -m pytest tests/functional --ignore tests/functional/tenancy

FUNCTIONAL = tests/functional/glance tests/functional/nova tests/functional/readme \
	tests/functional/handler/test_round_trip.py tests/functional/handler/test_bad_images.py \
	tests/functional/handler/test_access.py tests/functional/handler/test_memory.py \
	tests/functional/transfer/test_deltas.py tests/functional/transfer/test_deletion.py \
	tests/functional/cli/test_volumes.py

# Nova's driver and the handler on the oldest Python, with the libraries of Nova's own time.
nova38: install
	$(INSTALL) --optional nova-py38
	@$(ON_PY38) tests/functional/nova

py38: nova38
	@$(ON_PY38) tests/unit --ignore tests/unit/sandbox tests/functional/handler/test_round_trip.py

ON_PY38 = run() { \
	  if [ ! -x $(PY38) ]; then echo "no Python 3.8 here: its tests are left out"; return; fi; \
	  $(PY38) -m pytest "$$@"; \
	}; run

clean:
	rm -rf .venv build
