"""The quickstart, run as its reader runs it: `keyhaven run -- examples/az/quickstart.sh` with nothing else set."""

import subprocess
from pathlib import Path

from cli import BINARY
from production import UNNEEDED, binary, hosts, own_environment

QUICKSTART = Path(__file__).parents[3] / "examples" / "az" / "quickstart.sh"


def test_the_quickstart(tmp_path):
    environment = own_environment() | {"HOME": str(tmp_path)}
    environment["PATH"] = f"{BINARY.parent}:{environment['PATH']}"
    command = [binary(), "run", "--", QUICKSTART]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "secret    a secret value\ndecrypted a data key\n"
    asked = hosts(done.stderr)
    assert asked.pop("taken over") == {"local.vault.azure.net", "management.azure.com"}
    assert asked.pop("refused") <= UNNEEDED
    assert asked == {}, "nothing was tunnelled"
    assert not (tmp_path / ".azure").exists(), "the person's own sign-in is not touched"
