"""The provisioner ``container``."""
