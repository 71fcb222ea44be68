"""qh3, QUIC in Rust with an interface for Python, as server and client for PANTHER."""
