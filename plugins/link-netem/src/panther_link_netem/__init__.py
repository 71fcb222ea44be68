"""The link mechanisms of the kernel: ``htb`` for rates, ``netem`` for everything."""
