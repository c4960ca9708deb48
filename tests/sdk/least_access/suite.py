#!/usr/bin/env python3
"""What `keyhaven policy suggest` prints is enough and not too much: the Python suite passes with it, and fails without any line of it.

The suite runs with everything allowed; its audit says what it used. It runs again with exactly what is suggested from that, as
access policies and as roles. Then each line is taken away in its turn, and the tests that used it run until the first fails.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

PYTHON = Path(__file__).parents[1] / "python"
KEYHAVEN = os.environ["KEYHAVEN_BIN"]
TENANT = json.loads((PYTHON.parent / "config.json").read_text())

# Of the tests that ask the server of the whole run. Left out: what starts servers of its own, and what must be refused.
MODULES = ["secrets", "keys", "lists", "lifecycle", "import", "types", "cryptography", "rotation", "backup"]
LEFT_OUT = ["by_the_vaults_clock", "original", "another_backup_key"]
# These expect an identity that may use a key and not read it, so that the client leaves every operation to the server: no built-in
# role is like that.
MAY_NOT_READ = [
    "the_server_encrypts_and_decrypts", "the_server_wraps_and_unwraps", "the_server_signs_and_verifies", "TestSymmetric",
    "a_signature_is_good_for_one_message_only", "a_disabled_key_is_refused", "an_expired_key_still_unwraps",
]

OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


@dataclass
class Run:
    """A run of tests: whether they passed, what was printed, and what it left."""

    home: Path
    status: int
    printed: str

    def records(self) -> list[dict]:
        return [json.loads(line) for line in (self.home / "tests/app-service0/audit.jsonl").read_text().splitlines()]

    def requests_of_tests(self) -> dict[str, list[str]]:
        """The ids of the requests of each test, in the order of the tests."""
        return json.loads((self.home / "requests.json").read_text())


@dataclass
class Line:
    """A line of what is suggested: whose it is and what it grants, the tenant without it, and the tests that used it."""

    principal: str
    grants: str
    place: str
    without: dict
    tests: list[str]

    def __str__(self) -> str:
        return f"{self.grants} of {self.principal} at {self.place}"

    def is_missing(self, record: dict) -> bool:
        """Whether the request of the record was refused for want of it."""
        missing = record["properties"].get("missing", "")
        is_it = missing == self.grants if "/" in self.grants else missing != ""
        return is_it and record["identity"]["claim"].get(OBJECT_ID) == self.principal


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        return Suite(Path(home)).check()


class Suite:
    def __init__(self, home: Path):
        self.home, self.runs = home, 0
        self.problems: list[str] = []

    def check(self) -> int:
        self.check_form("policy", tests_without(LEFT_OUT), with_policies, policy_lines)
        self.check_form("roles", tests_without(LEFT_OUT + MAY_NOT_READ), with_roles, role_lines)
        return 1 if self.problems else 0

    def check_form(self, form: str, tests: list[str], granted: Callable, lines_of: Callable) -> None:
        """With what is suggested in a form of `policy suggest` all the tests pass, and without any line of it one fails."""
        say(f"{form}: the suite with everything allowed")
        everything = self.run(TENANT, tests)
        if everything.status != 0:
            return self.problem(f"{form}: the suite fails with everything allowed:\n{everything.printed}")
        tenant = granted(suggest(everything.home / "tests/app-service0/audit.jsonl", form))
        say(f"{form}: the suite with what is suggested")
        least = self.run(tenant, tests)
        if least.status != 0:
            return self.problem(f"{form}: the suite fails with what is suggested:\n{least.printed}")
        lines = list(lines_of(tenant, self.usage_by_test(everything)))
        say(f"{form}: the suite without each of the {len(lines)} lines")
        with ThreadPoolExecutor(os.cpu_count()) as workers:
            list(workers.map(self.check_line, lines))
        say(f"{form}: {len(lines)} lines were taken away, one at a time")

    def check_line(self, line: Line) -> None:
        """With the tests that used it alone: they are a part of the suite, so the suite fails when they do."""
        run = self.run(line.without, ["--exitfirst", *tests_without([])], only=line.tests)
        if not line.tests or run.status == 0:
            self.problem(f"the suite passes without {line}: {len(line.tests)} tests used it")
        elif run.status != 1 or not any(map(line.is_missing, run.records())):
            self.problem(f"without {line} it fails in another way:\n{run.printed}")

    def problem(self, what: str) -> None:
        self.problems.append(what)
        say(what)

    def run(self, tenant: dict, tests: list[str], only: list[str] | None = None) -> Run:
        self.runs += 1
        home = self.home / f"run-{self.runs}"
        home.mkdir()
        (home / "tenant.json").write_text(json.dumps(tenant))
        command = [sys.executable, "-m", "pytest", "--quiet", f"--basetemp={home / 'tests'}", f"--tenant={home / 'tenant.json'}"]
        command += [f"--requests={home / 'requests.json'}", *tests]
        if only is not None:
            (home / "only.json").write_text(json.dumps(only))
            command.append(f"--only={home / 'only.json'}")
        done = subprocess.run(command, cwd=PYTHON, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return Run(home, done.returncode, done.stdout)

    def usage_by_test(self, run: Run) -> dict[str, list[dict]]:
        """The records of each test."""
        by_id = {record.get("correlationId"): record for record in run.records()}
        return {test: [by_id[id] for id in ids if id in by_id] for test, ids in run.requests_of_tests().items()}


def tests_without(left_out: list[str]) -> list[str]:
    chosen = ["-k", " and ".join(f"not {name}" for name in left_out)] if left_out else []
    return [f"test_{module}.py" for module in MODULES] + chosen


def suggest(audit: Path, form: str) -> dict:
    command = [KEYHAVEN, "policy", "suggest", audit, "--format", form]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def with_policies(suggested: dict) -> dict:
    policies = {vault["name"]: vault["accessPolicies"] for vault in suggested["vaults"]}
    return TENANT | {"vaults": [vault | {"accessPolicies": policies.get(vault["name"], [])} for vault in TENANT["vaults"]]}


def with_roles(suggested: dict) -> dict:
    roles = {"accessPolicies": [], "enableRbacAuthorization": True}
    return TENANT | {"vaults": [vault | roles for vault in TENANT["vaults"]], "roleAssignments": suggested["roleAssignments"]}


def policy_lines(tenant: dict, usage: dict[str, list[dict]]) -> Iterator[Line]:
    used = {test: set(permissions_of(records)) for test, records in usage.items()}
    for place, vault in enumerate(tenant["vaults"]):
        for number, policy in enumerate(vault["accessPolicies"]):
            for collection, permissions in policy["permissions"].items():
                for permission in permissions:
                    without = deepcopy(tenant)
                    without["vaults"][place]["accessPolicies"][number]["permissions"][collection].remove(permission)
                    what = (vault["name"], policy["objectId"], collection, permission)
                    tests = [test for test, all_used in used.items() if what in all_used]
                    yield Line(policy["objectId"], f"{collection}/{permission}", vault["name"], without, tests)


def permissions_of(records: list[dict]) -> Iterator[tuple]:
    """What a test used, as the program has it: suggested from its records alone."""
    with tempfile.NamedTemporaryFile("w") as audit:
        audit.writelines(json.dumps(record) + "\n" for record in records)
        audit.flush()
        done = subprocess.run([KEYHAVEN, "policy", "suggest", audit.name], capture_output=True)
    for vault in json.loads(done.stdout)["vaults"] if done.returncode == 0 else []:
        for policy in vault["accessPolicies"]:
            for collection, permissions in policy["permissions"].items():
                yield from ((vault["name"], policy["objectId"], collection, permission) for permission in permissions)


def role_lines(tenant: dict, usage: dict[str, list[dict]]) -> Iterator[Line]:
    for number, assignment in enumerate(tenant["roleAssignments"]):
        without = tenant | {"roleAssignments": tenant["roleAssignments"][:number] + tenant["roleAssignments"][number + 1 :]}
        is_within = lambda record: places(record) & {assignment["scope"].lower()}
        is_theirs = lambda record: record["identity"]["claim"].get(OBJECT_ID) == assignment["objectId"]
        tests = [test for test, records in usage.items() if any(is_within(one) and is_theirs(one) for one in records)]
        yield Line(assignment["objectId"], assignment["role"], assignment["scope"], without, tests)


def places(record: dict) -> set[str]:
    """The scopes of a record: its vault, and its object."""
    vault = record["resourceId"].lower()
    of_object = record["properties"].get("id", "").lower().split("/")[3:5]
    return {vault, "/".join([vault, *of_object])}


def say(text: str) -> None:
    print(f"least_access: {text} ({time.monotonic() - STARTED:.0f} s)", flush=True)


STARTED = time.monotonic()

if __name__ == "__main__":
    sys.exit(main())
