# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Everything is made below this directory: virtual environments in .venv, results in build.
# Needs Python 3.11, and for a part of the tests Python 3.8 (left out where there is none); both
# are looked for on PATH and among pyenv's versions, or given as PYTHON3_11 and PYTHON3_8.

# Any Python from 3.8 on: it only finds the others.
PYTHON ?= python3
INSTALL = $(PYTHON) -m nova_swift_handler.sandbox.install
NOVA = .venv/nova/bin/python
PY38 = .venv/nova-py38/bin/python

.PHONY: demo bench test test-all install check unit functional functional-all py38 clean

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
test: install check unit functional

# That, and what takes long: every failure of XAPI, Swift and Glance, killed processes, the
# simulated hosts themselves, and Python 3.8 with the libraries of Nova's time.
test-all: test functional-all py38

install:
	$(INSTALL) cloud nova
	$(NOVA) -m nova_swift_handler.sandbox.databases

check: install
	$(NOVA) -m ruff check .
	$(NOVA) -m mypy

unit: install
	$(NOVA) -m pytest -n 2 tests/unit

functional: install
	$(NOVA) -m pytest $(FUNCTIONAL)

functional-all: install
	$(NOVA) -m pytest tests/functional

FUNCTIONAL = tests/functional/glance tests/functional/nova tests/functional/readme \
	tests/functional/handler/test_round_trip.py tests/functional/handler/test_bad_images.py \
	tests/functional/handler/test_access.py tests/functional/handler/test_memory.py \
	tests/functional/transfer/test_deltas.py tests/functional/transfer/test_deletion.py \
	tests/functional/cli/test_volumes.py

py38: install
	$(INSTALL) --optional nova-py38
	@if [ -x $(PY38) ]; then \
	  $(PY38) -m pytest tests/unit --ignore tests/unit/sandbox $(PY38_FUNCTIONAL); \
	else \
	  echo "no Python 3.8 here: its tests are left out"; \
	fi

# The handler, with real Swift, Glance and simulated hosts.
PY38_FUNCTIONAL = tests/functional/handler/test_round_trip.py tests/functional/nova

clean:
	rm -rf .venv build
