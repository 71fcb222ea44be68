"""The execution environment ``strace``: what the programs of a service ask of the kernel, and what they get."""
