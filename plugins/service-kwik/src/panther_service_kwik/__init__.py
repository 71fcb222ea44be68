"""kwik and flupke, QUIC and HTTP/3 in Java, as server and client for PANTHER."""
