//! Key files that hold no key: a start refuses them and says what to do; none of them opens a door.

use std::fs;
use std::path::Path;

use keyhaven::{AdminKey, Config, Options, Storage, testing};

use crate::cli::{ON_FREE_PORTS, keyhaven, refused};
use crate::world::{CONFIG, World};

fn options(dir: &Path) -> Options {
    let config = Config::parse(CONFIG).unwrap();
    Options { config, storage: Storage::Redb(dir.to_owned()), ..Options::default() }
}

/// Why no server starts in `dir`.
async fn refusal(dir: &Path) -> String {
    testing::start(options(dir)).await.map(drop).unwrap_err().to_string()
}

#[tokio::test]
async fn a_key_file_that_was_emptied_or_cut_short_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(options(dir.path())).await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    assert_eq!(world.ask("POST /secrets/s/backup", "").await.status, 200, "the backup key is made");
    world.server.stop().await;
    for (file, hint) in [
        ("admin.key", "not an admin key (64 hexadecimal digits); remove the file and the next start makes a new key"),
        ("master.key", "not a master key (64 hexadecimal digits); restore the file that this data was made with"),
        (
            "backup.key",
            "not a backup key (32 bytes as 64 hexadecimal digits or base64); restore the file, or remove it",
        ),
        ("certs/ca.key", "remove ca.pem and ca.key there to have a new CA made"),
        ("certs/ca.pem", "remove ca.pem and ca.key there to have a new CA made"),
    ] {
        let path = dir.path().join(file);
        let kept = fs::read(&path).unwrap();
        for left in [0, 1, kept.len() / 2] {
            fs::write(&path, &kept[..left]).unwrap();
            let refused = refusal(dir.path()).await;
            assert!(refused.starts_with(&path.display().to_string()) && refused.contains(hint), "{refused}");
        }
        fs::write(&path, kept).unwrap();
    }
    let world = World::with(options(dir.path())).await;
    assert_eq!(world.ask("GET /secrets/s", "").await.json()["value"], "v", "and nothing was lost by it");
}

#[tokio::test]
async fn an_empty_credential_opens_no_door() {
    let world = World::new().await;
    for value in ["Bearer ", "Bearer", "Bearer  ", ""] {
        let refused = world.admin_with("GET /admin/vaults", b"", &[("authorization", value)]).await;
        assert_eq!(refused.status, 401, "{value:?}");
    }
    let identity = world.server.ready.identity.clone();
    let app_service = "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net";
    for headers in [vec![], vec![("x-identity-header", "")]] {
        assert_eq!(world.plain(&identity, app_service, &headers).await.status, 401, "{headers:?}");
    }
}

#[tokio::test]
async fn an_empty_identity_header_opens_no_door() {
    let world = World::with(Options { identity_header: Some(String::new().into()), ..Options::default() }).await;
    let path = "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net";
    for headers in [vec![], vec![("x-identity-header", "")]] {
        assert_eq!(world.plain(&world.server.ready.identity, path, &headers).await.status, 401, "{headers:?}");
    }
}

#[tokio::test]
async fn the_users_own_admin_key_is_the_one_that_counts() {
    let dir = tempfile::tempdir().unwrap();
    let admin_key = Some(AdminKey::parse("correct horse battery staple").unwrap());
    let world = World::with(Options { admin_key, ..options(dir.path()) }).await;
    let key = "Bearer correct horse battery staple";
    assert_eq!(world.admin_with("GET /admin/vaults", b"", &[("authorization", key)]).await.status, 200);
    assert!(!dir.path().join("admin.key").exists());
}

#[test]
fn an_admin_key_that_is_too_short_is_a_wrong_command_line() {
    let said = keyhaven(&["serve", "--ephemeral"]).env("KEYHAVEN_ADMIN_KEY", "fifteen letters").output().unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!((said.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("KEYHAVEN_ADMIN_KEY cannot be used: an admin key has 16 to 512 printable"), "{stderr}");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("admin.key"), "").unwrap();
    let args = [&["serve", "--data", dir.path().to_str().unwrap()][..], &ON_FREE_PORTS].concat();
    assert!(refused(&args, 1).contains("admin.key: not an admin key (64 hexadecimal digits); remove the file"));
}
