"""The image ``host``: nothing but empty folders, in which this machine's programs are made visible."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from panther_env_docker_compose.docker import Docker
from panther_env_docker_compose.mounts import links_of_the_system

HOST = "host"
_FOLDERS = ("dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var", "var/tmp")


def _content() -> bytes:
    """Return the image as a tar file, the same for the same machine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name.endswith("tmp") else 0o755
            tar.addfile(folder)
        for name, target in links_of_the_system():
            link = tarfile.TarInfo(name.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    return buffer.getvalue()


def host_image(docker: Docker, folder: Path) -> str:
    """Return the name of the image, which is made if it is not there; its name says what is in it."""
    content = _content()
    tag = f"panther-host-root:{hashlib.sha256(content).hexdigest()[:12]}"
    if not docker.has_image(tag):
        tar = folder / "host-root.tar"
        tar.write_bytes(content)
        docker.import_image(tar, tag, ["LABEL panther.image=host-root", "ENV PATH=/usr/local/bin:/usr/bin:/bin"])
        tar.unlink()
    return tag
