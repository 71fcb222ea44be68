"""The test type ``performance``: a warmed-up run, measured, and whether its numbers mean anything."""
