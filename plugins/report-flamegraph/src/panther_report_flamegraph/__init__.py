"""The reports ``flamegraph`` and ``speedscope``: every profile of a run, to look into."""
