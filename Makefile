# What a clean clone needs is made on the way: every target sets up .venv first.
#   make test    the tests                        make lint   ruff, mypy --strict, import rules
#   make test-quick   the part of them that tells most in about a minute
#   make demo    an anomaly detector on real data make bench  side by side with PyDotCompute 0.2.0
#   make gpu     the tests that need an NVIDIA GPU, and its benchmark (into docs/)
#   make soak    ten million messages through tiny queues, with cancels, pauses and restarts
#   make coverage   which lines of Python the tests run (the generated C is compared, not counted)
# Another interpreter: make test PYTHON=python3.13.  Arguments for pytest: make test ARGS="-k ring".

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEER := .venv-peer
PEER_VERSION := 0.2.0
TYPED := build/typed
QUICK := tests/test_imports.py tests/compiler/frontend tests/compiler/types tests/compiler/irbuild \
  tests/compiler/report tests/runtime/messages tests/runtime/actors tests/contract/test_contract_calls.py
PYTHON ?=
ARGS ?=

.PHONY: help test test-quick lint demo bench gpu site soak coverage clean compiler
help:
	@sed -n 's/^#   //p' Makefile

# Two worker processes share the tests; those that measure time or memory run after them, alone.
# pytest's status 5 says that no test was selected, as when ARGS names tests of one kind.
test: $(READY) compiler
	@$(BIN)/python -m pytest -m "not gpu and not alone" -n 2 --dist worksteal $(ARGS) || [ $$? = 5 ]
	@$(BIN)/python -m pytest -m "alone and not gpu" $(ARGS) || [ $$? = 5 ]

test-quick: $(READY) compiler
	@$(BIN)/python -m pytest -m "not gpu and not alone and not slow" -n 2 --dist worksteal \
	  $(QUICK) $(ARGS)

demo: $(READY) compiler
	PYDOTCOMPUTE_DUMP_DIR=$${PYDOTCOMPUTE_DUMP_DIR:-out/demo} $(BIN)/pydotcompute demo $(ARGS)

# mypy cannot follow the finder of a development install (the folders map onto other names), so
# it is shown the package as links, which are always as new as the files.
lint: $(READY)
	$(BIN)/ruff check .
	@rm -rf $(TYPED) && mkdir -p $(TYPED)/pydotcompute
	@for file in runtime/* compiler templates examples; do \
	  ln -s ../../../$$file $(TYPED)/pydotcompute/; done
	MYPYPATH=$(TYPED) $(BIN)/python -m mypy $(ARGS)
	$(BIN)/python -m pytest tests/test_imports.py

# The peer shares our import name and so lives in an environment of its own.
bench: $(READY) compiler $(PEER)/.ready
	$(BIN)/python tests/bench --peer $(PEER)/bin/python $(ARGS)

# Where no package index can be reached, an interpreter that has CuPy, pytest and the rest is named,
# and this package is put beside it: make gpu WITH=python3
ifdef WITH
BESIDE := PYTHONPATH=$(CURDIR)/build/site:$$PYTHONPATH
GPU := $(WITH)
gpu: site
else
GPU := $(BIN)/python
gpu: $(READY)
endif
gpu:
	@command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L | grep -q GPU || { \
	  echo "make gpu: no NVIDIA GPU here (nvidia-smi finds none)."; \
	  echo "Everything that needs none, cubins for all architectures included, is in: make test"; \
	  exit 1; }
ifndef WITH
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cuda13]"
endif
	$(BESIDE) $(GPU) tests/bench/gpu.py
	$(BESIDE) $(GPU) -m pytest -m gpu $(ARGS)
	$(BESIDE) PYDOTCOMPUTE_DEVICE=gpu $(GPU) -m pytest -k "cuda and not emulated" \
	  tests/contract $(ARGS)
	@for tool in memcheck racecheck; do \
	  if command -v compute-sanitizer >/dev/null 2>&1; then \
	    echo "compute-sanitizer --tool $$tool"; \
	    $(BESIDE) PYDOTCOMPUTE_DEVICE=gpu PYDOTCOMPUTE_DEBUG_STEP=50 compute-sanitizer \
	      --tool $$tool --error-exitcode 1 $(GPU) tests/bench/gpu.py --check || exit 1; \
	  else echo "compute-sanitizer is not installed: no $$tool"; fi; \
	done

site:
	rm -rf build/site
	$(WITH) -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
	  --no-build-isolation --target build/site .

soak: $(READY) compiler
	PYDOTCOMPUTE_SOAK=1666667 $(BIN)/python -m pytest -s tests/fuzz/test_soak.py --durations=6 $(ARGS)
	PYDOTCOMPUTE_GRAPHS=300 $(BIN)/python -m pytest tests/contract/test_random_topologies.py $(ARGS)

coverage: $(READY) compiler
	$(BIN)/python -m coverage run -m pytest -m "not gpu" $(ARGS)
	$(BIN)/python -m coverage report

clean:
	rm -rf $(VENV) $(PEER) build out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	rm -f runtime/accel/*.so

$(READY): pyproject.toml $(wildcard runtime/accel/*.c runtime/accel/*.h)
	@set -e; python=; \
	for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "PyDotCompute needs Python 3.11 or newer, and none was found."; \
	  echo "Install one, or name it: make PYTHON=/path/to/python3.11"; exit 1; \
	fi; \
	if [ ! -x $(BIN)/python ]; then \
	  echo "Setting up $(VENV) with $$($$python --version)"; \
	  $$python -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "$$python cannot make a virtual environment: install its venv module"; \
	    echo "(Debian and Ubuntu: apt install python3-venv)."; exit 1; }; \
	fi; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,dev]" || { \
	  echo "The packages named in pyproject.toml could not be installed: see pip's words above"; \
	  echo "(is a package index reachable from this machine?)."; exit 1; }; \
	touch $@

$(PEER)/.ready: $(READY)
	@$(BIN)/python -m venv $(PEER)
	@$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check \
	  "pydotcompute==$(PEER_VERSION)" || { \
	  echo "PyDotCompute $(PEER_VERSION) could not be installed: see pip's words above."; exit 1; }
	@touch $@

compiler: $(READY)
	@for candidate in "$$CXX" c++ g++ clang++; do \
	  [ -n "$$candidate" ] && command -v $${candidate%% *} >/dev/null 2>&1 && exit 0; \
	done; \
	$(BIN)/python -c 'import ziglang' 2>/dev/null && exit 0; \
	echo "No C++ compiler found (\$$CXX, c++, g++, clang++)."; \
	echo "Install one (Debian and Ubuntu: apt install g++), or put one into $(VENV):"; \
	echo "  $(BIN)/python -m pip install ziglang"; exit 1
