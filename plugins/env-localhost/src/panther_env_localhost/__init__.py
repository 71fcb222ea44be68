"""The network environment ``localhost``: services as processes of this machine, talking over loopback."""
