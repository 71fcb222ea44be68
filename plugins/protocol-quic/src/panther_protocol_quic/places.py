"""What is where in the folder of a service."""

from __future__ import annotations

from panther_hookspecs import Output

SHEET = "quic.json"
"""What the service was told, for the judge and for people."""
PATHS = {
    "www": "www",
    "downloads": "downloads",
    "qlog": "qlog",
    "logs": "logs",
    "keys": "keys.log",
    "session": "session",
    "cert": "certs/cert.pem",
    "key": "certs/priv.key",
    "ca": "certs/ca.pem",
    "cert_der": "certs/cert.der",
    "key_der": "certs/priv.der",
    "ca_der": "certs/ca.der",
    "pem": "certs/all.pem",
}
"""Files and folders by placeholder."""
FOLDERS = ("www", "downloads", "qlog", "logs")
"""Made before anything is started."""
OUTPUTS = {
    "keys": Output(pattern=PATHS["keys"], kind="keys", required=False),
    "qlog": Output(pattern=f"{PATHS['qlog']}/*", kind="qlog", required=False),
    "downloads": Output(pattern=f"{PATHS['downloads']}/*", kind="download", required=False),
}
"""What may be left behind, to be kept as evidence."""
