"""The execution environment ``pyspy``: where a Python program spends its time, without a change to the program."""
