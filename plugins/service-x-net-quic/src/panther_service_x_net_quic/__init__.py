"""QUIC of the Go team (golang.org/x/net/quic) as server and client for PANTHER."""
