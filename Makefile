# The two commands are `make run` and `make test`. They need git, make and Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help run test chaos lint format bench bench-compare lock environment dev-environment system-packages

BIN := .venv/bin

help:
	@echo "make run      start chain-chat on http://127.0.0.1:8000"
	@echo "make test     run all tests, on SQLite and on PostgreSQL with Redis"
	@echo "make chaos    kill processes, stop databases and cut lines for a long time"
	@echo "make lint     check style, types and imports"
	@echo "make format   write the code in the project's style"
	@echo "make bench    measure everything on this machine; make bench-compare names what got worse"
	@echo "make lock     renew uv.lock and the requirements files (needs uv)"

environment:
	@scripts/environment requirements.txt

dev-environment:
	@scripts/environment requirements-dev.txt

system-packages:
	@scripts/system-packages

run: environment
	@$(BIN)/python manage.py serve

# All runs happen, so that one's failure does not hide another's. What measures time has the machine for itself.
# While Playwright runs in a process no asynchronous test can, so pages have a run of their own.
PYTEST := $(BIN)/python -m pytest
ON_SERVICES := $(BIN)/python -m tests.services --
# What waits most of its time begins: the chaos tests, then those with processes; the quick ones fill their pauses.
BESIDE := -n 4 --dist loadfile --no-loadscope-reorder
PAGES := -n 3 --dist worksteal
test: dev-environment system-packages
	@status=0; \
	$(PYTEST) $(BESIDE) -m "not alone" tests/chaos tests/integration tests/unit || status=1; \
	$(PYTEST) $(PAGES) -m "not alone" tests/browser || status=1; \
	$(PYTEST) -m alone tests || status=1; \
	$(ON_SERVICES) $(PYTEST) $(BESIDE) -m "not alone and not once" tests/chaos tests/integration || status=1; \
	$(ON_SERVICES) $(PYTEST) $(PAGES) -m "not alone and not once" tests/browser || status=1; \
	$(ON_SERVICES) $(PYTEST) -m alone tests || status=1; \
	exit $$status

# The long form: fifty rounds of kills, outages of half a minute. CHAOS_SEED repeats the choices of another run.
chaos: export CHAOS_LONG := 1
chaos: dev-environment system-packages
	@status=0; \
	$(PYTEST) tests/chaos || status=1; \
	$(ON_SERVICES) $(PYTEST) tests/chaos || status=1; \
	exit $$status

lint: dev-environment
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: dev-environment
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

# A figure is worth something only on a machine that does nothing else meanwhile.
RESULTS := bench/results
bench: dev-environment
	@mkdir -p $(RESULTS) && rm -f $(RESULTS)/new.json
	@$(BIN)/python -m bench.transports
	@$(BIN)/python -m bench.start --save $(RESULTS)/new.json
	@$(BIN)/python -m bench.runs --save $(RESULTS)/new.json
	@$(BIN)/python -m bench.pages --save $(RESULTS)/new.json
	@$(BIN)/python -m bench.visible --save $(RESULTS)/new.json
	@$(BIN)/python -m bench.browser --seconds 60 --save $(RESULTS)/new.json
	@$(BIN)/python -m bench.editor
	@$(BIN)/python -m bench.results plot $(RESULTS)/new.json $(RESULTS)/new.svg

bench-compare: dev-environment
	@$(BIN)/python -m bench.results compare $(RESULTS)/baseline.json $(RESULTS)/new.json

lock:
	uv lock
	uv export --frozen --no-dev --no-emit-project -o requirements.txt >/dev/null
	uv export --frozen --no-emit-project -o requirements-dev.txt >/dev/null
