"""`keyhaven run`: the README's example as it stands, the exit status, and the proxy between a program and the world."""

import contextlib
import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from server import await_file, binary, environment

EXAMPLE = Path(__file__).parents[3] / "examples" / "first_key.py"
# What a run tells at its end.
TOLD = r"keyhaven: taken over: local\.vault\.azure\.net:443 \(\d+ requests\)\n"


def run(*command, options=()) -> subprocess.CompletedProcess:
    command = [binary(), "run", *options, "--", *command]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)


def test_the_example_of_the_readme():
    done = run(sys.executable, EXAMPLE)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(TOLD, done.stderr), "one line, because nothing but the vault was asked for"
    lines = done.stdout.splitlines()
    assert lines[0] == "vault     https://local.vault.azure.net"
    assert lines[1].startswith("key       https://local.vault.azure.net/keys/first-key/")
    assert lines[1].endswith(" (RSA-HSM, 3072 bits)")
    assert lines[2:] == [
        "wrapped   32 bytes into 384 (RSA-OAEP-256)",
        "unwrapped the same 32 bytes",
        "refused   status 403, Forbidden, x-keyhaven-missing: keys/get",
    ]


def test_the_example_fails_when_nobody_is_not_refused(tmp_path):
    """The example's checks are real: with a policy for `nobody` it does not end with 0."""
    everything = {"keys": ["all"]}
    policies = [{"identity": name, "permissions": everything} for name in ("default", "nobody")]
    config = {
        "identities": [{"name": "default", "systemAssigned": True}, {"name": "nobody", "clientId": "6b9e7c1a-0000-4000-8000-00000000c11f"}],
        "vaults": [{"name": "local", "sku": "premium", "accessPolicies": policies}],
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = run(sys.executable, EXAMPLE, options=["--config", tmp_path / "config.json"])
    assert done.returncode == 1
    assert re.fullmatch(TOLD, done.stderr), done.stderr
    assert done.stdout.endswith("NOT REFUSED: the identity without permission read the key\n")


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15)])
def test_the_exit_status_is_that_of_the_command(command, status):
    assert run("sh", "-c", command).returncode == status


def test_a_command_that_does_not_exist_is_an_error():
    done = run("/no/such/command")
    assert done.returncode == 127
    assert "/no/such/command" in done.stderr


def test_the_command_finds_what_production_code_reads():
    shown = json.loads(run(sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))").stdout)
    assert shown["KEYHAVEN_VAULT_URL"] == "https://local.vault.azure.net"
    # The vault that the environment of `run` names, by its name in Azure; the default one where it names none.
    own = f"https://{shown['KEY_VAULT_NAME']}.vault.azure.net"
    assert shown["AZURE_KEYVAULT_URL"] == shown["VAULT_URL"] == own
    assert shown["KEY_VAULT_NAME"] == environment().get("KEY_VAULT_NAME", "local")
    assert shown["HTTPS_PROXY"] == shown["https_proxy"]
    assert shown["HTTP_PROXY"] == shown["http_proxy"] == shown["HTTPS_PROXY"]
    assert shown["REQUESTS_CA_BUNDLE"] == shown["SSL_CERT_FILE"] == shown["NODE_EXTRA_CA_CERTS"] == shown["PIP_CERT"]
    assert not Path(shown["REQUESTS_CA_BUNDLE"]).exists(), "the authority of a run ends with it"


def test_wget_trusts_what_is_taken_over():
    """wget is linked with GnuTLS, which reads no variable: its start-up file names the bundle."""
    url = "https://local.vault.azure.net/keys?api-version=7.4"
    done = run("wget", "--server-response", "--tries=1", "--output-document=-", url)
    assert "HTTP/1.1 401 Unauthorized" in done.stderr, done.stderr
    assert done.returncode == 6, "wget's status for a refused sign-in"


METADATA = """
import sys
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
with SecretClient("https://local.vault.azure.net", ManagedIdentityCredential()) as client:
    client.set_secret("s", "v")
    sys.stdout.write(client.get_secret("s").value)
"""


def test_the_metadata_service_is_found_at_its_own_address():
    """Only through the proxy: without the variables that name our endpoints, the client asks for 169.254.169.254."""
    done = run("env", "-u", "IDENTITY_ENDPOINT", "-u", "IDENTITY_HEADER", "-u", "AZURE_POD_IDENTITY_AUTHORITY_HOST",
               sys.executable, "-c", METADATA)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "v"), done.stderr
    assert re.fullmatch(TOLD.replace("over: ", r"over: 169\.254\.169\.254:80 \(\d+ requests?\), "), done.stderr)


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """The ready file of a run whose command waits until the tests are done."""
    file = tmp_path_factory.mktemp("run") / "ready.json"
    command = [binary(), "run", "--ready-file", file, "--", "cat"]
    with subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE) as process:
        yield json.loads(await_file(file, process))
        process.stdin.close()
        assert process.wait(timeout=15) == 0
    assert not file.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_any_other_name_is_tunnelled_untouched(ready, echo, host):
    sent = os.urandom(1_000_000)
    with connect(ready, f"{host}:{echo}") as (status, tunnel):
        assert status == 200
        threading.Thread(target=lambda: (tunnel.sendall(sent), tunnel.shutdown(socket.SHUT_WR))).start()
        assert b"".join(iter(lambda: tunnel.recv(65536), b"")) == sent


@pytest.mark.parametrize("listener", ["listen", "identity", "admin", "proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_the_servers_own_listeners_are_not_reached(ready, listener, host):
    port = ready[listener].rsplit(":", 1)[1]
    with connect(ready, f"{host}:{port}") as (status, _):
        assert status == 403


@pytest.mark.parametrize("target", ["169.254.169.254:443", "169.254.1.1:80", "[fe80::1]:80", "local.vault.azure.net:80"])
def test_what_must_not_be_reached_is_refused(ready, target):
    with connect(ready, target) as (status, _):
        assert status == 403


def test_a_target_that_does_not_answer_is_a_bad_gateway(ready):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with connect(ready, f"127.0.0.1:{port}") as (status, _):
        assert status == 502


@pytest.fixture(scope="module")
def echo():
    """The port of a server that answers every byte with itself."""

    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            while received := self.request.recv(65536):
                self.request.sendall(received)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextlib.contextmanager
def connect(ready: dict, target: str):
    """A plain CONNECT through the proxy: its status, and the tunnel."""
    host, port = ready["proxy"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=15) as tunnel:
        tunnel.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            received = tunnel.recv(1)
            assert received, f"the proxy hung up after {head!r}"
            head += received
        yield int(head.split(b" ", 2)[1]), tunnel
