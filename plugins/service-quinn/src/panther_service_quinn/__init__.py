"""quinn, QUIC in Rust with HTTP/3 by h3, as server and client for PANTHER."""
