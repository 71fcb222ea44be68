"""The program that puts load on a server, runnable by its path alone."""
