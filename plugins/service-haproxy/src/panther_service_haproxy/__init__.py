"""HAProxy, a proxy with a QUIC of its own in C, as server for PANTHER."""
