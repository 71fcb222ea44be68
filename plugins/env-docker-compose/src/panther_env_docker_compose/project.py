"""What needs Compose: making the networks and containers of a compose file."""

from __future__ import annotations

from pathlib import Path

from panther_lib_containers.engine import Engine
from panther_lib_containers.failures import explained


def create(file: Path, engine: Engine) -> None:
    """Create the networks and containers of a compose file; start nothing."""
    from python_on_whales import DockerClient
    from python_on_whales.exceptions import DockerException

    bounded = ["timeout", "--kill-after", "5", f"{engine.limit:g}", "docker"]
    client = DockerClient(client_call=bounded, compose_files=[file], host=engine.host)
    try:
        client.compose.up(start=False, no_build=True, quiet=True)
    except DockerException as error:
        raise explained(f"docker compose -f {file} up --no-start", error.return_code, error.stderr or "") from error
