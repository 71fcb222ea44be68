"""Other systems: the agent that works there, the connection to it, and how whole cases run through it."""
