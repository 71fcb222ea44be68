"""quiche, QUIC in Rust, from its package for Node, as server and client for PANTHER."""
