"""Numbers out of many runs, and results of other tools into one."""
