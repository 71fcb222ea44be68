"""aMQTT: an MQTT broker in asyncio Python."""
