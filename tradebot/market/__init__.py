"""The simulator: prices in, accounts out. `kernel.py` is the only place where money moves."""
