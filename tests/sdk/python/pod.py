"""A pod of a Kubernetes manifest, played by processes: see engine.py."""

import os
from pathlib import Path

import yaml

from compose import known
from engine import Container, Engine, Image

OF_POD = {"restartPolicy", "securityContext", "initContainers", "containers", "volumes"}
OF_CONTAINER = {"name", "image", "restartPolicy", "command", "args", "env", "envFrom", "securityContext", "startupProbe", "volumeMounts"}
CONFINED = {"runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


class Pod:
    """A pod and its config maps."""

    def __init__(self, engine: Engine, manifest: Path, images: dict[str, Image]):
        *maps, pod = yaml.safe_load_all(manifest.read_text())
        assert [document["kind"] for document in (*maps, pod)] == ["ConfigMap"] * len(maps) + ["Pod"]
        self.engine, self.images, self.spec = engine, images, pod["spec"]
        self.maps = {each["metadata"]["name"]: each["data"] for each in maps}
        known(self.spec, OF_POD, "the pod")
        self.containers: dict[str, Container] = {}
        self.volumes = {volume["name"]: self.volume(volume) for volume in self.spec["volumes"]}

    def volume(self, volume: dict) -> Path:
        """A config map's files belong to root, an empty directory to the group of the pod."""
        path = self.engine.home / "volumes" / volume["name"]
        path.mkdir(parents=True)
        if "configMap" in volume:
            for name, text in self.maps[volume["configMap"]["name"]].items():
                (path / name).write_text(text)
            return path
        assert volume["emptyDir"] == {}, volume
        os.chown(path, 0, self.spec["securityContext"]["fsGroup"])
        path.chmod(0o2777)
        return path

    def up(self) -> None:
        """Starts init containers one after another: a sidecar runs on once it has started, any other must end first."""
        for container in self.spec["initContainers"]:
            started = self.start(container)
            if container.get("restartPolicy") == "Always":
                started.await_health(container["startupProbe"]["exec"]["command"])
            else:
                started.await_end()
        for container in self.spec["containers"]:
            self.start(container)

    def start(self, given: dict) -> Container:
        known(given, OF_CONTAINER, given["name"])
        image = self.images[given["image"]].for_container(self.engine.home / "roots" / given["name"])
        if "command" in given:
            image.entrypoint, image.command = given["command"], []
        env = {name: value for source in given.get("envFrom", []) for name, value in self.maps[source["configMapRef"]["name"]].items()}
        env |= {variable["name"]: variable["value"] for variable in given.get("env", [])}
        confined = given.get("securityContext")
        assert confined in (None, CONFINED), confined
        self.containers[given["name"]] = self.engine.start(
            image,
            given.get("args", image.command),
            env=env,
            mounts=[self.mount(mount) for mount in given["volumeMounts"]],
            network_of=next(iter(self.containers.values()), None),
            hostname="application",
            confined=confined is not None,
        )
        return self.containers[given["name"]]

    def mount(self, mount: dict) -> tuple[Path, str, bool]:
        known(mount, {"name", "mountPath", "readOnly"}, mount["name"])
        return self.volumes[mount["name"]], mount["mountPath"], not mount.get("readOnly", False)
