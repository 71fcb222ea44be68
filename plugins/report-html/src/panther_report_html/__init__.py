"""A whole run as one page for a person: verdicts and reasons, the matrix, time lines, messages, numbers, provenance."""
