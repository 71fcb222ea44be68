"""Eclipse Paho: MQTT publishers and subscribers on its Python library."""
