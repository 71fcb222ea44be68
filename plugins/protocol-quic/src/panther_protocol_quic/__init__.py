"""QUIC: roles, scenarios, evidence, and the framework in which an implementation is one file of data."""
