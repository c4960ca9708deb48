"""The image, the compose files and the pod of docs/container.md, played by processes: see engine.py."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen
from xml.etree import ElementTree

import pytest

from compose import Compose
from engine import ROOT, SUBNET, USER, Container, Engine, Image, PythonImage, engine, server_image, stages
from pod import Pod

PRINTED = "secret    a secret value\nunwrapped a data key\n"
READ = "secret    correct horse\nrefused   403 Forbidden\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Image:
    return server_image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def running(tmp_path) -> Iterator[Engine]:
    with engine(tmp_path) as running:
        yield running


def test_the_image_has_all_that_the_server_is_built_of(tmp_path):
    build, final = stages()
    sources = [word for name, words in build if name == "COPY" for word in words.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*" and {line.lstrip("!") for line in ignored[1:]} == set(sources)
    [first, second] = [words for name, words in build if name == "RUN" and "cargo build" in words]
    command = "cargo build --profile dist --locked --bin keyhaven"
    assert first.endswith(f" && {command}") and second.endswith(f" && {command}")

    # Without what takes minutes: the first layer's files are a package, and with the others every file that it needs is there,
    # and every package is locked. What is checked of other packages is there from the lints.
    add(sources[:3], tmp_path)
    subprocess.run(["sh", "-euc", first.removesuffix(f" && {command}")], cwd=tmp_path, check=True, capture_output=True)
    metadata = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]
    subprocess.run(metadata, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    add(sources[3:], tmp_path)
    check = ["cargo", "check", "--locked", "--offline", "--bin", "keyhaven", "--quiet"]
    env = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target")}
    subprocess.run(check, cwd=tmp_path, env=env, check=True, timeout=580)


def add(sources: list[str], where: Path) -> None:
    """As COPY does: into what is there."""
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, where / source, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / source, where / source)


def test_the_server_of_the_image_is_not_root_and_can_write_its_data_alone(running, server):
    """With a configuration that says nothing, until one is mounted in its place."""
    data = running.volume("data", server, "/data")
    container = running.start(
        server,
        server.command,
        env={},
        mounts=[(data, "/data", True), (running.volume("tmp", server, "/tmp"), "/tmp", True)],
        sysctls={"net.ipv4.ip_unprivileged_port_start": 0},
        confined=True,
    )
    container.await_health(server.health)
    assert (image_user(), container.exec(["id", "-u"]).stdout) == ("65532:65532", f"{USER}\n")
    assert (data.stat().st_uid, data.stat().st_mode & 0o777) == (USER, 0o700)
    assert "local" in container.exec(["keyhaven", "vault", "list"]).stdout


def image_user() -> str:
    return dict(stages()[1])["USER"]


def test_a_port_that_the_user_may_not_have_is_named(running, server):
    """Docker lets it listen there, other engines without the sysctl do not. Root may in any case."""
    container = running.start(server, ["--version"] if USER == 0 else server.command, env={}, mounts=[])
    _, errors = container.process.communicate(timeout=30)
    denied = "keyhaven: cannot listen on 0.0.0.0:443 (--listen): Permission denied (os error 13); for a port below 1024 allow it by"
    assert USER == 0 or errors.splitlines()[-1].startswith(denied), errors


def test_two_applications_beside_a_server(running, server):
    sidecar = Compose(running, ROOT / "examples" / "sidecar" / "compose.yaml", server)
    sidecar.up()
    assert sidecar.containers["orders"].await_end() == PRINTED
    assert sidecar.containers["reports"].await_end() == READ
    assert [file.name for file in running.volume("trust", server, "/trust").iterdir()] == ["ca.pem"], "and no key"
    for host in ("keyhaven:8081", "localhost:8081"):
        headers = {"Host": host, "Authorization": "Bearer for-this-network-alone"}
        with urlopen(Request(f"http://{SUBNET}.2:8081/admin/clock", headers=headers), timeout=10) as answer:
            assert json.load(answer)["clock"] == "virtual"
    advanced = sidecar.containers["keyhaven"].exec(["keyhaven", "clock", "advance", "90d"])
    assert "virtual" in advanced.stdout, advanced.stderr
    assert_drilled(sidecar.start("drill").await_end(), 50)


def test_two_applications_that_share_the_loopback_of_a_server(running, server):
    pod = Compose(running, ROOT / "examples" / "pod" / "compose.yaml", server)
    pod.up()
    assert pod.containers["orders"].await_end() == PRINTED
    assert pod.containers["reports"].await_end() == READ
    assert {file.name for file in running.volume("trust", server, "/trust").iterdir()} == {"bundle.pem", "trust.p12"}, "and no key"
    assert_as_env_prints(pod.file["x-takeover"], pod.containers["keyhaven"])
    assert_drilled(pod.start("drill").await_end(), 50)


def test_two_applications_in_a_pod_of_kubernetes(running, server):
    python = ROOT / "examples" / "python"
    files = {name: python / name for name in ("quickstart.py", "reader.py")}
    images = {"keyhaven": server, "keyhaven-example": PythonImage(files, ["python3", "quickstart.py"])}
    pod = Pod(running, ROOT / "examples" / "kubernetes" / "pod.yaml", images)
    pod.up()
    assert pod.containers["orders"].await_end() == PRINTED
    assert pod.containers["reports"].await_end() == READ
    assert_as_env_prints(pod.maps["keyhaven-takeover"], pod.containers["keyhaven"])
    assert_drilled(pod.containers["drill"].await_end(), 29)


def assert_drilled(report: str, steps: int) -> None:
    suites = ElementTree.fromstring(report)
    counts = {name: int(suites.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    assert counts["tests"] - counts["skipped"] == steps and counts["failures"] == counts["errors"] == 0, report


def assert_as_env_prints(given: dict[str, str], server: Container) -> None:
    """What the examples give to applications is what `keyhaven env` prints, with the files where the job has put them."""
    printed = json.loads(server.exec(["keyhaven", "env", "--format", "json"]).stdout)
    assert given == {name: printed[name].replace("/data/trust/", "/trust/") for name in given}
