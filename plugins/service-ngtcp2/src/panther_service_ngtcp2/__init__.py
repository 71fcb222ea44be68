"""ngtcp2 with GnuTLS, QUIC in C, as server and client for PANTHER."""
