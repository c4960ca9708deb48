"""What is good on this machine alone, asked for from elsewhere: a server that listens on every address is asked by one that is
not loopback's."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import urllib.parse
from collections.abc import Iterator

import pytest

from server import await_file, binary, environment

ADDRESS = "10.88.0.2"  # there is loopback alone here, and it may have any address
TENANT = "6b9e7c1a-0000-4000-8000-000000000001"
DEFAULT = "6b9e7c1a-0000-4000-8000-00000000c11e"
STRANGER = "51515151-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Iterator[dict]:
    """A server on every address, with a takeover: strangers of this machine are welcome."""
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/24", "dev", "lo"], check=True)
    file = tmp_path_factory.mktemp("near") / "ready.json"
    command = [binary(), "serve", "--ephemeral", "--ready-file", file, "--log-level", "error", "--admin-listen", ":0"]
    command += ["--listen", "0.0.0.0:0", "--identity-listen", "0.0.0.0:0", "--proxy-listen", ":0"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        try:
            yield json.loads(await_file(file, process))
        finally:
            process.terminate()
            assert process.wait(timeout=15) == 0
            subprocess.run(["ip", "address", "del", f"{ADDRESS}/24", "dev", "lo"], check=True)


def sign_in(ready: dict, address: str, client: str, secret: str) -> tuple[int, list[int] | None]:
    """The status, and the error codes, of a request to the token endpoint at an address."""
    form = {
        "client_id": client,
        "client_secret": secret,
        "grant_type": "client_credentials",
        "scope": "https://vault.azure.net/.default",
    }
    context = ssl.create_default_context(cafile=ready["ca"])
    connection = http.client.HTTPSConnection("login.localhost")
    port = int(ready["listen"].rsplit(":", 1)[1])
    plain = socket.create_connection((address, port), timeout=15)
    connection.sock = context.wrap_socket(plain, server_hostname="login.localhost")
    with contextlib.closing(connection):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/{TENANT}/oauth2/v2.0/token", urllib.parse.urlencode(form), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("error_codes")


def managed(ready: dict, address: str, client: str) -> int:
    port = int(ready["identity"].rsplit(":", 1)[1])
    connection = http.client.HTTPConnection(address, port, timeout=15)
    query = f"api-version=2018-02-01&resource=https://vault.azure.net&client_id={client}"
    with contextlib.closing(connection):
        connection.request("GET", f"/metadata/identity/oauth2/token?{query}", headers={"Metadata": "true"})
        return connection.getresponse().status


def test_the_built_in_secret_is_good_on_this_machine_alone(ready):
    assert sign_in(ready, "127.0.0.1", DEFAULT, "keyhaven") == (200, None)
    assert sign_in(ready, ADDRESS, DEFAULT, "keyhaven") == (401, [7000215])


def test_strangers_are_welcome_from_this_machine_alone(ready):
    assert sign_in(ready, ADDRESS, STRANGER, "any") == (400, [700016])
    assert managed(ready, ADDRESS, STRANGER) == 400
    assert managed(ready, ADDRESS, DEFAULT) == 200, "who is configured is known everywhere"
    assert sign_in(ready, "127.0.0.1", STRANGER, "any") == (200, None)
    assert sign_in(ready, ADDRESS, STRANGER, "any") == (400, [700016]), "also once it was made"


def test_a_stranger_that_was_made_is_nobody_elsewhere(ready):
    assert managed(ready, "127.0.0.1", STRANGER) == 200
    assert managed(ready, ADDRESS, STRANGER) == 400
