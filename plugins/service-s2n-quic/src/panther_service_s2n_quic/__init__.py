"""s2n-quic, QUIC in Rust, as server and client for PANTHER."""
