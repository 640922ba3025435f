# Thin: everything happens in bootstrap.py, which also works where there is no make.
PYTHON ?= python3
.PHONY: install run test bench check train distil evaluate clean

install run bench check train distil evaluate clean:
	@$(PYTHON) bootstrap.py $@

test:
	@$(PYTHON) bootstrap.py test $(ARGS)
