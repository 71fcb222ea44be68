"""TQUIC, QUIC and HTTP/3 in Rust, as server and client for PANTHER."""
