"""Drives images that follow the interface of the QUIC interop runner."""
