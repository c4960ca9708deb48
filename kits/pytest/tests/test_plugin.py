"""The plugin in sessions of its own, as installed: what is configured, what is found, what is said when something is wrong."""

import os
import re
import signal
import subprocess
import sys
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


        def test_patched(monkeypatch, vault_url):
            monkeypatch.setenv("VAULT_URL", "https://another.vault.azure.net")


        def test_put_back(keyhaven):
            assert {os.environ[name] for name in NAMES} == {SHOP, keyhaven.default_vault_url}
            assert [vault["name"] for vault in keyhaven.admin("GET", "/admin/vaults")["vaults"]] == ["shop"]
        """
    )
    before = files(pytester)
    run(pytester).assert_outcomes(passed=4)
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


URL_BUILT_IN = """
    import os
    import pytest
    from azure.core.exceptions import ResourceNotFoundError
    from azure.keyvault.secrets import SecretClient

    @pytest.fixture(scope="session", autouse=True)
    def filled(keyhaven, credential):
        SecretClient(keyhaven.default_vault_url, credential).set_secret("filled", "once")

    @pytest.fixture
    def secrets(credential):
        return SecretClient("https://shop-vault.vault.azure.net", credential)
"""


def test_every_test_gets_the_vault_that_the_code_names(pytester):
    """It begins as the configuration and the session have filled it, with the marked secrets; it is the default vault."""
    pytester.makefile(".json", shop='{"vaults": [{"name": "other"}, {"name": "shop-vault", "secrets": {"kept": "of the file"}}]}')
    pytester.makeini("[pytest]\nkeyhaven_config = shop.json\nkeyhaven_vault = shop-vault\naddopts = --strict-markers -W error")
    pytester.makepyfile(
        URL_BUILT_IN
        + """
    @pytest.mark.parametrize("turn", [1, 2])
    def test_alike(secrets, turn):
        assert {one.name for one in secrets.list_properties_of_secrets()} == {"kept", "filled"}
        secrets.set_secret("kept", "changed")
        secrets.begin_delete_secret("filled").wait()

    @pytest.mark.keyhaven_secrets({"kept": "of the test"})
    def test_marked(secrets, vault_url, keyhaven):
        assert vault_url == os.environ["VAULT_URL"] == keyhaven.default_vault_url == "https://shop-vault.vault.azure.net"
        assert [secrets.get_secret(name).value for name in ("kept", "filled")] == ["of the test", "once"]

    @pytest.mark.keyhaven_vault("new-vault")
    def test_another(vault_url, credential):
        assert SecretClient(vault_url, credential).get_secret("filled").value == "once"

    @pytest.fixture(scope="session", autouse=True)
    def put_back(filled, keyhaven):
        yield
        assert {vault["name"] for vault in keyhaven.admin("GET", "/admin/vaults")["vaults"]} == {"other", "shop-vault"}
    """
    )
    run(pytester).assert_outcomes(passed=4)


def test_a_vault_that_the_code_names_is_made_for_the_marked_tests_alone(pytester):
    """It is a copy of the default one, whatever an unmarked test has left in a vault of the name."""
    pytester.makepyfile(
        URL_BUILT_IN
        + """
    def test_unmarked(secrets):
        secrets.set_secret("left", "by a test")

    @pytest.mark.keyhaven_vault("shop-vault")
    def test_marked(secrets):
        assert secrets.get_secret("filled").value == "once"
        with pytest.raises(ResourceNotFoundError):
            secrets.get_secret("left")

    def test_again(secrets):
        with pytest.raises(ResourceNotFoundError):
            secrets.get_secret("filled")

    @pytest.mark.keyhaven_vault("shop-vault")
    def test_in_use(keyhaven, vault_url):
        with pytest.raises(Exception, match="the vault 'shop-vault' is another test's now: on one server a name is one vault"):
            with keyhaven.vault(name="shop-vault"):
                pass
        with keyhaven.vault({"a": "b"}) as url:
            assert os.environ["VAULT_URL"] == os.environ["KEYHAVEN_VAULT_URL"] == url != vault_url
        assert os.environ["VAULT_URL"] == vault_url

    @pytest.mark.keyhaven_vault("shop-vault", "more")
    def test_wrong(vault_url):
        pass
    """
    )
    result = run(pytester)
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(['keyhaven_vault takes one name: @pytest.mark.keyhaven_vault("shop-vault")'])


def test_what_fixtures_answer(pytester):
    """Moments, faults with their hits, which end with the test, and other identities."""
    pytester.makepyfile(
        """
        from datetime import datetime, timedelta, timezone
        import pytest
        from azure.core.exceptions import HttpResponseError
        from azure.identity import DefaultAzureCredential
        from azure.keyvault.secrets import SecretClient

        def test_moments(clock):
            clock.freeze()
            now = clock.now
            assert now.utcoffset() == timedelta(0)
            for period in (timedelta(days=90), "P90D", "90 days", "90d"):
                assert clock.advance(period) == now + timedelta(days=90)
                now = clock.now
            assert clock.set(now + timedelta(hours=1)) == now + timedelta(hours=1)
            assert clock.set("2090-01-01T00:00:00Z") == datetime(2090, 1, 1, tzinfo=timezone.utc) <= clock.run()

        def test_faults(vault_url, credential, keyhaven, faults):
            secrets = SecretClient(vault_url, credential, retry_total=0)
            keyhaven.admin("PUT", "/admin/faults", {"rules": [{"vault": "local", "then": {"status": 500}}]})
            first = faults("SecretSet", status=429, retry_after=7, times=1)
            faults("SecretSet", delay=timedelta(milliseconds=1))
            with pytest.raises(HttpResponseError) as throttled:
                secrets.set_secret("a", "b")
            assert (throttled.value.status_code, throttled.value.response.headers["retry-after"]) == (429, "7")
            secrets.set_secret("a", "b")
            assert (first.hits, faults("SecretGet", cut="before", rate=0.5).hits) == (1, 0)
            first.remove()

        def test_no_faults_are_left(keyhaven):
            left = keyhaven.admin("GET", "/admin/faults")
            assert "named" not in left and len(left["rules"]) == 1, "those of another client stay"

        def test_another_identity_is_refused(vault_url, credential_of):
            with pytest.raises(HttpResponseError, match="does not have secrets get permission"):
                SecretClient(vault_url, credential_of("nobody")).get_secret("a")
            with pytest.raises(Exception, match="no identity is called 'reports'; there are default, nobody"):
                credential_of("reports")

        def test_unchanged_code_is_refused(vault_url, as_identity):
            as_identity("nobody")
            with pytest.raises(HttpResponseError, match="does not have secrets get permission"):
                SecretClient(vault_url, DefaultAzureCredential()).get_secret("a")

        def test_the_identity_is_put_back(vault_url):
            SecretClient(vault_url, DefaultAzureCredential()).set_secret("a", "b")

        def test_a_fault_that_could_not_act(faults):
            faults("GetSecret", status=503)
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["*there is no 'GetSecret' (did you mean 'SecretGet'?)*"])


