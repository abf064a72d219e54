# One environment, .venv, made from $(PYTHON) when it is first needed and again when pyproject.toml changes.
# Only features of make 3.81, which macOS has.

PYTHON = python3
RUN = .venv/bin/python
READY = .venv/ready
COLAB = .venv/colab
START = notebooks/00_start_here.ipynb

# Stored outputs compare only under the same profile and device; passive waiting keeps few, busy cores quick.
TEST_ENV = GANTUTOR_PROFILE=quick GANTUTOR_DEVICE=cpu OMP_WAIT_POLICY=passive

.PHONY: help lab studio test testcolab notebooks exercises colab book data overview format clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

lab: $(READY) ## open the course in JupyterLab, at its first notebook
	$(RUN) -m jupyterlab --ip=127.0.0.1 --allow-root --LabApp.default_url=/lab/tree/$(START)

studio: $(READY) ## serve the studio of notebook 09 as a page for this machine, and print its address
	$(RUN) -m tools.studio

# --nbval-current-env: a notebook names the kernel "python3", and a reader may have registered another Python
# under that name; this flag starts the interpreter of .venv whatever is registered.
test: $(READY) ## check the style, run the unit tests with coverage, then every notebook against its stored outputs
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(TEST_ENV) $(RUN) -m pytest --cov
	$(TEST_ENV) $(RUN) -m pytest --nbval --nbval-current-env notebooks

# Colab's Jupyter is years older than a new one: ipywidgets 7, IPython 7. Its packages lie before those of .venv.
IN_COLAB = $(TEST_ENV) PYTHONPATH='$(CURDIR)/$(COLAB)' PYDEVD_DISABLE_FILE_VALIDATION=1 $(RUN)
AS_READ_THERE = 00_start_here 01_minimax_game 04_gram_matrix_losses 07_personal_style_clusters

testcolab: $(COLAB)/ready ## run the panels' tests and four notebooks with the versions that Colab has
	$(IN_COLAB) -c 'import ipywidgets; assert ipywidgets.__version__[0] == "7", ipywidgets.__file__'
	$(IN_COLAB) -m pytest -W default::DeprecationWarning tests/lab
	$(IN_COLAB) -m pytest -W default::DeprecationWarning --nbval --nbval-current-env $(AS_READ_THERE:%=notebooks/%.ipynb)

notebooks: $(READY) ## format, execute and clean the notebooks, and store their outputs
	$(RUN) -m tools.notebooks

exercises: $(READY) ## write the exercises' stubs, made from notebooks/solutions, into the notebooks
	$(RUN) -m tools.exercises

colab: $(READY) ## fill in the Colab badges and set-up cells: make colab REPO=owner/name
	$(RUN) -m tools.colab $(REPO)

# Every page anew, so that every warning is seen, and a warning is an error.
book: $(READY) ## build the course as a site in build/book, from the stored outputs
	$(RUN) -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --fresh-env --quiet \
	  --conf-dir docs --doctree-dir build/doctrees . build/book
	@echo 'Open build/book/index.html in a browser.'

data: $(READY) ## make the bundled pictures in data/ again
	$(RUN) -m tools.make_data

overview: $(READY) ## paint the picture at the top of the README again
	$(RUN) -m tools.make_overview

format: $(READY) ## format code and notebooks, and mend what ruff can mend
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean: ## remove what make made: the environment, builds and caches
	rm -rf .venv build dist .coverage .pytest_cache .ruff_cache
	find . -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# An environment that has lost its interpreter or its pip is made anew. nbgrader serves the tests only: its menus
# and side bar would puzzle readers. The last step calls a compiled operator of torchvision, which is missing when
# torch and torchvision come from different builds.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'gantutor needs Python 3.11 or newer, and "$(PYTHON)" is not: install one and name it, as in "make PYTHON=python3.12".' >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '"$(PYTHON)" cannot make virtual environments: install its venv module (on Debian and Ubuntu: apt-get install python3-venv).' >&2; \
	  exit 1; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(RUN) -m pip install -e ".[lab,test]"
	@$(RUN) -m jupyterlab.labextensions disable --level=sys_prefix @jupyter/nbgrader
	@$(RUN) -c 'import torch; from torchvision.ops import nms; nms(torch.zeros(1, 4), torch.zeros(1), 0.5)' || { \
	  echo 'torch and torchvision do not match: pip took them from two places (see "$(RUN) -m pip list" and "pip config list";' \
	    'PIP_FIND_LINKS or an extra index often adds a "+cpu" torch). Drop that place, then run "make clean" and make again.' >&2; \
	  exit 1; }
	@touch $(READY)

$(COLAB)/ready: $(READY) tests/colab.txt
	rm -rf $(COLAB)
	$(RUN) -m pip install --no-deps --target $(COLAB) -r tests/colab.txt
	@touch $(COLAB)/ready
