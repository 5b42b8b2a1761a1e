"""How fast it is beside what one would write by hand: `python -m tests.benchmarks`, from the folder above."""
