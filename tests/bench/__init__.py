"""What `make bench` measures: ratios within one run, with the machine named. Nothing here asserts a time."""
