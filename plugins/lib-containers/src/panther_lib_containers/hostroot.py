"""The image ``host``: nothing but empty folders, in which this machine's programs are made visible."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from panther_lib_containers.engine import Engine
from panther_lib_containers.mounts import links_of_the_system

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


def host_image(engine: Engine, folder: Path) -> str:
    """Return the name of the image, which is made if it is not there; its name says what is in it."""
    content = _content()
    tag = f"panther-host-root:{hashlib.sha256(content).hexdigest()[:12]}"
    if engine.image(tag) is None:
        tar = folder / "host-root.tar"
        tar.write_bytes(content)
        changes = ("LABEL panther.image=host-root", "ENV PATH=/usr/local/bin:/usr/bin:/bin")
        engine.run("import", *(word for each in changes for word in ("--change", each)), str(tar), tag)
        tar.unlink()
    return tag