def test_what_the_server_says_when_it_does_not_start(pytester):
    pytester.makefile(".json", wrong='{"vaults": [{"name": "a"}]}')
    pytester.makeini("[pytest]\nkeyhaven_config = wrong.json")
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["keyhaven did not start: *wrong.json: vaults*.name: must be 3 to 24 *"])
    result.stdout.no_fnmatch_line("*During handling of the above exception*")


def test_a_missing_program_is_named(pytester, monkeypatch):
    monkeypatch.setenv("KEYHAVEN_BIN", "no-such-program")
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*there is no 'no-such-program'; put keyhaven on the PATH, or set KEYHAVEN_BIN*"])


def test_markers_that_are_wrong_are_refused(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.keyhaven_secrets("name", "value")
        def test_no_dict(): pass

        @pytest.mark.keyhaven_secrets({"name": 7})
        def test_no_text(): pass
        """
    )
    result = run(pytester)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(['keyhaven_secrets takes one dict: @pytest.mark.keyhaven_secrets({"name": "value"})'])
    result.stdout.fnmatch_lines(["PUT /admin/vaults/t-*: secrets?0?.value: invalid type: integer, expected a string"])
    result.stdout.no_fnmatch_line("*During handling of the above exception*")


def test_a_server_that_was_misspelt(pytester):
    pytester.makepyfile("def test_it(): pass")
    for option, name in ((("--keyhaven-server", "runing"), "--keyhaven-server"), (("-o", "keyhaven_server=runing"), "keyhaven_server")):
        result = run(pytester, *option)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"{name}: there is no file 'runing'; give start, running, or the ready file of a server that runs"])


PROCESS = "def test_it(keyhaven): assert keyhaven.admin('GET', '/admin/vaults')['vaults'][0]['name'] == '{}'"


@pytest.fixture
def serve(tmp_path):
    """Starts a server as another process does; answers it and its ready file."""
    servers = []

    def start(*options: str) -> tuple[subprocess.Popen, Path]:
        (tmp_path / "config.json").write_text('{"vaults": [{"name": "another", "secrets": {"kept": "before"}}]}')
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
    result = run(pytester, "--keyhaven-server", str(ready_file))
    result.assert_outcomes(passed=1, warnings=0)
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


def test_a_server_of_another_configuration(pytester, serve, monkeypatch):
    """The same file is none; of another one a warning and every failure say what to do. A vault of the user's shell is none of it."""
    monkeypatch.setenv("KEY_VAULT_NAME", "contoso")
    monkeypatch.setenv("VAULT_URL", "https://contoso.vault.azure.net")
    _, ready_file = serve("--proxy-listen", "127.0.0.1:0")
    pytester.makepyfile("import os\ndef test_it(keyhaven): assert [keyhaven.default_vault, os.environ['KEY_VAULT_NAME']] != ['another'] * 2")
    result = run(pytester, "-W", "error", "--keyhaven-server", str(ready_file), "-o", f"keyhaven_config={ready_file.parent}/config.json")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*the server that runs already*")
    pytester.makefile(".json", mine="{}")
    result = run(pytester, "--keyhaven-server", str(ready_file), "-o", f"keyhaven_config={pytester.path}/mine.json")
    result.assert_outcomes(failed=1, warnings=1)
    text = "the server that runs already has the configuration */config.json, the tests want mine.json; start it with: keyhaven serve --config mine.json --clock virtual --ephemeral --ready-file ready.json, *"
    result.stdout.fnmatch_lines(["*- keyhaven -*", text, f"*KeyhavenWarning: {text}"])


def test_a_vault_that_was_asked_in_place_of_the_test_s_own_is_named(pytester):
    """As by code that has its URL built in; not of a test that asked its own, nor of a fixture's requests."""
    pytester.makepyfile(
        URL_BUILT_IN
        + """
    def test_another(secrets, vault_url):
        secrets.get_secret("filled")

    def test_own(secrets, vault_url, credential):
        SecretClient(vault_url, credential).get_secret("filled")
        secrets.get_secret("filled")
    """
    )
    result = run(pytester)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["this test asked shop-vault, its vault is t-*; name it: keyhaven_vault = shop-vault"])
    assert result.stdout.str().count("this test asked") == 1
    result = run(pytester, "-o", "keyhaven_vault=https://shop-vault.vault.azure.net")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["keyhaven_vault: 'https://shop-vault.vault.azure.net' is a URL; give the name, shop-vault"])


