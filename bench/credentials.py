"""Keys of one measurement: a certificate for 127.0.0.1, and a signed token with the keys that verify it. Made by openssl."""

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

ISSUER = "bench"
FAR_FUTURE = 4102444800  # 2100-01-01: no token ends during a run.


@dataclass(frozen=True)
class Credentials:
    """Paths, and the token itself."""

    certificate: Path
    key: Path
    both: Path
    jwks: Path
    token_key: Path
    token: str
    log_socket: Path


def make(folder):
    """A P-256 certificate, an RSA-2048 key pair, its JWKS, and an RS256 token of consumer `web`."""
    folder.mkdir()
    folder.chmod(0o755)
    certificate, key, both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", key, "-out", certificate,
    )  # fmt: skip
    both.write_text(certificate.read_text() + key.read_text())
    signing, token_key, jwks = folder / "signing.pem", folder / "token.pem", folder / "jwks.json"
    openssl("genrsa", "-out", signing, "2048")
    openssl("rsa", "-in", signing, "-pubout", "-out", token_key)
    modulus = int(openssl("rsa", "-in", signing, "-noout", "-modulus").decode().split("=")[1], 16)
    known = {"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig", "n": text(modulus.to_bytes(256, "big")), "e": "AQAB"}
    jwks.write_text(json.dumps({"keys": [known]}))
    claims = {"iss": ISSUER, "aud": "api", "sub": "web", "exp": FAR_FUTURE, "scope": "orders:read"}
    signed = f"{part({'alg': 'RS256', 'kid': 'k1', 'typ': 'JWT'})}.{part(claims)}"
    token = f"{signed}.{text(openssl('dgst', '-sha256', '-sign', signing, given=signed.encode()))}"
    for path in folder.iterdir():
        path.chmod(0o644)
    return Credentials(certificate, key, both, jwks, token_key, token, folder / "log.sock")


def openssl(*argv, given=None):
    return subprocess.run(["openssl", *map(str, argv)], input=given, check=True, capture_output=True).stdout


def part(value):
    return text(json.dumps(value).encode())


def text(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
