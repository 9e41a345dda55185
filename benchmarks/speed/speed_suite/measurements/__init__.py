"""One module a measurement: its docstring is what the page says of it, `measure` gives its rows."""
