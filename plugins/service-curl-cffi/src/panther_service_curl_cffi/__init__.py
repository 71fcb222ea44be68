"""curl_cffi: libcurl with ngtcp2 and BoringSSL in Python, as client for PANTHER."""
