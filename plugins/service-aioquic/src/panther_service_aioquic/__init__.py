"""aioquic as an implementation of QUIC: a file server and a client, and the data that says how they are called."""
