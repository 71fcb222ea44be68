"""What packets and qlog show, as typed values: captures, QUIC packets, TLS messages, traces."""
