"""The guide, README.md and docs/: every command in it runs as it is written, with the `keyhaven` that is tested on the PATH.

There is no container engine where this runs. Processes stand in for containers: the files that the image is built from must
build the server, and the services of the compose file, and the containers of the pod, run with its commands, variables,
host names and aliases, and nothing else.
"""

import json

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
    "docs/any-language.md": {"sh": 1},
    "docs/ci.md": {"yaml": 1},
    "docs/configuration.md": {"json": 2},
    "docs/container.md": {"console": 2},
    "docs/events.md": {"json": 2},
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


@pytest.mark.parametrize(("page", "number"), [("configuration", 0), ("configuration", 1), ("events", 0)])
def test_configurations_are_accepted(checkout, page, number):
    (checkout / "config.json").write_text(blocks(f"docs/{page}.md", "json")[number])
    run(checkout, "keyhaven run --config config.json -- true")


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
    assert command == "cargo build --profile dist --locked --bin keyhaven"
    # The same without what takes minutes: every file that it needs is there, and every package is locked. What is checked
    # of other packages is there from the lints.
    check = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
    subprocess.run(check, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    check = ["cargo", "check", "--locked", "--offline", "--bin", "keyhaven", "--quiet"]
    env = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target")}
    subprocess.run(check, cwd=tmp_path, env=env, check=True, timeout=580)
    assert ("COPY", "--from=build /keyhaven/target/dist/keyhaven /usr/local/bin/keyhaven") in final
    assert ("ENTRYPOINT", '["keyhaven"]') in final and ("CMD", '["serve"]') in final


@pytest.fixture
def services() -> dict:
    assert blocks("docs/container.md", "console")[0] == COMPOSE
    return yaml.safe_load((SIDECAR / "compose.yaml").read_text())["services"]


def image_variables() -> dict[str, str]:
    """The variables of the server's image."""
    pairs = [pair for name, words in stages()[1] if name == "ENV" for pair in words.split()]
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.fixture
def sidecar(services, tmp_path) -> Iterator[dict]:
    """The server's container, played by a process: its image's variables, its command, its host name, its address."""
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/24", "dev", "lo"], check=True)
    service = services["keyhaven"]
    env = {"PATH": os.environ["PATH"]} | image_variables()
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


# The pod.


def test_as_a_sidecar_in_a_pod(tmp_path):
    """The containers of a pod share loopback, which is all that there is here."""
    assert blocks("docs/container.md", "console")[1] == "kubectl apply --filename examples/kubernetes/pod.yaml\n"
    settings, pod = yaml.safe_load_all((ROOT / "examples" / "kubernetes" / "pod.yaml").read_text())
    server, trust = pod["spec"]["initContainers"]
    [application] = pod["spec"]["containers"]
    volumes = {}
    for container in (server, trust, application):
        for mount in container["volumeMounts"]:
            name = mount["mountPath"].strip("/")
            volumes[name] = tmp_path / mount["name"]
            volumes[name].mkdir(exist_ok=True)
    assert application["volumeMounts"] == [{"name": "trust", "mountPath": "/trust", "readOnly": True}]
    (tmp_path / "config" / "config.json").write_text(settings["data"]["config.json"])

    env = {"PATH": os.environ["PATH"]}
    env |= {name: there(value, volumes) for name, value in image_variables().items()}
    with subprocess.Popen([binary(), *(there(word, volumes) for word in server["args"])], env=env) as process:
        try:
            assert server["startupProbe"]["exec"]["command"] == ["keyhaven", "health"]
            await_health(env)
            subprocess.run([binary(), *(there(word, volumes) for word in trust["args"])], env=env, check=True, timeout=30)
            assert in_the_pod(pod["spec"]["hostAliases"], application, volumes, tmp_path / "hosts") == PRINTED
        finally:
            process.terminate()
            process.wait(timeout=15)


def in_the_pod(aliases: list[dict], application: dict, volumes: dict[str, Path], hosts: Path) -> str:
    """What the quickstart prints as the application of the pod."""
    lines = [f"{alias['ip']} {' '.join(alias['hostnames'])}\n" for alias in aliases]
    hosts.write_text("127.0.0.1 localhost\n" + "".join(lines))
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env |= {variable["name"]: there(variable["value"], volumes) for variable in application["env"]}
    inside = f"mount --bind {hosts} /etc/hosts && exec python3 quickstart.py"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", inside],
        cwd=ROOT / "examples" / "python",
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
