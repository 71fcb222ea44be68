"""DNS on the library dnspython: a client, and a small authoritative server."""
