"""The plugin in sessions of its own, as installed: what is configured, what is found, what is said when something is wrong."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

CONFIG = """{"vaults": [{"name": "shop", "accessPolicies": [{"identity": "default", "permissions": {"secrets": ["get"]}}],
  "secrets": [{"name": "kept", "value": "from the file"}]}], "identities": [{"name": "default", "systemAssigned": true}]}"""

# Set by a server for its programs, and read from the shell of a person.
OURS = ("KEYHAVEN_", "AZURE_", "IDENTITY_", "VAULT_URL", "KEY_VAULT_NAME")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """A shell in which nothing is set; the sessions leave no caches."""
    for name in os.environ:
        if name != "KEYHAVEN_BIN" and (name.startswith(OURS) or name.upper().endswith("_PROXY")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def run(pytester, *arguments):
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def files(pytester) -> set[str]:
    """What lies in the checkout, without what pytester itself keeps there."""
    own = ("stdout", "stderr", "runpytest-")
    found = (str(file.relative_to(pytester.path)) for file in pytester.path.rglob("*"))
    return {file for file in found if not file.startswith(own)}


def test_a_configuration_and_secrets_of_single_tests(pytester):
    """With the ini option, markers of a class and of a test, and the variables that name the vault."""
    pytester.makefile(".json", shop=CONFIG)
    pytester.makeini("[pytest]\nkeyhaven_config = shop.json\naddopts = --strict-markers -W error")
    pytester.makepyfile(
        """
        import os
        import pytest
        from azure.core.exceptions import HttpResponseError
        from azure.keyvault.secrets import SecretClient

        NAMES = ("KEYHAVEN_VAULT_URL", "AZURE_KEYVAULT_URL", "VAULT_URL")
        SHOP = "https://shop.vault.azure.net"


        @pytest.mark.keyhaven_secrets({"one": "of the class", "two": "of the class"})
        class TestSecrets:
            @pytest.mark.keyhaven_secrets({"two": "of the test", "kept": "of the test"})
            def test_marked(self, credential):
                assert {os.environ[name] for name in NAMES} != {SHOP}
                secrets = SecretClient(os.environ["VAULT_URL"], credential)
                values = {name: secrets.get_secret(name).value for name in ("one", "two", "kept")}
                assert values == {"one": "of the class", "two": "of the test", "kept": "of the test"}
                with pytest.raises(HttpResponseError, match="does not have secrets set permission"):
                    secrets.set_secret("one", "the policy of the file holds")

            def test_named(self, vault_url):
                assert {os.environ[name] for name in NAMES} == {vault_url}
                assert vault_url == f"https://{os.environ['KEY_VAULT_NAME']}.vault.azure.net" != SHOP


        def test_put_back(keyhaven):
            assert {os.environ[name] for name in NAMES} == {SHOP, keyhaven.default_vault_url}
            assert [vault["name"] for vault in keyhaven.admin("GET", "/admin/vaults")["vaults"]] == ["shop"]
        """
    )
    before = files(pytester)
    run(pytester).assert_outcomes(passed=3)
    assert files(pytester) == before, "nothing is left"


def test_a_configuration_from_a_fixture(pytester):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def keyhaven_config():
            return {"vaults": [{"name": "from-a-dict"}]}
        """
    )
    pytester.makepyfile("def test_it(keyhaven): assert keyhaven.default_vault == 'from-a-dict'")
    run(pytester).assert_outcomes(passed=1)


def test_what_the_server_says_when_it_does_not_start(pytester):
    pytester.makefile(".json", wrong='{"vaults": [{"name": "a"}]}')
    pytester.makeini("[pytest]\nkeyhaven_config = wrong.json")
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["keyhaven did not start: *wrong.json: vaults*.name: must be 3 to 24 *"])


def test_a_missing_program_is_named(pytester, monkeypatch):
    monkeypatch.setenv("KEYHAVEN_BIN", "no-such-program")
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*there is no 'no-such-program'; put keyhaven on the PATH, or set KEYHAVEN_BIN*"])


def test_a_marker_that_is_no_dict_is_refused(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.keyhaven_secrets("name", "value")
        def test_it(): pass
        """
    )
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['keyhaven_secrets takes one dict: @pytest.mark.keyhaven_secrets({"name": "value"})'])


PROCESS = "def test_it(keyhaven): assert keyhaven.admin('GET', '/admin/vaults')['vaults'][0]['name'] == '{}'"


@pytest.fixture
def serve(tmp_path):
    """Starts a server as another process does; answers it and its ready file."""
    servers = []

    def start(*options: str) -> tuple[subprocess.Popen, Path]:
        (tmp_path / "config.json").write_text('{"vaults": [{"name": "another"}]}')
        ready_file = tmp_path / f"ready-{len(servers)}.json"
        command = [os.environ["KEYHAVEN_BIN"], "serve", "--ephemeral", "--config", tmp_path / "config.json", "--ready-file", ready_file]
        for listener in ("--listen", "--identity-listen", "--admin-listen"):
            command += [listener, "127.0.0.1:0"]
        servers.append(subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        while not ready_file.exists():
            assert servers[-1].poll() is None
            time.sleep(0.01)
        return servers[-1], ready_file

    yield start
    for server in servers:
        server.kill()
        server.wait()


def test_a_server_of_another_process(pytester, serve, monkeypatch):
    """By option, by ini file and by KEYHAVEN_READY_FILE; when it is gone, an option fails, and another is started for the variable."""
    server, ready_file = serve("--proxy-listen", "127.0.0.1:0")
    pytester.makepyfile(PROCESS.format("another"))
    result = run(pytester, "--keyhaven-server", str(ready_file), "-o", "keyhaven_config=x.json")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*keyhaven_config is for a server that the plugin starts; the one that runs already has its own"])
    (pytester.path / "ready.json").write_bytes(ready_file.read_bytes())
    run(pytester, "-o", "keyhaven_server=ready.json").assert_outcomes(passed=1, warnings=0)
    monkeypatch.setenv("KEYHAVEN_READY_FILE", str(ready_file))
    run(pytester).assert_outcomes(passed=1, warnings=0)
    result = run(pytester, "--keyhaven-server", "start")
    result.assert_outcomes(failed=1)

    server.send_signal(signal.SIGKILL)
    server.wait()
    pytester.makepyfile(PROCESS.format("local"))
    result = run(pytester)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*the server of this environment is not used, and another one is started: *ready-0.json: *gone*"])
    result = run(pytester, "--keyhaven-server", str(ready_file))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ready-0.json: the server of this ready file is gone; *"])


def test_a_server_without_a_takeover_is_refused(pytester, serve):
    """Code that says NAME.vault.azure.net would reach the real Azure."""
    _, ready_file = serve("--proxy-listen", "")
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester, "--keyhaven-server", str(ready_file))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the running server has no takeover proxy; start it with --proxy-listen 127.0.0.1:8082"])
