"""Pure mathematics of results: arrays in, numbers out; nothing here knows of markets."""
