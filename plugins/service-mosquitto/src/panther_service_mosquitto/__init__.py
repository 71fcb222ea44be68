"""Eclipse Mosquitto: its broker, and its two command-line clients."""
