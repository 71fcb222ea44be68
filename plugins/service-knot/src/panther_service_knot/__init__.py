"""Knot DNS: its authoritative server, and kdig."""
