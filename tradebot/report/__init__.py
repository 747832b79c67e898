"""What a person sees of results: figures, tables, the page. Percent, rounding and colour belong here only."""
