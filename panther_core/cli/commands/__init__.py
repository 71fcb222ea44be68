"""The commands that the engine brings: one module each, with the ``configure`` and ``run`` of its descriptor."""
