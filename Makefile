# make app    the app on http://127.0.0.1:8501 (PORT=… moves it; ADDRESS=… HOSTS=… serve it to others)
# make test   lint, types, security lint, and all tests, in a process more than there are cores (ARGS="-n 0" for one)
# make long   at full length what make test runs in a short version: kills, changed bytes, votes, links, benchmarks; and
#             figures on HetRec
# make demo   simulate and rebuild the committed demo artifacts
# make pictures  take the pictures of the README
# make fuzz   for a night: a hundred thousand damaged files for every reader and as many tries at manifests, arrays, tables,
#             links, names, command lines and uploads (CASES=… changes how many, READERS=… and SURFACES=… which)
# make kills  a thousand processes killed at any system call while they write (KILLS=… changes how many, WORK=… which), and
#             every byte of a set changed once
# make bench  every benchmark at its small size (BENCH=… only that one, SIZE=full at full size, ROUNDS=… how often,
#             FOLDER=… where what they make is kept); see benchmarks/README.md
# make spark  what make test leaves out of the tests on Spark: every format, HetRec, a cluster that loses a machine
# make lock   pin the versions that a fresh install of the requirements gives
# make clean  remove the virtual environment and caches

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
ADDRESS ?= 127.0.0.1
HOSTS ?=
CASES ?= 100000
KILLS ?= 1000
BENCH ?=
SIZE ?= small
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The first Python of a fitting version; a name on the PATH alone proves nothing (pyenv has shims for absent ones).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 && echo "$$p" && break; done)

.PHONY: app test long lint types demo pictures fuzz kills spark bench lock clean

app: $(VENV)/run
	$(BIN)/python -m streamlit run app.py --server.port $(PORT) --server.address $(ADDRESS) \
		$(foreach host,$(HOSTS),--server.allowedHosts $(host))

test: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit -q -c pyproject.toml -r recsys pages app.py serve.py
	$(BIN)/python tests/e2e/find_chromium.py
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

long: $(VENV)/dev
	$(BIN)/python -m pytest -n auto --dist loadfile -m long $(ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/dev
	$(BIN)/mypy

demo: $(VENV)/run
	rm -rf .build/demo && mkdir -p .build
	$(BIN)/python -m recsys simulate --listeners 1600 --out .build/demo.parquet
	$(BIN)/python -m recsys build events --input .build/demo.parquet --config artifacts/demo.toml --out .build/demo
	$(BIN)/python -m recsys tune .build/demo
	$(BIN)/python -m recsys evaluate .build/demo
	rm -rf artifacts/demo && mkdir artifacts/demo
	cp -r .build/demo/CURRENT .build/demo/$$(cat .build/demo/CURRENT) artifacts/demo/

pictures: $(VENV)/dev
	$(BIN)/python -m tests.e2e.take_pictures

fuzz: $(VENV)/dev
	$(BIN)/python -m tests.interactions.fuzz $(CASES) $(READERS)
	$(BIN)/python -m tests.fuzz $(CASES) $(SURFACES)
	$(BIN)/python -m tests.listener.hostile
	$(BIN)/python -m tests.security.heaviest

kills: $(VENV)/dev
	$(BIN)/python -m tests.faults.kills $(KILLS) $(WORK)
	$(BIN)/python -m tests.faults.every_byte

spark: $(VENV)/dev
	RECSYS_SPARK=1 $(BIN)/python -m pytest tests/spark $(ARGS)

bench: $(VENV)/bench
	$(BIN)/python -m benchmarks $(BENCH) --size $(SIZE) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(FOLDER),--folder $(FOLDER))

lock:
	rm -rf .build/lock && $(PYTHON) -m venv .build/lock
	.build/lock/bin/python -m pip install -q -r requirements-bench.txt
	.build/lock/bin/python -m pip freeze --exclude pip > constraints.txt

clean:
	rm -rf $(VENV) .build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/run: $(BIN)/python requirements.txt constraints.txt
	$(PIP) install -q -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/dev: $(VENV)/run requirements-dev.txt requirements-postgres.txt requirements-spark.txt requirements-sign-in.txt
	$(PIP) install -q -r requirements-dev.txt -c constraints.txt
	@touch $@

$(VENV)/bench: $(VENV)/dev requirements-bench.txt
	$(PIP) install -q -r requirements-bench.txt -c constraints.txt
	@touch $@
