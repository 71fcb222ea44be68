"""The provisioner ``ssh``."""
