"""A control plane: it makes a factory under its customer's key, hands over the key by which a runtime registers, and runs a pipeline there.

    python3 control_plane.py SERVER AUTH-KEY-FILE STORE

SERVER is the URL of a Keyhaven server, STORE that of a data store, which the runtime alone has to reach. It signs in by AZURE_TENANT_ID,
AZURE_CLIENT_ID and AZURE_CLIENT_SECRET as itself, and may do nothing in the vault: the factory's own identity may. It needs
azure-identity and azure-mgmt-datafactory.
"""

import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from azure.core.pipeline.transport import RequestsTransport
from azure.identity import EnvironmentCredential
from azure.mgmt.datafactory import DataFactoryManagementClient
from requests import Session
from requests.adapters import HTTPAdapter

SUBSCRIPTION = "6b9e7c1a-0000-4000-8000-000000000002"
PLACE = ("keyhaven", "two-programs")  # resource group, factory
IDENTITY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/keyhaven/providers/Microsoft.ManagedIdentity/userAssignedIdentities/factory"
VAULT = "https://two-programs.vault.azure.net/"


class OneServer(HTTPAdapter):
    """Sends every request to one server, and names the host that it is for, as `keyhaven node --server` does."""

    def __init__(self, server: str):
        super().__init__()
        self.server = server.rstrip("/")

    def send(self, request, **options):
        host = urlsplit(request.url).netloc
        request.headers["Host"] = host
        request.url = request.url.replace(f"https://{host}", self.server, 1)
        return super().send(request, **options)


def clients(server: str) -> DataFactoryManagementClient:
    session = Session()
    session.mount("https://", OneServer(server))
    transport = RequestsTransport(session=session, session_owner=False)
    credential = EnvironmentCredential(authority="login.localhost", disable_instance_discovery=True, transport=transport)
    scopes = ["https://management.azure.com/.default"]
    return DataFactoryManagementClient(
        credential, SUBSCRIPTION, base_url="https://arm.localhost", credential_scopes=scopes, transport=transport
    )


def reference(kind: str, name: str) -> dict:
    return {"type": kind, "referenceName": name}


def make_factory(client: DataFactoryManagementClient) -> None:
    """A factory that has the customer's key from the beginning, as the identity that may use it."""
    key = {"vaultBaseUrl": VAULT, "keyName": "cmk", "identity": {"userAssignedIdentity": IDENTITY}}
    identity = {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}}
    body = {"location": "westeurope", "identity": identity, "properties": {"encryption": key}}
    client.factories.create_or_update(*PLACE, body)
    client.integration_runtimes.create_or_update(*PLACE, "premises", {"properties": {"type": "SelfHosted"}})
    # That of an earlier start: its home is gone.
    for node in client.integration_runtimes.get_status(*PLACE, "premises").properties.nodes:
        client.integration_runtime_nodes.delete(*PLACE, "premises", node.node_name)


def hand_over(client: DataFactoryManagementClient, file: Path) -> None:
    """Writes the auth key whole, for its reader alone."""
    new = file.with_suffix(".new")
    with open(new, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as handed:
        handed.write(client.integration_runtimes.list_auth_keys(*PLACE, "premises").auth_key1)
    new.rename(file)


def await_runtime(client: DataFactoryManagementClient) -> None:
    deadline = time.monotonic() + 60
    while client.integration_runtimes.get_status(*PLACE, "premises").properties.state != "Online":
        if time.monotonic() > deadline:
            sys.exit("control plane: the runtime does not come")
        time.sleep(0.2)


def make_pipeline(client: DataFactoryManagementClient, store: str) -> None:
    """A pipeline whose one activity asks the data store, on the runtime: with a credential that lies there, and one of the vault."""
    via = reference("IntegrationRuntimeReference", "premises")
    credential = {"type": "ManagedIdentity", "typeProperties": {"resourceId": IDENTITY}}
    client.credential_operations.create_or_update(*PLACE, "factory", {"properties": credential})
    vault = {"baseUrl": VAULT, "credential": reference("CredentialReference", "factory")}
    services = {
        "vault": {"type": "AzureKeyVault", "typeProperties": vault},
        "sql": {
            "type": "SqlServer",
            "typeProperties": {"connectionString": "Server=S;Database=D;User ID=U;Password=battery staple"},
            "connectVia": via,
        },
    }
    for name, properties in services.items():
        client.linked_services.create_or_update(*PLACE, name, {"properties": properties})
    password = {"type": "AzureKeyVaultSecret", "store": reference("LinkedServiceReference", "vault"), "secretName": "store-password"}
    call = {
        "method": "POST",
        "url": f"{store}/orders",
        "body": {"since": "@pipeline().parameters.since"},
        "authentication": {"type": "Basic", "username": "premises", "password": password},
        "linkedServices": [reference("LinkedServiceReference", "sql")],
        "connectVia": via,
    }
    properties = {
        "activities": [{"name": "orders", "type": "WebActivity", "typeProperties": call}],
        "parameters": {"since": {"type": "String"}},
    }
    client.pipelines.create_or_update(*PLACE, "nightly", {"properties": properties})


def run_pipeline(client: DataFactoryManagementClient) -> None:
    run = client.pipelines.create_run(*PLACE, "nightly", parameters={"since": "2026-01-01"}).run_id
    while client.pipeline_runs.get(*PLACE, run).status in ("Queued", "InProgress"):
        time.sleep(0.2)
    window = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"}
    [activity] = client.activity_runs.query_by_pipeline_run(*PLACE, run, window).value
    if activity.status != "Succeeded":
        sys.exit(f"control plane: {activity.error}")
    say("orders", activity.output["orders"])
    say("run by", activity.output["effectiveIntegrationRuntime"])


def say(what: str, text: object) -> None:
    print(f"{what:13}{text}", flush=True)


def main() -> None:
    server, auth_key, store = sys.argv[1:]
    with clients(server) as client:
        make_factory(client)
        hand_over(client, Path(auth_key))
        await_runtime(client)
        make_pipeline(client, store)
        shown = client.linked_services.get(*PLACE, "sql").properties
        say("what is kept", shown.connection_string)
        run_pipeline(client)


main()
