"""Compose files, played by processes: see engine.py."""

import re
from pathlib import Path
from typing import Any

import yaml

from engine import SUBNET, Container, Engine, Image, PythonImage

# What is played here; `ports` lead out of the network, `profiles` say what is started by hand.
OF_FILE = {"name", "services", "volumes"}
OF_SERVICE = {"build", "command", "depends_on", "entrypoint", "environment", "image", "network_mode", "networks", "ports", "profiles"}
OF_SERVICE |= {"sysctls", "volumes"}
OF_BUILD = {"context", "dockerfile_inline"}


class Compose:
    """A project: services of a file, started in the order of what they depend on."""

    def __init__(self, engine: Engine, file: Path, server: Image):
        self.engine, self.directory, self.server = engine, file.parent, server
        self.file = whole = yaml.safe_load(interpolated(file.read_text()))
        known({name: member for name, member in whole.items() if not name.startswith("x-")}, OF_FILE, "the file")
        self.services: dict[str, dict] = whole["services"]
        self.volumes: dict[str, Any] = whole["volumes"]
        for name, service in self.services.items():
            known(service, OF_SERVICE, name)
        self.containers: dict[str, Container] = {}
        self.name_all()

    def name_all(self) -> None:
        """Gives each service with a network of its own an address, under its name and its aliases."""
        for number, name in enumerate(self.order()):
            service = self.services[name]
            if "network_mode" in service:
                continue
            networks = service.get("networks", {})
            assert set(networks) <= {"default"} and set(networks.get("default", {})) <= {"aliases"}, networks
            names = [name, *networks.get("default", {}).get("aliases", [])]
            self.engine.hosts += [(f"{SUBNET}.{number + 2}", alias) for alias in names]

    def order(self) -> list[str]:
        """The services, each after those that it depends on; those that are started by hand last."""
        found: list[str] = []

        def add(name: str) -> None:
            for other in self.services[name].get("depends_on", {}):
                add(other)
            if name not in found:
                found.append(name)

        for name in sorted(self.services, key=lambda name: "profiles" in self.services[name]):
            add(name)
        return found

    def up(self) -> None:
        for name in self.order():
            if "profiles" not in self.services[name]:
                self.start(name)

    def start(self, name: str) -> Container:
        service = self.services[name]
        for other, how in service.get("depends_on", {}).items():
            self.await_condition(self.containers[other], how["condition"])
        image = self.image(name, service)
        mode = service.get("network_mode")
        assert mode is None or mode.startswith("service:") and not {"networks", "ports", "sysctls"} & set(service), name
        image.entrypoint = service.get("entrypoint", image.entrypoint)
        self.containers[name] = self.engine.start(
            image,
            service.get("command", image.command),
            env={name: str(value) for name, value in service.get("environment", {}).items()},
            mounts=[self.mount(text, image) for text in service.get("volumes", [])],
            sysctls=service.get("sysctls"),
            network_of=self.containers[mode.removeprefix("service:")] if mode else None,
            hostname=name,
        )
        return self.containers[name]

    def await_condition(self, container: Container, condition: str) -> None:
        if condition == "service_healthy":
            container.await_health(container.image.health)
        elif not container.printed:
            assert condition == "service_completed_successfully", condition
            container.await_end()

    def image(self, name: str, service: dict) -> Image:
        """The server's image, or one of Python that a service of this file builds."""
        root = self.engine.home / "roots" / name
        if service["image"] == "keyhaven":
            return self.server.for_container(root)
        [build] = [other["build"] for other in self.services.values() if other["image"] == service["image"] and "build" in other]
        known(build, OF_BUILD, name)
        lines = dict(line.split(" ", 1) for line in build["dockerfile_inline"].splitlines())
        assert set(lines) == {"FROM", "RUN", "COPY", "CMD"} and lines["FROM"] == "python:3.13-slim", lines
        files = lines["COPY"].split()[:-1]
        sources = {file: self.directory / build["context"] / file for file in files}
        return PythonImage(sources, yaml.safe_load(lines["CMD"])).for_container(root)

    def mount(self, text: str, image: Image) -> tuple[Path, str, bool]:
        source, target, *options = text.split(":")
        assert options in ([], ["ro"]), text
        if source.startswith("."):
            return self.directory / source, target, not options
        assert source in self.volumes, text
        return self.engine.volume(source, image, target), target, not options


def interpolated(text: str) -> str:
    """Compose's variables with their defaults, because nothing is set here."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")


def known(given: dict, members: set[str], where: str) -> None:
    assert set(given) <= members, f"{where}: {set(given) - members} is not played here"
