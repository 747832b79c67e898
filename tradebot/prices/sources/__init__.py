"""Where bars come from: one file per source, each with a `read` that returns `Bars`."""
