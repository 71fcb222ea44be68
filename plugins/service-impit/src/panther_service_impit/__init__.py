"""impit: an HTTP client in Rust on quinn, as client for PANTHER."""
