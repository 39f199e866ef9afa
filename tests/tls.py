"""Certificates for servers on loopback, made by the openssl command."""

import ssl
import subprocess
from pathlib import Path

from tests.needs import need


def certificate(folder: Path, name: str, *, alternative: str = "IP:127.0.0.1,DNS:localhost") -> tuple[Path, Path]:
    """A self-signed certificate, which is its own authority, and its key: paths of PEM files."""
    made, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name}".split()
    names = ["-addext", f"subjectAltName={alternative}"]
    files = ["-keyout", str(key), "-out", str(made)]
    subprocess.run([need("openssl"), *command, *names, *files], check=True, capture_output=True)
    return made, key


def signing_key(folder: Path, name: str) -> tuple[Path, Path]:
    """An RSA key that signs service account tokens, and its public half: paths of PEM files."""
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    openssl = need("openssl")
    subprocess.run([openssl, "genrsa", "-out", str(private), "2048"], check=True, capture_output=True)
    subprocess.run(
        [openssl, "rsa", "-in", str(private), "-pubout", "-out", str(public)], check=True, capture_output=True
    )
    return private, public


def server_side(made: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return context
