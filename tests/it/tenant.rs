//! Data stays with the tenant that it was made under.

use std::path::Path;

use keyhaven::{BackupKey, Config, Options, Storage, testing};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cli::{keyhaven, refused};
use crate::world::World;

const OTHER: Uuid = Uuid::from_u128(0x1111_1111_2222_4333_8444_5555_5555_5555);
/// An identity whose ids follow from its name and the tenant.
const DERIVED: &str = r#"{"identities": [{"name": "build"}], "vaults": [{"name": "acme", "accessPolicies": []}]}"#;
/// One that has the same ids under any tenant.
const FIXED: &str = r#"{
  "identities": [{"name": "build", "clientId": "11111111-0000-4000-8000-000000000001", "objectId": "11111111-0000-4000-8000-000000000002"}],
  "vaults": [{"name": "acme", "accessPolicies": [{"identity": "build", "permissions": {"secrets": ["get"]}}]}]
}"#;

fn options(dir: &Path, config: &str, tenant: Option<Uuid>) -> Options {
    let config = Config::parse_with(config, tenant).unwrap();
    Options { config, storage: Storage::Redb(dir.to_owned()), ..Options::default() }
}

/// Why no server of this tenant starts in `dir`.
async fn refusal(dir: &Path, config: &str, tenant: Option<Uuid>) -> String {
    testing::start(options(dir, config, tenant)).await.map(drop).unwrap_err().to_string()
}

/// Takes away what says whose data it is: so a version left it that did not write it down.
async fn forget_tenant(dir: &Path) {
    testing::delete_record(dir, "tenant").await;
}

async fn names(world: &World) -> Vec<String> {
    let listed = world.admin("GET /admin/identities", "").await.json();
    listed["identities"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_start_of_another_tenant_is_refused_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let own = Config::parse(DERIVED).unwrap().tenant;
    World::with(options(dir.path(), DERIVED, None)).await.server.stop().await;
    let refused = refusal(dir.path(), DERIVED, Some(OTHER)).await;
    let expected = format!(
        "the data was made under the tenant {own}, this start is of the tenant {OTHER}: give --tenant {own} (or the same \
         tenantId in the configuration), or another --data"
    );
    assert_eq!(refused, expected);
    let world = World::with(options(dir.path(), DERIVED, Some(own))).await;
    assert_eq!(names(&world).await, ["build"], "no name is there twice");
    assert_eq!(world.admin("POST /admin/reset", "").await.status, 204);
    world.server.stop().await;
    assert_eq!(refusal(dir.path(), DERIVED, Some(OTHER)).await, expected, "a reset changes nothing of it");
}

#[tokio::test]
async fn a_snapshot_brings_its_tenant_along() {
    let dir = tempfile::tempdir().unwrap();
    let key = || Some(BackupKey::from_bytes(Zeroizing::new([0xab; 32])));
    let source = World::with(Options {
        backup_key: key(),
        storage: Storage::Memory,
        ..options(dir.path(), DERIVED, Some(OTHER))
    });
    let file = source.await.admin_bytes("GET /admin/snapshot").await;
    let world = World::with(Options { backup_key: key(), ..options(dir.path(), DERIVED, Some(OTHER)) }).await;
    let bearer = format!("Bearer {}", world.server.ready.admin_key);
    assert_eq!(world.admin_with("PUT /admin/snapshot", &file, &[("authorization", &bearer)]).await.status, 204);
    world.server.stop().await;
    assert!(refusal(dir.path(), DERIVED, None).await.contains(&format!("give --tenant {OTHER}")));
}

#[tokio::test]
async fn data_that_names_no_tenant_belongs_to_the_one_that_its_ids_or_policies_speak_of() {
    let default = Config::parse(DERIVED).unwrap().tenant;
    for (config, own, other) in [(DERIVED, default, OTHER), (FIXED, OTHER, default)] {
        let dir = tempfile::tempdir().unwrap();
        World::with(options(dir.path(), config, Some(own))).await.server.stop().await;
        forget_tenant(dir.path()).await;
        let refused = async || refusal(dir.path(), config, Some(other)).await;
        assert!(refused().await.contains(&format!("give --tenant {own}")), "{config}");
        World::with(options(dir.path(), config, Some(own))).await.server.stop().await;
        let kept = refused().await;
        assert!(kept.contains(&format!("give --tenant {own}")), "kept from now on: {kept}");
    }
}

#[test]
fn run_with_data_of_another_tenant_than_the_environments_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    assert!(keyhaven(&["run", "--data", data, "--", "true"]).status().unwrap().success());
    let output =
        keyhaven(&["run", "--data", data, "--", "true"]).env("AZURE_TENANT_ID", OTHER.to_string()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    let own = Config::default().tenant;
    assert!(said.contains(&format!("this start is of the tenant {OTHER}: give --tenant {own}")), "{said}");
    assert!(
        refused(&["run", "--data", data, "--tenant", &OTHER.to_string(), "--", "true"], 1).contains("another --data")
    );
    let mut own_again = keyhaven(&["run", "--data", data, "--tenant", &own.to_string(), "--", "true"]);
    assert!(own_again.env("AZURE_TENANT_ID", OTHER.to_string()).status().unwrap().success());
}
