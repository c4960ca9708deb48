//! Files with credentials: made once, found again, renewed in time.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use uuid::Uuid;

use super::*;
use crate::clock::{Timestamp, VirtualClock};
use crate::crypto::pool::Pool;
use crate::directory::Tenant;
use crate::random;
use crate::records::Records;
use crate::resource_id::SubscriptionId;
use crate::store::{DataKey, Store};

const HOUR: i64 = 3600;

fn application() -> IdentityRecord {
    IdentityRecord { client_id: Uuid::from_u128(7), object_id: Uuid::from_u128(8), ..IdentityRecord::default() }
}

async fn directory(clock: &Arc<VirtualClock>) -> Directory {
    let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
    let tenant = Tenant { id: Uuid::from_u128(9), subscription: SubscriptionId(Uuid::nil()) };
    let directory = Directory::new(tenant, Records::new(store), clock.clone(), 10);
    directory.prepare_issuer(&Pool::start(1, 10)).await.unwrap();
    directory.ensure(&[application()]).await.unwrap();
    directory
}

fn open(directory: &Directory, dir: &Path) -> PlaceholderCredentials {
    PlaceholderCredentials::open(directory.clone(), UnknownIdentities::Reject, dir).unwrap()
}

#[tokio::test]
async fn a_federated_tokens_file_is_renewed_when_half_its_life_is_over_and_when_it_is_no_good() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(VirtualClock::frozen_at(Timestamp::from_unix(0))));
    let all = open(&directory(&clock).await, dir.path());
    all.renew().await.unwrap();
    let path = all.federated_token(&application()).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let read = || fs::read_to_string(&path).unwrap();
    let first = read();
    clock.advance(11 * HOUR);
    all.renew().await.unwrap();
    assert_eq!(read(), first, "not before");
    clock.advance(2 * HOUR);
    all.renew().await.unwrap();
    let second = read();
    assert_ne!(second, first);
    for bad in ["", "no token", &first] {
        fs::write(&path, bad).unwrap();
        all.renew().await.unwrap();
        assert!(all.inner.directory.is_fresh_federated_token(&read()), "{bad}");
    }
    let elsewhere = open(&directory(&clock).await, dir.path());
    assert!(!elsewhere.inner.directory.is_fresh_federated_token(&second), "its keys are others");
    elsewhere.renew().await.unwrap();
    assert!(elsewhere.inner.directory.is_fresh_federated_token(&read()));
}

#[tokio::test]
async fn other_files_and_those_of_unknown_applications_are_left_alone() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(VirtualClock::frozen_at(Timestamp::from_unix(0))));
    let directory = directory(&clock).await;
    let all = PlaceholderCredentials::open(directory.clone(), UnknownIdentities::AutoCreate, dir.path()).unwrap();
    let left = [format!("{}.token", Uuid::from_u128(1)), format!("{}.pem", Uuid::from_u128(7)), "x.token".to_owned()];
    left.iter().for_each(|name| fs::write(dir.path().join(name), "left").unwrap());
    all.renew().await.unwrap();
    assert!(left.iter().all(|name| fs::read_to_string(dir.path().join(name)).unwrap() == "left"));
    assert_eq!(directory.identities().await.unwrap().len(), 1, "and nothing is made for them");
}

#[tokio::test]
async fn a_secret_and_a_certificate_are_made_once_and_found_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(VirtualClock::frozen_at(Timestamp::from_unix(0))));
    let directory = directory(&clock).await;
    let first = open(&directory, dir.path());
    let (secret, path) = (first.secret().await.unwrap(), first.certificate().await.unwrap());
    let pem = fs::read(&path).unwrap();
    assert_eq!(*first.secret().await.unwrap(), *secret);
    let second = open(&directory, dir.path());
    assert_eq!(*second.secret().await.unwrap(), *secret);
    assert_eq!(fs::read(second.certificate().await.unwrap()).unwrap(), pem);
    for empty in [on_disk::secret_path(dir.path()), path] {
        fs::write(empty, "").unwrap();
    }
    let third = open(&directory, dir.path());
    let (other, path) = (third.secret().await.unwrap(), third.certificate().await.unwrap());
    assert!(*other != *secret && other.len() == secret.len());
    assert_ne!(fs::read(path).unwrap(), pem, "what an accident emptied is made anew");
}
