"""What must be in no log and no audit: every secret value, private member, plaintext, credential and token that this process sent or
got, in each form that a program prints bytes in.

What has fewer than `LEAST` bytes is left out, and one byte repeated: a log may have it by chance.
"""

import base64
import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

LEAST = 8
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})


class Secrecy:
    """Remembers secrets, and looks for them in files."""

    def __init__(self):
        self._secrets: set[bytes] = set()

    def add(self, *secrets: bytes | str) -> None:
        as_bytes = (secret.encode() if isinstance(secret, str) else secret for secret in secrets)
        self._secrets.update(secret for secret in as_bytes if len(secret) >= LEAST and len(set(secret)) > 1)

    def note(self, request, path: str, content: bytes) -> None:
        """Remembers what an exchange held: `content` is the body of its answer."""
        self.add(*secrets_of(request, path, content))

    def found_in(self, files: Iterable[Path]) -> list[str]:
        """What the files, one at least, hold of it: `FILE:TEXT`."""
        texts = {text for secret in self._secrets for text in forms(secret)}
        with tempfile.NamedTemporaryFile("wb") as patterns:
            patterns.writelines(text + b"\n" for text in texts)
            patterns.flush()
            command = ["grep", "--fixed-strings", "--only-matching", "--text", "--with-filename", "--file", patterns.name, "--"]
            done = subprocess.run([*command, *files], capture_output=True, env={"LC_ALL": "C"})
        assert done.returncode in (0, 1), done.stderr
        return sorted(set(done.stdout.decode(errors="replace").splitlines()))


def forms(secret: bytes) -> Iterator[bytes]:
    """As text, in JSON, in base64url, base64 and hex, and as Rust's `Debug` has bytes."""
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")
    yield base64.b64encode(secret).rstrip(b"=")
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield ", ".join(map(str, secret[:32])).encode()
    try:
        yield from (line for line in json.dumps(secret.decode()).strip('"').encode().splitlines() if len(line) >= LEAST)
        yield from (line for line in secret.splitlines() if len(line) >= LEAST)
    except UnicodeDecodeError:
        pass


def secrets_of(request, path: str, content: bytes) -> Iterator[bytes | str]:
    for name in ("Authorization", "X-IDENTITY-HEADER"):
        yield request.headers.get(name, "").removeprefix("Bearer ")
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    if path.endswith("/token"):
        form = parse_qs(body.decode())
        yield from form.get("client_secret", []) + form.get("client_assertion", [])
    sent, got = json_object(body), json_object(content)
    yield got.get("access_token", "")
    for members in (sent.get("key"), sent):
        if isinstance(members, dict):
            yield from (decoded(members[name]) for name in PRIVATE_MEMBERS & members.keys() if isinstance(members[name], str))
    operation = path.rstrip("/").rsplit("/", 1)[-1].lower()
    in_clear = {"encrypt": sent, "wrapkey": sent, "decrypt": got, "unwrapkey": got}.get(operation, {})
    yield decoded(text(in_clear))
    if path.startswith("/secrets/"):
        yield from (text(sent), text(got))
    elif operation in ("backup", "restore"):
        yield from (text(sent), text(got))


def json_object(body: bytes) -> dict:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def text(members: dict) -> str:
    value = members.get("value", "")
    return value if isinstance(value, str) else ""


def decoded(base64url: str) -> bytes:
    return base64.urlsafe_b64decode(base64url + "=" * (-len(base64url) % 4))