HELD = """
    import time
    import pytest
    from azure.keyvault.secrets import SecretClient

    @pytest.mark.keyhaven_vault("another")
    def test_ended(keyhaven, vault_url):
        keyhaven.admin("PUT", "/admin/vaults/another", {"secrets": {"kept": "changed"}})
        open("changed", "w").close()
        time.sleep(60)

    @pytest.mark.keyhaven_vault("another")
    def test_later(vault_url, credential):
        assert SecretClient(vault_url, credential).get_secret("kept").value == "before"
"""


@pytest.fixture
def ended(pytester, serve):
    """Ends a session by a signal while its test has changed a vault; answers the ready file of the server that stays."""
    _, ready_file = serve("--proxy-listen", "127.0.0.1:0")
    pytester.makepyfile(HELD)

    def end(by: signal.Signals) -> Path:
        changed = pytester.path / "changed"
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--keyhaven-server", str(ready_file), "-k", "ended"]
        session = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL)
        while not changed.exists():
            assert session.poll() is None
            time.sleep(0.01)
        changed.unlink()
        session.send_signal(by)
        session.wait(timeout=20)
        return ready_file

    return end


def test_a_session_that_a_signal_ends_puts_the_vault_back(pytester, ended):
    ready_file = ended(signal.SIGTERM)
    run(pytester, "--keyhaven-server", str(ready_file), "-k", "later").assert_outcomes(passed=1, deselected=1)


def test_what_a_killed_session_has_left_says_how_it_is_put_back(pytester, ended, monkeypatch):
    ready_file = ended(signal.SIGKILL)
    result = run(pytester, "--keyhaven-server", str(ready_file), "-k", "later")
    result.assert_outcomes(errors=1, deselected=1)
    put_back = re.search(r"one was killed: (t-\w+) holds the vault as it was before that test; put it back: (.+)", result.stdout.str())
    assert put_back[2].split(" && ")[1] == f"keyhaven vault copy {put_back[1]} another"
    monkeypatch.setenv("KEYHAVEN_READY_FILE", str(ready_file))
    subprocess.run(["sh", "-ec", put_back[2].replace("keyhaven vault", '"$KEYHAVEN_BIN" vault')], check=True)
    run(pytester, "-k", "later").assert_outcomes(passed=1, deselected=1)


def test_workers_do_not_share_a_vault_of_one_name(pytester, serve):
    """Each has a server of its own, unless one runs already."""
    pytester.makeconftest("def pytest_configure(config): config.workerinput = {}")
    pytester.makepyfile("def test_it(vault_url): assert vault_url == 'https://shop-vault.vault.azure.net'")
    _, ready_file = serve("--proxy-listen", "127.0.0.1:0")
    result = run(pytester, "-o", "keyhaven_vault=shop-vault", "--keyhaven-server", str(ready_file))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["keyhaven_vault: the workers of pytest-xdist share the server that runs already, *: --keyhaven-server start"])
    run(pytester, "-o", "keyhaven_vault=shop-vault").assert_outcomes(passed=1)


def test_a_server_without_a_takeover_is_refused(pytester, serve):
    """Code that says NAME.vault.azure.net would reach the real Azure."""
    _, ready_file = serve("--proxy-listen", "")
    pytester.makepyfile("def test_it(): pass")
    result = run(pytester, "--keyhaven-server", str(ready_file))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the running server has no takeover proxy; start it with --proxy-listen 127.0.0.1:8082"])
