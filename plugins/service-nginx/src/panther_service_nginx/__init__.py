"""nginx, a web server with a QUIC of its own in C, as server for PANTHER."""
