"""The program that plays a recording, runnable by its path alone."""
