"""What an engine does with the image, a compose file and a pod, as far as namespaces go; there is no engine where the suite runs.

Containers are processes with a network, a root directory, a host name and process ids of their own. The image's root has the files
of its Dockerfile's last stage, made by its own commands, on top of the few programs and libraries that such a command or a job
uses, of this machine, in the place of the base image. Other images are this machine's root. A member of a file that is not
played here is an error, so that nothing is passed over.
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
from contextlib import contextmanager
from pathlib import Path

from server import binary

ROOT = Path(__file__).parents[3]
SUBNET = "10.89.0"
HEALTHY = 30.0  # seconds
PROGRAMS = ("sh", "install", "cat", "id")  # of the base image: what its commands and its jobs run
BINDS = ("/dev/null", "/dev/urandom")
# Called with the variables of a container, whose PATH leads elsewhere.
CHROOT, NSENTER, UNSHARE, SH = (str(shutil.which(name)) for name in ("chroot", "nsenter", "unshare", "sh"))


def is_mapped(user: int) -> bool:
    """Whether there is such a user here: in a user namespace there may be none but root."""
    maps = (map(int, line.split()) for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(inside <= user < inside + length for inside, _, length in maps)


# The image's user; root plays it where there is no other.
DECLARED = 65532
USER = DECLARED if is_mapped(DECLARED) else 0


def chroot_as(user: str) -> list[str]:
    """The start of a command in another root, as a user and in no other groups. A user namespace of root alone has no others."""
    return [CHROOT, *([f"--userspec={user}", "--groups="] if USER else [])]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of the server's Dockerfile, stage by stage."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    found: list[list[tuple[str, str]]] = []
    for line in filter(None, text.splitlines()):
        name, words = line.split(" ", 1)
        if name == "FROM":
            found.append([])
        found[-1].append((name, words))
    return found


class Image:
    """An image: its root directory, and what its Dockerfile says besides."""

    is_of_machine = False

    def __init__(self, root: Path, instructions: list[tuple[str, str]]):
        self.root, self.instructions = root, instructions
        said = dict(instructions)
        pairs = [pair for name, words in instructions if name == "ENV" for pair in words.split()]
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin"} | dict(pair.split("=", 1) for pair in pairs)
        self.user = said.get("USER", "0:0")
        self.entrypoint = json.loads(said.get("ENTRYPOINT", "[]"))
        self.command = json.loads(said.get("CMD", "[]"))
        self.health = json.loads(said["HEALTHCHECK"].split("CMD ", 1)[1]) if "HEALTHCHECK" in said else None

    def for_container(self, root: Path) -> "Image":
        """The image as one container has it: the server's root is shared, because its user can write nothing there."""
        return Image(self.root, self.instructions)


class PythonImage(Image):
    """`FROM python` with packages and files: this machine, with the files in the root directory."""

    is_of_machine = True

    def __init__(self, files: dict[str, Path], command: list[str]):
        super().__init__(Path("/"), [])
        self.files, self.command = files, command
        self.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def for_container(self, root: Path) -> "PythonImage":
        image = PythonImage(self.files, self.command)
        image.root = root
        root.mkdir(parents=True)
        for entry in Path("/").iterdir():
            if entry.is_symlink():
                (root / entry.name).symlink_to(entry.readlink())
            elif entry.is_dir():
                (root / entry.name).mkdir()
        for name, source in self.files.items():
            shutil.copy(source, root / name)
        return image


