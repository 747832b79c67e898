"""Getting prices: validated bars and the sources they come from."""
