"""The network environment ``docker_compose``: every service in a container of its own."""
