"""MQTT: its roles, its scenarios, what the clients of every implementation do in them, and how that is judged."""
