"""The execution environments ``gperf_cpu`` and ``gperf_heap``: gperftools on native programs."""
