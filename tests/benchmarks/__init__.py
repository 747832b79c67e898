"""How fast it is, beside what others use: `python -m tests.benchmarks` prints it (`make bench`)."""
