"""The link mechanism ``relay``: a switch in user space, for kernels that cannot impair links themselves."""