def server_image(root: Path) -> Image:
    """The image of the server's Dockerfile, with the binary that is tested."""
    for directory in ("proc", "dev", "tmp", "etc", "usr/local/bin", "usr/bin", "bin"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    (root / "tmp").chmod(0o1777)
    for program in PROGRAMS:
        place(root, Path(shutil.which(program)), f"/bin/{program}")
    _, final = stages()
    final = [(name, words.replace(str(DECLARED), str(USER))) for name, words in final]
    for name, words in final:
        if name == "COPY":
            assert words.startswith("--from=build /"), words
            _, source, target = words.split()
            place(root, Path(binary()) if source.endswith("/keyhaven") else Path(source), target)
        elif name == "RUN":
            subprocess.run([CHROOT, root, "/bin/sh", "-euc", words], env={"PATH": "/bin"}, check=True, timeout=30)
        else:
            assert name in ("FROM", "ENV", "EXPOSE", "VOLUME", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"), name
    return Image(root, final)


def place(root: Path, source: Path, target: str) -> None:
    """Copies a file into a root, a program with the libraries that it is linked with."""
    copy(source, root / target.lstrip("/"))
    linked = subprocess.run(["ldd", source], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", linked):
        copy(Path(library), root / library.lstrip("/"))


def copy(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source.resolve(), target)


class Container:
    """A container that runs, or has run."""

    def __init__(self, process: subprocess.Popen, image: Image, env: dict[str, str], user: str):
        self.process, self.image, self.env, self.user = process, image, env, user
        self.printed = ""

    def exec(self, command: list[str]) -> subprocess.CompletedProcess:
        """Runs a command in it, as `exec` and health checks do."""
        into = [NSENTER, f"--target={self.init()}", "--net", "--pid", "--uts", "--mount"]
        inside = [*into, *chroot_as(self.user), str(self.image.root), *command]
        return subprocess.run(inside, env=self.env, capture_output=True, text=True, timeout=60)

    def init(self) -> int:
        """Its process 1, as it is seen from here."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while not (there := children.read_text().split()):
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.005)
        return int(there[0])

    def await_health(self, check: list[str]) -> None:
        deadline = time.monotonic() + HEALTHY
        while (done := self.exec(check)).returncode != 0:
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, f"not healthy: {done.stderr}"
            time.sleep(0.05)

    def await_end(self) -> str:
        """What it has printed when it has succeeded."""
        self.printed, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, self.printed + errors
        return self.printed

    def stop(self) -> None:
        """As an engine stops it: its process 1 is asked to end, and must end well."""
        if self.process.poll() is None:
            subprocess.run(["kill", str(self.init())], check=True)
            _, errors = self.process.communicate(timeout=15)
            assert self.process.returncode == 0, errors


class Engine:
    """Networks and volumes, and the containers that have been started."""

    def __init__(self, home: Path):
        self.home = home
        self.containers: list[Container] = []
        self.hosts = [("127.0.0.1", "localhost")]

    def volume(self, name: str, image: Image, path: str) -> Path:
        """A named volume; a new one takes owner and mode of the image's directory at that path, if there is one."""
        volume = self.home / "volumes" / name
        if not volume.exists():
            volume.mkdir(parents=True)
            there = image.root / path.lstrip("/")
            if there.exists():
                shutil.copystat(there, volume)
                os.chown(volume, there.stat().st_uid, there.stat().st_gid)
        return volume

    def start(
        self,
        image: Image,
        command: list[str],
        *,
        env: dict[str, str],
        mounts: list[tuple[Path, str, bool]],
        sysctls: dict[str, int] | None = None,
        network_of: Container | None = None,
        hostname: str = "container",
        confined: bool = False,
    ) -> Container:
        """Starts a container in a network of its own, or in that of another. Of `mounts` the last member says whether it is
        writable. A confined one is not root, and its root directory is read-only."""
        user = image.user
        assert not confined or user == f"{USER}:{USER}", user
        hosts = self.home / f"hosts-{len(self.containers)}"
        hosts.write_text("".join(f"{address} {name}\n" for address, name in self.hosts))
        root = image.root
        lines = ["read -r _", f"hostname {hostname}"]
        lines += [f"echo {value} > /proc/sys/{name.replace('.', '/')}" for name, value in (sysctls or {}).items()]
        if not image.is_of_machine:
            lines += [f"mount --bind {root} {root}", f"mount -t tmpfs -o mode=1777 tmp {root}/tmp"]
            lines += [f"touch {root}{file}; mount --bind {file} {root}{file}" for file in BINDS]
        else:
            lines += [f"mount --rbind /{entry.name} {root}/{entry.name}" for entry in root.iterdir() if is_of_machine(entry)]
            # Where the checkout is below /tmp, which a container has of its own, the packages are named besides.
            lines += [f"mkdir -p {root}{sys.prefix}; mount --bind {sys.prefix} {root}{sys.prefix}"]
        lines += [f"mount -t proc proc {root}/proc", f"touch {root}/etc/hosts", f"mount --bind {hosts} {root}/etc/hosts"]
        for source, target, is_writable in mounts:
            make = "mkdir -p" if source.is_dir() else "touch"
            lines += [f"{make} {root}{target}", f"mount --bind {source} {root}{target}"]
            lines += [] if is_writable else [f"mount -o remount,ro,bind {root}{target}"]
        lines += [f"mount -o remount,ro,bind {root}"] if confined else []
        lines += [f"cd {root}", f"exec {shlex.join([*chroot_as(user), str(root), *image.entrypoint, *command])}"]
        into = [NSENTER, f"--net=/proc/{network_of.process.pid}/ns/net"] if network_of else []
        network = [] if network_of else ["--net"]
        whole = [*into, UNSHARE, *network, "--mount", "--uts", "--pid", "--fork", "--kill-child", SH, "-ec", "\n".join(lines)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(whole, env=image.env | env, text=True, **pipes)
        container = Container(process, image, image.env | env, user)
        self.containers.append(container)
        if not network_of:
            self.connect(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        return container

    def connect(self, pid: int) -> None:
        """Gives the newest container its loopback, its address and a line to the bridge."""
        number = len(self.containers) + 1
        while os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.005)
        inside = f"nsenter --target={pid} --net ip"
        lines = [
            f"ip link add keyhaven{number} type veth peer name eth0 netns {pid}",
            f"ip link set keyhaven{number} master keyhaven up",
            f"{inside} link set lo up",
            f"{inside} address add {SUBNET}.{number}/24 dev eth0",
            f"{inside} link set eth0 up",
        ]
        subprocess.run(["sh", "-ec", "\n".join(lines)], check=True, timeout=30)


def is_of_machine(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink() and entry.name not in ("proc", "tmp") and Path(f"/{entry.name}").is_dir()


@contextmanager
def engine(home: Path) -> Iterator[Engine]:
    """An engine with a network, which ends what has been started, newest first."""
    # Without a hardware address of its own a bridge takes that of a line, and another when that line ends.
    subprocess.run(["ip", "link", "add", "keyhaven", "address", "02:00:0a:59:00:01", "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", "keyhaven", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{SUBNET}.1/24", "dev", "keyhaven"], check=True)
    running = Engine(home)
    try:
        yield running
        for container in reversed(running.containers):
            container.stop()
    finally:
        for container in running.containers:
            container.process.kill()
        # The lines of a network end with it, but some time after: the next engine's have the same names.
        for number in range(2, len(running.containers) + 2):
            subprocess.run(["ip", "link", "delete", f"keyhaven{number}"], capture_output=True)
        subprocess.run(["ip", "link", "delete", "keyhaven"], check=True)
