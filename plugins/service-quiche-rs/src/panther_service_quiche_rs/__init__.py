"""quiche, QUIC and HTTP/3 in Rust on BoringSSL, as server and client for PANTHER."""
