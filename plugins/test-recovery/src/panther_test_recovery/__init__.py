"""The test type ``recovery``: faults at defined moments, and what they cost."""
