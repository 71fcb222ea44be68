"""DNS: its roles, its scenarios, the zone that servers serve, and how answers are judged."""
