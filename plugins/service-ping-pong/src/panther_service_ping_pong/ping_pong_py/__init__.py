"""MiniP in standard-library Python: server and client of ``ping-pong-py``, a program of their own."""
