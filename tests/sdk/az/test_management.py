"""Resource groups, as az makes, shows and deletes them, and the resources that it lists."""

from cli import Az


def test_a_group_is_made_shown_listed_and_deleted(az: Az):
    made = az("group", "create", "--name", "az-shop", "--location", "westeurope", "--tags", "team=shop")
    assert (made["name"], made["location"], made["properties"]["provisioningState"]) == ("az-shop", "westeurope", "Succeeded")
    assert az("group", "show", "--name", "AZ-SHOP")["tags"] == {"team": "shop"}
    assert [group["name"] for group in az("group", "list", "--tag", "team=shop")] == ["az-shop"]
    assert az("group", "update", "--name", "az-shop", "--set", "tags.more=x")["tags"] == {"team": "shop", "more": "x"}
    assert az("group", "exists", "--name", "az-shop") is True
    az("group", "delete", "--name", "az-shop", "--yes")
    assert az("group", "exists", "--name", "az-shop") is False


def test_a_factory_is_made_shown_and_deleted_as_a_resource(az: Az):
    az("group", "create", "--name", "az-data", "--location", "westeurope")
    kind = ("--resource-type", "Microsoft.DataFactory/factories", "--resource-group", "az-data", "--name", "az-factory")
    made = az("resource", "create", *kind, "--location", "westeurope", "--properties", "{}")
    assert (made["type"], made["properties"]["provisioningState"]) == ("Microsoft.DataFactory/factories", "Succeeded")
    assert az("resource", "show", *kind)["id"] == made["id"]
    listed = az("resource", "list", "--resource-type", "Microsoft.DataFactory/factories")
    assert [one["id"] for one in listed] == [made["id"]]
    az("resource", "delete", *kind)
    az("group", "delete", "--name", "az-data", "--yes")


def test_who_has_no_role_is_refused(nobody: Az):
    refused = nobody.refused("group", "create", "--name", "az-shop", "--location", "westeurope")
    assert refused.code == "AuthorizationFailed"
