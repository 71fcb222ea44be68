"""curl on the QUIC of OpenSSL, as client for PANTHER."""
