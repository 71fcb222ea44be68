"""quic-go, QUIC and HTTP/3 in Go, as server and client for PANTHER."""
