"""The guide, README.md and docs/: every command in it runs as it is written, with the `keyhaven` that is tested on the PATH. Those
of containers are played in test_container.py.
"""

import json

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from server import binary

ROOT = Path(__file__).parents[3]
PRINTED = "secret    a secret value\nunwrapped a data key\n"


def blocks(page: str, language: str) -> list[str]:
    """The code of one language on a page."""
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """The pages of the guide."""
    return ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A directory like a checkout, where commands may leave files."""
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "keyhaven").symlink_to(binary())
    for name in ("examples", "Cargo.toml", "Cargo.lock", "src", "benches", ".cargo"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def run(checkout: Path, script: str, timeout: float = 60) -> str:
    """What a script prints that a person with nothing but a checkout and a PATH runs."""
    path = f"{checkout / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(checkout / "home")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=checkout, env=env, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# What runs here, and in `src/lib.rs` (rust); code for the eye alone is marked as text.
RUN = {
    "README.md": {"sh": 2, "python": 1, "mermaid": 1},
    "docs/admin-api.md": {"json": 1},
    "docs/audit.md": {"sh": 1},
    "docs/azure-policy.md": {"json": 1},
    "docs/any-language.md": {"sh": 1},
    "docs/ci.md": {"yaml": 1},
    "docs/configuration.md": {"json": 4},
    "docs/container.md": {"console": 3},
    "docs/events.md": {"json": 2},
    "docs/identities.md": {"json": 1},
    "docs/management.md": {"json": 1, "python": 1},
    "docs/network.md": {"json": 1},
    "docs/node.md": {"javascript": 1},
    "docs/pytest.md": {"python": 1},
    "docs/rust.md": {"rust": 1},
    "docs/server.md": {"sh": 1},
}


def test_the_code_of_the_guide_is_this():
    """A block that is added must be run here too."""
    languages = ("sh", "bash", "console", "yaml", "rust", "python", "javascript", "json", "mermaid")
    found = {page: {name: len(code) for name in languages if (code := blocks(page, name))} for page in pages()}
    assert {page: code for page, code in found.items() if code} == RUN


def test_the_first_lines_of_the_readme(checkout):
    """The step that installs has been done: its packages are those of this suite."""
    install, start = blocks("README.md", "sh")
    assert install == "cargo install --locked --path .\n"
    (checkout / "secret.py").write_text(blocks("README.md", "python")[0])
    (checkout / ".venv").symlink_to(sys.prefix)
    packages, command = start.splitlines()
    assert packages == "python3 -m venv .venv && .venv/bin/pip install azure-identity azure-keyvault-secrets"
    assert run(checkout, f"{command} 2>&1") == blocks("README.md", "text")[0]


def test_as_a_wrapper(checkout):
    assert run(checkout, blocks("docs/any-language.md", "sh")[0]) == PRINTED


def test_by_hand(checkout):
    printed = run(checkout, blocks("docs/server.md", "sh")[0])
    assert PRINTED in printed
    listed = '{"value":[{"id":"https://localhost:8443/secrets/mySecret"'
    assert printed.splitlines()[-1].startswith(listed), printed


def test_in_a_ci_job(checkout):
    """The step that installs is what puts `keyhaven` on the PATH here."""
    steps = [step["run"] for step in yaml.safe_load(blocks("docs/ci.md", "yaml")[0])["steps"]]
    assert steps[0] == "cargo install --locked --path keyhaven"
    (checkout / "keyhaven").symlink_to(ROOT)
    for step in steps[1:-1]:
        run(checkout, step)  # what it installs is there already
    assert run(checkout, steps[-1]) == PRINTED


@pytest.mark.parametrize(("page", "number"), [*(("configuration", number) for number in range(4)), ("events", 0), ("identities", 0), ("network", 0)])
def test_configurations_are_accepted(checkout, page, number):
    (checkout / "config.json").write_text(blocks(f"docs/{page}.md", "json")[number])
    run(checkout, "keyhaven run --config config.json -- true")


def test_what_a_suite_needs_is_suggested_and_required(checkout):
    """`pytest` is a program of the checkout's that asks for one secret, and then for more."""
    suggest, require = blocks("docs/audit.md", "sh")[0].splitlines()
    tests = checkout / "bin" / "pytest"
    tests.parent.mkdir(exist_ok=True)
    ask = 'curl --silent --output /dev/null --header "Authorization: Bearer $(keyhaven identity token default)"'
    tests.write_text(f'#!/bin/sh -e\n{ask} "$VAULT_URL/secrets?api-version=7.4"\n')
    tests.chmod(0o755)
    run(checkout, suggest)
    run(checkout, require)
    tests.write_text(tests.read_text() + f'{ask} "$VAULT_URL/keys?api-version=7.4"\n')
    with pytest.raises(AssertionError, match="not in the required policy: default KeyList local"):
        run(checkout, require)


def test_a_factory_under_its_customers_key(checkout):
    (checkout / "vaults.json").write_text(blocks("docs/management.md", "json")[0])
    (checkout / "factory.py").write_text(blocks("docs/management.md", "python")[0])
    assert run(checkout, "keyhaven run --config vaults.json -- python factory.py") == "['nightly']\n"


def test_two_programs(checkout):
    [command] = re.findall("`(keyhaven run [^`]*two-programs/start)`", (ROOT / "README.md").read_text())
    printed = ["what is kept Server=S;Database=D;User ID=U", "orders       3", "run by       premises"]
    assert run(checkout, command).splitlines() == printed


def test_policies_are_accepted(checkout):
    (checkout / "policies.json").write_text(blocks("docs/azure-policy.md", "json")[0])
    (checkout / "main.json").write_text('{"contentVersion": "1.0.0.0", "resources": []}')
    run(checkout, "keyhaven policy check main.json --policies policies.json")


def test_fault_rules_are_accepted(checkout):
    (checkout / "faults.json").write_text(blocks("docs/admin-api.md", "json")[0])
    ask = 'curl --silent --fail-with-body --noproxy "*" --header "Authorization: Bearer $KEYHAVEN_ADMIN_KEY"'
    command = f'{ask} --upload-file faults.json "$KEYHAVEN_ADMIN_URL/admin/faults"'
    assert len(json.loads(run(checkout, f"keyhaven run -- sh -c {shlex.quote(command)}"))["rules"]) == 2


@pytest.mark.parametrize(
    ("page", "language", "example"),
    [("pytest", "python", "pytest/example/test_orders.py"), ("node", "javascript", "node/example/orders.test.js")],
)
def test_tests_that_are_shown_are_those_of_the_kits(page, language, example):
    """The kits' own suites run them."""
    whole = (ROOT / "kits" / example).read_text()
    for part in blocks(f"docs/{page}.md", language)[0].split("\n\n"):
        assert part.strip() in whole


def test_the_files_of_containers_are_there():
    """test_container.py plays them."""
    commands = blocks("docs/container.md", "console")
    assert [command.split()[0] for command in commands] == ["docker", "docker", "kubectl"]
    for command in commands:
        [file] = re.findall(r"--file(?:name)? (\S+)", command)
        assert (ROOT / file).is_file(), file
