"""Caddy, a web server in Go on quic-go, as server for PANTHER."""
