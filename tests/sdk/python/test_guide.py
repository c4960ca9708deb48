"""The README's guide: every command in it is run as it stands, with the `keyhaven` that is tested on the PATH.

There is no container engine where this runs. The sidecar's containers are played by processes: the files that the image is
built from must build the server, and the services of the compose file run with its commands, variables, host names and
network aliases, and nothing else.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from server import binary

ROOT = Path(__file__).parents[3]
PRINTED = "secret    a secret value\nunwrapped a data key\n"
ADDRESS = "10.89.0.2"  # of the server's container; there is loopback alone here, and it may have any address


def blocks(section: str, language: str) -> list[str]:
    """The code of one language in a section of the README."""
    text = (ROOT / "README.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


GUIDE = "Five ways to use it"


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


def test_the_commands_of_the_guide_are_these():
    """A section that is added must be run here too."""
    assert [len(blocks(GUIDE, language)) for language in ("sh", "console", "yaml", "rust")] == [2, 1, 1, 1]


def test_as_a_wrapper(checkout):
    assert run(checkout, blocks(GUIDE, "sh")[0]) == PRINTED


def test_by_hand(checkout):
    printed = run(checkout, blocks(GUIDE, "sh")[1])
    assert PRINTED in printed
    listed = '{"value":[{"id":"https://localhost:8443/secrets/mySecret"'
    assert printed.splitlines()[-1].startswith(listed), printed


def test_in_a_ci_job(checkout):
    """The step that installs is what puts `keyhaven` on the PATH here."""
    steps = [step["run"] for step in yaml.safe_load(blocks(GUIDE, "yaml")[0])["steps"]]
    assert steps[0] == "cargo install --locked --path keyhaven"
    (checkout / "keyhaven").symlink_to(ROOT)
    for step in steps[1:-1]:
        run(checkout, step)  # what it installs is there already
    assert run(checkout, steps[-1]) == PRINTED


# The sidecar.

COMPOSE = "docker compose --file examples/sidecar/compose.yaml up --build\n"
SIDECAR = ROOT / "examples" / "sidecar"


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions with their arguments."""
    lines = [line for line in dockerfile.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(" ", 1)) for line in lines]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of the server's Dockerfile, stage by stage."""
    stages = []
    for instruction in instructions((ROOT / "Dockerfile").read_text()):
        if instruction[0] == "FROM":
            stages.append([])
        stages[-1].append(instruction)
    return stages


def test_the_image_has_all_that_the_server_is_built_of(tmp_path):
    build, final = stages()
    sources = [word for name, words in build if name == "COPY" for word in words.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*" and {line.lstrip("!") for line in ignored[1:]} == set(sources)
    for source in sources:
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, tmp_path / source)
    [command] = [words for name, words in build if name == "RUN" and words.startswith("cargo ")]
    assert command == "cargo build --release --locked --bin keyhaven"
    # The same without what takes minutes: every file that it needs is there, and every package is locked. What is checked
    # of other packages is there from the lints.
    check = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
    subprocess.run(check, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    check = ["cargo", "check", "--locked", "--offline", "--bin", "keyhaven", "--quiet"]
    env = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target")}
    subprocess.run(check, cwd=tmp_path, env=env, check=True, timeout=580)
    assert ("COPY", "--from=build /keyhaven/target/release/keyhaven /usr/local/bin/keyhaven") in final
    assert ("ENTRYPOINT", '["keyhaven"]') in final and ("CMD", '["serve"]') in final


@pytest.fixture
def services() -> dict:
    [command] = blocks(GUIDE, "console")
    assert command == COMPOSE
    return yaml.safe_load((SIDECAR / "compose.yaml").read_text())["services"]


@pytest.fixture
def sidecar(services, tmp_path) -> Iterator[dict]:
    """The server's container, played by a process: its image's variables, its command, its host name, its address."""
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/24", "dev", "lo"], check=True)
    service = services["keyhaven"]
    env = {"PATH": os.environ["PATH"]}
    for name, words in stages()[1]:
        if name == "ENV":
            env |= dict(pair.split("=", 1) for pair in words.split())
    volumes = {name: tmp_path / name for name in ("data", "trust")}
    for name in volumes:
        volumes[name].mkdir()
        env |= {variable: str(volumes[name]) for variable, value in env.items() if value == f"/{name}"}
    assert service["volumes"] == ["./config.json:/config.json:ro", "data:/data"]
    command = [str(SIDECAR / "config.json") if word == "/config.json" else word for word in service["command"]]
    inside = f"hostname {service['hostname']} && exec {shlex.join([binary(), *command])}"
    with subprocess.Popen(["unshare", "-u", "sh", "-c", inside], env=env) as process:
        try:
            yield {"env": env, "volumes": volumes, "aliases": service["networks"]["default"]["aliases"]}
        finally:
            process.terminate()
            process.wait(timeout=15)
            subprocess.run(["ip", "address", "del", f"{ADDRESS}/24", "dev", "lo"], check=True)


def test_as_a_sidecar_container(services, sidecar, tmp_path):
    trust = services["trust"]
    assert trust["depends_on"] == {"keyhaven": {"condition": "service_healthy"}}
    await_health(sidecar["env"])
    assert trust["volumes"] == ["data:/data:ro", "trust:/trust"]
    command = [there(word, sidecar["volumes"]) for word in trust["command"]]
    subprocess.run([binary(), *command], env=sidecar["env"], check=True, timeout=30)

    service = services["application"]
    assert service["depends_on"] == {"trust": {"condition": "service_completed_successfully"}}
    assert service["volumes"] == ["trust:/trust:ro"]
    assert [file.name for file in sidecar["volumes"]["trust"].iterdir()] == ["ca.pem"], "and no key"

    names = [services["keyhaven"]["hostname"], *sidecar["aliases"]]
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{ADDRESS} {name}\n" for name in names))
    copied = dict(instructions(service["build"]["dockerfile_inline"]))
    assert copied["COPY"] == "quickstart.py ." and copied["CMD"] == '["python3", "quickstart.py"]'
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name, value in service["environment"].items():
        env[name] = there(value, sidecar["volumes"])
    inside = f"mount --bind {hosts} /etc/hosts && exec python3 quickstart.py"
    where = SIDECAR / service["build"]["context"]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", inside], cwd=where, env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, PRINTED), done.stderr


def there(word: str, volumes: dict[str, Path]) -> str:
    """A container's path in one of its volumes, as it lies here."""
    for name, path in volumes.items():
        word = re.sub(rf"^/{name}(?=/|$)", str(path), word)
    return word


def await_health(env: dict[str, str]) -> None:
    """As the image's HEALTHCHECK asks."""
    [check] = [words for name, words in stages()[1] if name == "HEALTHCHECK"]
    command = yaml.safe_load(check.split("CMD ", 1)[1])
    assert command == ["keyhaven", "health"]
    deadline = time.monotonic() + 30
    while subprocess.run([binary(), *command[1:]], env=env, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "the container is not healthy"
        time.sleep(0.1)
