"""The client dig of BIND 9."""
