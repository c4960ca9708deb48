//! What a configuration makes: who is let in, which secrets there are.

use keyhaven::Storage;

use crate::world::World;

const SMALLEST: &str = r#"{
  // The smallest seed: a name and a value.
  "identities": [{"name": "owner"}, {"name": "nobody"}],
  "vaults": [{"name": "acme", "secrets": {"db": "v1"}}, {"name": "plain", "accessPolicies": []}],
}"#;

#[tokio::test]
async fn a_vault_without_policies_lets_the_default_identity_in_and_no_other() {
    let world = World::of(SMALLEST, Storage::Memory).await;
    let read = world.ask("GET /secrets/db", "").await;
    assert_eq!((read.status.as_u16(), read.json()["value"].as_str()), (200, Some("v1")));
    assert_eq!(world.ask("DELETE /secrets/db", "").await.status, 200);
    assert_eq!(world.ask("DELETE /deletedsecrets/db", "").await.status, 204, "purge is granted too");
    assert_eq!(world.ask_as("nobody", "acme", "GET /secrets", "").await.status, 403);
    assert_eq!(
        world.ask_as("owner", "plain", "GET /secrets", "").await.status,
        403,
        "an empty list lets no identity in"
    );
    // The admin API reads an entry alike.
    assert_eq!(world.admin("PUT /admin/vaults/fresh", r#"{"secrets":{"new":"v2"}}"#).await.status, 201);
    assert_eq!(world.ask_as("owner", "fresh", "GET /secrets/new", "").await.json()["value"], "v2");
    assert_eq!(world.admin("PUT /admin/vaults/shut", r#"{"accessPolicies":[]}"#).await.status, 201);
    assert_eq!(world.ask_as("owner", "shut", "GET /secrets", "").await.status, 403);
}

#[tokio::test]
async fn a_new_vault_without_policies_lets_the_system_assigned_identity_in() {
    let config = r#"{"identities": [{"name": "owner"}, {"name": "nobody", "systemAssigned": true}], "vaults": [{"name": "acme"}]}"#;
    let world = World::of(config, Storage::Memory).await;
    assert_eq!(world.admin("PUT /admin/vaults/fresh", "").await.status, 201);
    for vault in ["acme", "fresh"] {
        assert_eq!(world.ask_as("nobody", vault, "GET /secrets", "").await.status, 200, "{vault}");
        assert_eq!(world.ask_as("owner", vault, "GET /secrets", "").await.status, 403, "{vault}");
    }
}
