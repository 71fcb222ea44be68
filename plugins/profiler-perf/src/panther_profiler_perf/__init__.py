"""Execution environments that watch a service with the kernel's perf: ``perf_stat`` counts, ``perf_record`` samples."""
