"""The provisioner ``netns``."""
