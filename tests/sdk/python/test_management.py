"""The management plane, as azure-mgmt-resource and azure-mgmt-datafactory see it: resource groups, factories and what is in them."""

import base64
import json
import subprocess
import time

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.keys import KeyClient
from azure.mgmt.datafactory import DataFactoryManagementClient, models
from azure.mgmt.resource.resources import ResourceManagementClient

from admin import Admin
from server import CONFIG, TENANT, binary, environment

SUBSCRIPTION = "6b9e7c1a-0000-4000-8000-000000000002"
DEFAULT_GROUP = "keyhaven"
IDENTITY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{DEFAULT_GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
KEY_VAULT = {"type": "AzureKeyVault", "typeProperties": {"baseUrl": "https://factory-vault.vault.azure.net/"}}


def reference(name: str, kind: str) -> dict:
    return {"referenceName": name, "type": kind}


@pytest.fixture(scope="module")
def arm(server) -> str:
    port = server.vault_url().rstrip("/").rsplit(":", 1)[1]
    return f"https://arm.localhost:{port}"


@pytest.fixture(scope="module")
def resources(arm, credential):
    with ResourceManagementClient(credential, SUBSCRIPTION, base_url=arm) as client:
        yield client


@pytest.fixture(scope="module")
def factories(arm, credential):
    with DataFactoryManagementClient(credential, SUBSCRIPTION, base_url=arm) as client:
        yield client


@pytest.fixture
def group(resources):
    made = resources.resource_groups.create_or_update("py-shop", {"location": "West Europe", "tags": {"team": "shop"}})
    yield made.name
    if resources.resource_groups.check_existence(made.name):
        resources.resource_groups.begin_delete(made.name).result()


@pytest.fixture
def factory(factories, group):
    made = factories.factories.create_or_update(
        group, "py-factory", {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "tags": {"a": "b"}}
    )
    yield made
    factories.factories.delete(group, made.name)


def test_groups_are_made_listed_changed_and_deleted(resources, group):
    groups = resources.resource_groups
    found = groups.get(group)
    assert (found.location, found.tags, found.properties.provisioning_state) == ("westeurope", {"team": "shop"}, "Succeeded")
    assert [one.name for one in groups.list()] == [DEFAULT_GROUP, group]
    assert [one.name for one in groups.list(filter="tagName eq 'team' and tagValue eq 'shop'")] == [group]
    assert groups.update(group, {"tags": {}}).tags == {}
    assert not groups.check_existence("none")
    with pytest.raises(ResourceNotFoundError, match="Resource group 'none' could not be found."):
        groups.get("none")
    groups.begin_delete(group).result()
    assert not groups.check_existence(group)


def test_resources_of_all_types_are_listed(resources, group, factory):
    vaults = list(resources.resources.list(filter="resourceType eq 'Microsoft.KeyVault/vaults'"))
    assert {vault.name for vault in vaults} >= {"factory-vault"}
    assert [one.type for one in resources.resources.list_by_resource_group(group)] == ["Microsoft.DataFactory/factories"]


def test_providers_are_registered(resources):
    found = resources.providers.get("Microsoft.DataFactory")
    assert found.registration_state == "Registered"
    assert {"factories", "factories/linkedservices"} <= {kind.resource_type for kind in found.resource_types}
    assert {one.namespace for one in resources.providers.list()} >= {"Microsoft.Resources", "Microsoft.DataFactory"}
    assert resources.providers.register("Microsoft.DataFactory").registration_state == "Registered"


def test_a_factory_is_made_read_changed_and_listed(factories, group, factory):
    assert factory.identity.type == "SystemAssigned" and factory.identity.tenant_id == TENANT
    found = factories.factories.get(group, factory.name)
    assert (found.provisioning_state, found.version, found.tags) == ("Succeeded", "2018-06-01", {"a": "b"})
    changed = factories.factories.update(group, factory.name, {"tags": {}, "properties": {"publicNetworkAccess": "Disabled"}})
    assert (changed.public_network_access, changed.identity.principal_id) == ("Disabled", factory.identity.principal_id)
    assert [one.name for one in factories.factories.list_by_resource_group(group)] == [factory.name]
    assert factory.name in [one.name for one in factories.factories.list()]
    with pytest.raises(ResourceExistsError, match="already in use. Resource names must be globally unique."):
        factories.factories.create_or_update(DEFAULT_GROUP, factory.name, {"location": "westeurope"})


def connectors() -> list[tuple[models.LinkedService, dict]]:
    """Linked services of five types whose credential is `hush`, each with what is shown of its own properties."""
    secure, mask = models.SecureString(value="hush"), {"type": "SecureString", "value": "**********"}
    # The models of 10.0.0 do not write their type by themselves.
    return [
        (
            models.SqlServerLinkedService(type="SqlServer", connection_string="Server=S;User ID=U;Password=hush;Timeout=60"),
            {"connectionString": "Server=S;User ID=U;Timeout=60"},
        ),
        (
            models.AzureBlobStorageLinkedService(type="AzureBlobStorage", connection_string="AccountName=a;AccountKey=hush==;X=1"),
            {"connectionString": "AccountName=a;X=1"},
        ),
        (
            models.RestServiceLinkedService(
                type="RestService", url="https://a", authentication_type="Basic", user_name="u", password=secure
            ),
            {"url": "https://a", "authenticationType": "Basic", "userName": "u", "password": mask},
        ),
        (models.AzureBlobFSLinkedService(type="AzureBlobFS", url="https://a", account_key="hush"), {"url": "https://a"}),
        (
            models.AzureFunctionLinkedService(type="AzureFunction", function_app_url="https://a", function_key=secure),
            {"functionAppUrl": "https://a", "functionKey": mask},
        ),
    ]


def test_credentials_are_taken_and_shown_as_a_reference(factories, group, factory):
    place = (group, factory.name)
    for properties, expected in connectors():
        made = factories.linked_services.create_or_update(*place, "x", models.LinkedServiceResource(properties=properties))
        shown = factories.linked_services.get(*place, "x").properties
        assert shown == made.properties and type(shown) is type(properties)
        own = shown.as_dict()["typeProperties"]
        assert base64.b64decode(own.pop("encryptedCredential")).startswith(b'{\r\n  "Version": "2017-11-30",\r\n')
        assert own == expected
        shown.description = "changed"
        again = factories.linked_services.create_or_update(*place, "x", models.LinkedServiceResource(properties=shown))
        assert again.properties == shown, "what is shown can be sent again"
    factories.linked_services.delete(*place, "x")
    identity = models.ManagedIdentityCredential(type="ManagedIdentity", resource_id=f"{IDENTITY}/operator")
    with pytest.raises(HttpResponseError, match="is none of the factory's user-assigned identities"):
        factories.credential_operations.create_or_update(*place, "c", models.CredentialResource(properties=identity))


def test_everything_in_a_factory_is_made_listed_and_deleted(factories, group, factory):
    place = (group, factory.name)
    flow = {"type": "MappingDataFlow", "typeProperties": {"sources": [{"dataset": reference("x", "DatasetReference")}]}}
    kinds = [
        (factories.linked_services, KEY_VAULT),
        (factories.datasets, {"type": "Json", "linkedServiceName": reference("x", "LinkedServiceReference")}),
        (factories.data_flows, flow),
        (factories.pipelines, {"activities": [{"name": "w", "type": "Wait", "typeProperties": {"waitTimeInSeconds": 1}}]}),
        (factories.triggers, {"type": "ScheduleTrigger", "pipelines": [{"pipelineReference": reference("x", "PipelineReference")}]}),
    ]
    for operations, properties in kinds:
        made = operations.create_or_update(*place, "x", {"properties": properties})
        assert (made.name, made.etag) == ("x", operations.get(*place, "x").etag)
        assert [one.name for one in operations.list_by_factory(*place)] == ["x"]
    with pytest.raises(HttpResponseError, match="The document cannot be deleted since it is referenced by x."):
        factories.linked_services.delete(*place, "x")
    with pytest.raises(HttpResponseError, match="failed because of invalid reference 'none'."):
        factories.datasets.create_or_update(
            *place, "y", {"properties": {"type": "Json", "linkedServiceName": reference("none", "LinkedServiceReference")}}
        )
    for operations, _ in reversed(kinds):
        operations.delete(*place, "x")
        with pytest.raises(ResourceNotFoundError):
            operations.get(*place, "x")
    networks = factories.managed_virtual_networks
    assert list(networks.list_by_factory(*place)) == []
    assert networks.create_or_update(*place, "default", {"properties": {}}).properties.v_net_id
    assert [one.name for one in networks.list_by_factory(*place)] == ["default"]


def test_a_runtime_has_a_status_and_auth_keys(factories, group, factory):
    runtimes, place = factories.integration_runtimes, (group, factory.name, "own-runtime")
    made = runtimes.create_or_update(*place, {"properties": {"type": "SelfHosted", "description": "ours"}})
    assert (made.name, made.properties.type, made.properties.description) == ("own-runtime", "SelfHosted", "ours")
    assert [one.name for one in runtimes.list_by_factory(group, factory.name)] == ["own-runtime"]
    status = runtimes.get_status(*place).properties
    assert (status.state, status.auto_update, status.nodes) == ("NeedRegistration", "On", [])
    keys = runtimes.list_auth_keys(*place)
    assert keys.auth_key1.split("@")[3] == f"ServiceEndpoint={factory.name}.westeurope.datafactory.azure.net"
    again = runtimes.regenerate_auth_key(*place, {"keyName": "authKey1"})
    assert (again.auth_key1 == keys.auth_key1, again.auth_key2 == keys.auth_key2) == (False, True)
    runtimes.update(*place, {"autoUpdate": "Off", "updateDelayOffset": "PT3H"})
    assert runtimes.get_status(*place).properties.auto_update == "Off"
    assert runtimes.get_monitoring_data(*place).nodes == []
    with pytest.raises(HttpResponseError, match="has no node that is online"):
        runtimes.sync_credentials(*place)
    runtimes.delete(*place)
    with pytest.raises(ResourceNotFoundError):
        runtimes.get(*place)


@pytest.fixture
def node(server, factories, group, factory, tmp_path):
    """A runtime of the factory with a node that is online; the node is a program of its own."""
    runtimes, place = factories.integration_runtimes, (group, factory.name, "own-runtime")
    runtimes.create_or_update(*place, {"properties": {"type": "SelfHosted"}})
    key = tmp_path / "key.txt"
    key.write_text(runtimes.list_auth_keys(*place).auth_key1)
    port = server.ready["listen"].rsplit(":", 1)[1]
    command = [binary(), "node", "--home", tmp_path / "node", "--auth-key-file", key, "--server", f"https://localhost:{port}"]
    command += ["--name", "py-node", "--remote-access", "on", "--listen", "127.0.0.1:0"]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(command, env=environment() | {"SSL_CERT_FILE": server.ready["ca"]}, stderr=log)
    try:
        for _ in range(200):
            if runtimes.get_status(*place).properties.state == "Online":
                break
            time.sleep(0.1)
        yield place
    finally:
        process.kill()
        process.wait()


def test_a_runtime_with_a_node_is_shared_with_another_factory(server, factories, group, factory, node):
    runtimes, admin = factories.integration_runtimes, Admin(server)
    status = runtimes.get_status(*node).properties
    assert (status.state, status.nodes[0].node_name, status.nodes[0].is_active_dispatcher) == ("Online", "py-node", True)
    runtimes.sync_credentials(*node)
    assert runtimes.get_connection_info(*node).host_service_uri.startswith("https://127.0.0.1:")

    body = {"location": "westus", "identity": {"type": "SystemAssigned"}}
    other = factories.factories.create_or_update(group, "py-other", body)
    shared = runtimes.get(*node).id
    linked = (group, other.name, "linked")
    info = {"authorizationType": "RBAC", "resourceId": shared}
    definition = {"properties": {"type": "SelfHosted", "typeProperties": {"linkedInfo": info}}}
    with pytest.raises(ClientAuthenticationError, match="Unable to access shared integration runtime 'own-runtime'") as denied:
        runtimes.create_or_update(*linked, definition)
    assert denied.value.error.code == "UnauthorizedIntegrationRuntimeAccess"
    assignment = "role-assignments/6b9e7c1a-0000-4000-8000-0000000000f2"
    admin.ask("PUT", assignment, {"objectId": other.identity.principal_id, "role": "Contributor", "scope": shared})
    made = runtimes.create_or_update(*linked, definition)
    assert made.properties.linked_info.resource_id == shared
    seen = runtimes.get_status(*linked)
    assert (seen.name, seen.properties.data_factory_name, seen.properties.state) == ("own-runtime", factory.name, "Online")
    links = runtimes.get_status(*node).properties.links
    assert [(one.data_factory_name, one.name, one.data_factory_location) for one in links] == [("py-other", "linked", "westus")]
    runtimes.remove_links(*node, {"factoryName": "py-other"})
    assert runtimes.get_status(*linked).properties.state == "AccessDenied"
    entry = {"name": "linked", "subscriptionId": SUBSCRIPTION, "dataFactoryName": "py-other", "dataFactoryLocation": "westus"}
    assert runtimes.create_linked_integration_runtime(*node, entry).properties.links[0].name == "linked"
    assert runtimes.get_status(*linked).properties.state == "Online"
    admin.ask("DELETE", assignment)
    assert runtimes.get_status(*linked).properties.state == "AccessDenied"
    factories.factories.delete(group, other.name)


@pytest.fixture
def safe(server, credential):
    """A vault whose key may be a factory's, as its administrator sees it; another one for each test."""
    admin = Admin(server)
    role = {"identity": "factory", "role": "Key Vault Administrator", "scope": ""}
    vault = {"sku": "premium", "enablePurgeProtection": True, "enableRbacAuthorization": True, "roleAssignments": [role]}
    admin.ask("PUT", "vaults/py-safe", vault)
    with KeyClient(server.vault_url().replace("factory-vault", "py-safe"), credential) as client:
        yield client
    admin.ask("DELETE", "vaults/py-safe")


@pytest.fixture
def grant(server):
    """Gives a principal the role that a factory needs at the vault, or takes it away."""
    admin, path = Admin(server), "role-assignments/6b9e7c1a-0000-4000-8000-0000000000f1"
    scope = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/keyhaven/providers/Microsoft.KeyVault/vaults/py-safe"
    body = {"role": "Key Vault Crypto Service Encryption User", "scope": scope}
    return lambda principal: admin.ask("PUT", path, {"objectId": principal, **body}) if principal else admin.ask("DELETE", path)


def encrypted(version: str | None = None, identity: str | None = None) -> dict:
    key = {"vaultBaseUrl": "https://py-safe.vault.azure.net", "keyName": "cmk"}
    if version is not None:
        key["keyVersion"] = version
    if identity:
        key["identity"] = {"userAssignedIdentity": identity}
    return {"location": "local", "properties": {"encryption": key}}


def test_a_factory_under_its_customers_key(factories, group, safe, grant):
    place = (group, "py-keyed")
    first = safe.create_rsa_key("cmk").properties.version
    made = factories.factories.create_or_update(*place, {"location": "local", "identity": {"type": "SystemAssigned"}})
    assert made.encryption is None
    with pytest.raises(HttpResponseError, match="lacks get on keys of https://py-safe.vault.azure.net") as denied:
        factories.factories.create_or_update(*place, encrypted(""))
    assert (denied.value.status_code, denied.value.error.code) == (403, "Forbidden")
    grant(made.identity.principal_id)
    key = factories.factories.create_or_update(*place, encrypted("")).encryption
    assert (key.vault_base_url, key.key_name, key.key_version) == ("https://py-safe.vault.azure.net", "cmk", "")
    factories.pipelines.create_or_update(*place, "p", {"properties": {"description": "sealed", "activities": []}})

    second = safe.rotate_key("cmk").properties.version
    assert factories.pipelines.get(*place, "p").description == "sealed"
    safe.update_key_properties("cmk", first, enabled=False)
    assert factories.pipelines.get(*place, "p").description == "sealed"
    factories.factories.create_or_update(*place, encrypted(second))
    safe.update_key_properties("cmk", second, enabled=False)
    with pytest.raises(HttpResponseError, match="403 Forbidden/KeyDisabled") as denied:
        factories.pipelines.get(*place, "p")
    assert denied.value.status_code == 403
    assert factories.factories.get(*place).encryption.key_version == second
    assert factories.factories.update(*place, {"tags": {"a": "b"}}).tags == {"a": "b"}
    with pytest.raises(HttpResponseError, match="You cannot remove CMK settings to existing factory") as refused:
        factories.factories.create_or_update(*place, {"location": "local"})
    assert refused.value.error.code == "RemovedCMKToExistingFactory"
    safe.update_key_properties("cmk", second, enabled=True)
    assert factories.pipelines.get(*place, "p").description == "sealed"
    grant(None)
    with pytest.raises(HttpResponseError, match="ForbiddenByRbac"):
        list(factories.pipelines.list_by_factory(*place))
    factories.factories.delete(*place)


def test_a_key_at_creation_is_a_user_assigned_identitys(factories, group, safe, grant):
    place, worker = (group, "py-keyed"), f"{IDENTITY}/operator"
    safe.create_rsa_key("cmk")
    with pytest.raises(HttpResponseError, match="a key at creation needs a user-assigned identity"):
        factories.factories.create_or_update(*place, encrypted())
    identities = json.loads(CONFIG.read_text())["identities"]
    grant(next(one["objectId"] for one in identities if one["name"] == "operator"))
    body = encrypted(identity=worker) | {"identity": {"type": "UserAssigned", "userAssignedIdentities": {worker: {}}}}
    made = factories.factories.create_or_update(*place, body)
    assert made.encryption.identity.user_assigned_identity == worker
    factories.linked_services.create_or_update(*place, "vault", {"properties": KEY_VAULT})
    grant(None)
    with pytest.raises(HttpResponseError, match="lacks unwrapKey on keys of https://py-safe.vault.azure.net"):
        factories.linked_services.get(*place, "vault")
    factories.factories.delete(*place)


def test_private_endpoints_of_a_factory_are_approved_and_those_of_its_network_by_the_other_side(server, factories, group, factory):
    place, target = (group, factory.name), "/subscriptions/5/resourceGroups/g/providers/Microsoft.KeyVault/vaults/safe"
    assert [one.properties.group_id for one in factories.private_link_resources.get(*place).value] == ["dataFactory", "portal"]
    connections = factories.private_endpoint_connection
    state = {"status": "Approved", "description": "ours"}
    wanted = {"properties": {"privateEndpoint": {"id": "/subscriptions/5/pe"}, "privateLinkServiceConnectionState": state}}
    made = connections.create_or_update(*place, "pe", wanted)
    assert (made.properties.private_link_service_connection_state.status, made.properties.provisioning_state) == ("Approved", "Succeeded")
    state["status"] = "Rejected"
    connections.create_or_update(*place, "pe", {"properties": {"privateLinkServiceConnectionState": state}})
    listed = list(factories.private_end_point_connections.list_by_factory(*place))
    assert [(one.name, one.properties.private_link_service_connection_state.status) for one in listed] == [("pe", "Rejected")]
    assert connections.get(*place, "pe").properties.private_endpoint.id == "/subscriptions/5/pe"
    connections.delete(*place, "pe")
    with pytest.raises(ResourceNotFoundError):
        connections.get(*place, "pe")

    endpoints, network = factories.managed_private_endpoints, (*place, "default")
    factories.managed_virtual_networks.create_or_update(*network, {"properties": {}})
    endpoint = {"properties": {"privateLinkResourceId": target, "groupId": "vault", "fqdns": []}}
    made = endpoints.create_or_update(*network, "to-vault", endpoint)
    assert (made.properties.connection_state.status, made.properties.group_id) == ("Pending", "vault")
    Admin(server).ask("PUT", f"private-endpoints/{factory.name}.to-vault", {"approve": True})
    assert endpoints.get(*network, "to-vault").properties.connection_state.status == "Approved"
    assert [one.properties.private_link_resource_id for one in endpoints.list_by_factory(*network)] == [target]
    endpoints.delete(*network, "to-vault")
    assert list(endpoints.list_by_factory(*network)) == []


def test_an_etag_guards_a_write(factories, group, factory):
    make = lambda **options: factories.pipelines.create_or_update(group, factory.name, "p", {"properties": {}}, **options)
    first = make()
    make(etag=first.etag, match_condition=MatchConditions.IfNotModified)
    with pytest.raises(HttpResponseError) as refused:
        make(etag=first.etag, match_condition=MatchConditions.IfNotModified)
    assert refused.value.status_code == 412


def test_without_a_role_nothing_is_seen(arm, stranger, group, factory):
    with DataFactoryManagementClient(stranger, SUBSCRIPTION, base_url=arm) as client:
        with pytest.raises(HttpResponseError, match="does not have authorization to perform action") as refused:
            client.factories.get(group, factory.name)
        assert (refused.value.status_code, refused.value.error.code) == (403, "AuthorizationFailed")


def test_a_pipeline_is_run_and_what_came_of_it_is_shown(factories, group, factory):
    place, window = (group, factory.name), {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"}
    wait = {"name": "w", "type": "Wait", "typeProperties": {"waitTimeInSeconds": "@pipeline().parameters.seconds"}}
    parameters = {"seconds": {"type": "int", "defaultValue": 0}}
    factories.pipelines.create_or_update(*place, "p", {"properties": {"activities": [wait], "parameters": parameters}})
    run_id = factories.pipelines.create_run(*place, "p").run_id
    for _ in range(100):
        run = factories.pipeline_runs.get(*place, run_id)
        if run.status not in ("Queued", "InProgress"):
            break
        time.sleep(0.1)
    assert (run.pipeline_name, run.status, run.message, run.parameters) == ("p", "Succeeded", "", {"seconds": "0"})
    found = factories.pipeline_runs.query_by_factory(*place, window).value
    assert [(one.run_id, one.status) for one in found] == [(run_id, "Succeeded")]
    (activity,) = factories.activity_runs.query_by_pipeline_run(*place, run_id, window).value
    assert (activity.activity_name, activity.activity_type, activity.status) == ("w", "Wait", "Succeeded")

    waiting = factories.pipelines.create_run(*place, "p", parameters={"seconds": 3600}).run_id
    factories.pipeline_runs.cancel(*place, waiting)
    assert factories.pipeline_runs.get(*place, waiting).status in ("Canceling", "Cancelled")
    factories.pipelines.delete(*place, "p")


def test_a_node_is_read_limited_and_removed(factories, node):
    nodes, place = factories.integration_runtime_nodes, (*node, "py-node")
    found = nodes.get(*place)
    assert (found.node_name, found.status, found.is_active_dispatcher) == ("py-node", "Online", True)
    assert nodes.update(*place, {"concurrentJobsLimit": 2}).concurrent_jobs_limit == 2
    assert nodes.get_ip_address(*place).ip_address == "127.0.0.1"
    assert [one.node_name for one in factories.integration_runtimes.get_monitoring_data(*node).nodes] == ["py-node"]
    nodes.delete(*place)
    with pytest.raises(ResourceNotFoundError):
        nodes.get(*place)


def test_identities_that_sign_in_are_made_listed_and_deleted(factories, group, factory):
    place, identity = (group, factory.name), f"{IDENTITY}/operator"
    both = {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {identity: {}}}
    factories.factories.create_or_update(*place, {"location": "westeurope", "identity": both})
    credentials = factories.credential_operations
    managed = models.ManagedIdentityCredential(type="ManagedIdentity", resource_id=identity)
    made = credentials.create_or_update(*place, "c", models.CredentialResource(properties=managed))
    assert (made.name, made.properties.resource_id) == ("c", identity)
    assert credentials.get(*place, "c").etag == made.etag
    assert [one.name for one in credentials.list_by_factory(*place)] == ["c"]
    credentials.delete(*place, "c")
    assert list(credentials.list_by_factory(*place)) == []
