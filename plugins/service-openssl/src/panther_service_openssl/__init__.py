"""OpenSSL, QUIC in C, as server and client for PANTHER."""
