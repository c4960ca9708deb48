//! Each drill fails, and in the step that watches it, when the behaviour it guards is broken.

mod access;
mod network;

use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};

use access::{
    assign_once, cached_behind_firewall, cached_without_role, keep_addresses_out, keep_bypass, keep_open, keep_roles,
    let_contributors_in, no_bypass,
};
use network::NETWORK;

use super::proxy::{Answer, Asked, FAITHFUL, Memory, Proxy, Tampering, Way};
use super::{Server, first_failed};

/// What is broken, in words; how; in which drill; and the first step that must fail.
type Case = (&'static str, Tampering, &'static str, &'static str);

const fn before(before: fn(&Asked, &Memory) -> Way) -> Tampering {
    Tampering { before, ..FAITHFUL }
}

const fn after(after: fn(&Asked, &mut Answer, &Memory)) -> Tampering {
    Tampering { after, ..FAITHFUL }
}

const ROTATION: &[Case] = &[
    ("a rotation is swallowed", before(swallow_rotation), "rotation", "rotate-by-hand"),
    ("the latest version is a stale one", after(stale_key), "rotation", "rotate-by-hand"),
    ("a policy is swallowed", before(swallow_policy), "rotation", "set-policy"),
    ("a policy is kept and does nothing", before(keep_policy), "rotation", "rotate-by-policy"),
    ("the clock only seems to be moved", before(keep_clock_still), "rotation", "rotate-by-policy"),
    ("a new version unwraps to other bytes", after(other_bytes_under_new), "rotation", "rotate-by-hand"),
    ("old versions do not unwrap once there is a new one", after(forget_old), "rotation", "read-before-re-wrap"),
    ("the factory is shown a stale version", after(stale_for_factory), "rotation", "re-wrap"),
    ("disabled versions unwrap", after(cached_unwraps), "rotation", "disable-old"),
    ("versions stay disabled", before(stay_disabled), "rotation", "enable-again"),
];

const REVOCATION: &[Case] = &[
    ("unwraps are answered from a cache", after(cached_unwraps), "revocation", "withdraw-policy"),
    ("a policy is not withdrawn", before(keep_grants), "revocation", "withdraw-policy"),
    ("a policy is not granted again", before(grant_once), "revocation", "grant-policy"),
    ("a role is not withdrawn", before(keep_roles), "revocation", "withdraw-role"),
    ("who lost a role goes on by a cache", after(cached_without_role), "revocation", "withdraw-role"),
    ("a factory's administrator is let in", after(let_contributors_in), "revocation", "data-factory-contributor"),
    ("a role is not assigned again", before(assign_once), "revocation", "assign-role"),
    ("a firewall stays open", before(keep_open), "revocation", "trusted-service"),
    ("trusted services are shut out", after(no_bypass), "revocation", "trusted-service"),
    ("trusted services keep their bypass", before(keep_bypass), "revocation", "shut-out"),
    ("who is shut out goes on by a cache", after(cached_behind_firewall), "revocation", "shut-out"),
    ("an address is not let in", before(keep_addresses_out), "revocation", "let-in"),
    ("a disabled key unwraps", after(cached_for_disabled), "revocation", "disable-key"),
    ("a key stays disabled", before(stay_disabled), "revocation", "enable-key"),
    ("an expired key wraps", after(cached_wraps), "revocation", "expire-key"),
    ("an expired key does not unwrap", after(no_unwrap_once_expired), "revocation", "expire-key"),
    ("a key stays expired", before(expire_once), "revocation", "prolong-key"),
    ("an identity is not deleted", before(keep_identity), "revocation", "delete-identity"),
    ("a deleted identity's token goes on to count", after(cached_for_deleted), "revocation", "delete-identity"),
    ("an identity does not come back", before(make_once), "revocation", "restore-identity"),
];

const RECOVERY: &[Case] = &[
    ("a deleted key unwraps", after(cached_unwraps), "recovery", "delete-key"),
    ("a purge is let through", before(let_purge_through), "recovery", "purge-refused"),
    ("a recovered key is broken", after(broken_once_recovered), "recovery", "recover-key"),
    ("connections are not cut", before(cut_nothing), "recovery", "cut-rotation"),
    ("connections of wraps are not cut", before(cut_no_wrap), "recovery", "cut-re-wrap"),
    ("a restore does nothing", before(restore_nothing), "recovery", "restore-elsewhere"),
];

const CREDENTIALS: &[Case] = &[
    ("a pinned version is the latest", before(latest_for_pinned), "credentials", "new-versions"),
    ("the latest version is a stale one", after(stale_secret), "credentials", "new-versions"),
    ("a disabled version is served", after(cached_secrets), "credentials", "disable-pinned"),
    ("a version stays disabled", before(stay_disabled), "credentials", "enable-pinned"),
    ("a deleted secret is served", after(cached_latest), "credentials", "delete-secret"),
    ("a recovery loses versions", after(lose_versions), "credentials", "recover-secret"),
];

const SYSTEM_KEY: &[Case] = &[
    ("the clock only seems to be moved", before(keep_clock_still), "system-key", "expired"),
    ("a credential cannot be had for a moment", after(gap), "system-key", "renew"),
];

#[test]
fn rotation_notices() {
    all(ROTATION);
}

#[test]
fn revocation_notices() {
    all(REVOCATION);
}

#[test]
fn recovery_notices() {
    all(RECOVERY);
}

#[test]
fn credentials_notices() {
    all(CREDENTIALS);
}

#[test]
fn system_key_notices() {
    all(SYSTEM_KEY);
}

#[test]
fn network_notices() {
    all(NETWORK);
}

/// The proxy itself is no reason for a drill to fail.
#[test]
fn a_faithful_proxy_is_not_noticed() {
    let server = Server::start();
    let report = drilled(&server, FAITHFUL, "all");
    assert_eq!((&report["failed"], first_failed(&report)), (&json!(0), None), "{report:#}");
}

fn all(cases: &[Case]) {
    let server = Server::start();
    for (what, tampering, drill, step) in cases {
        let report = drilled(&server, *tampering, drill);
        assert_eq!(first_failed(&report).as_deref(), Some(*step), "{what}: {report:#}");
    }
}

/// The report of a drill through a proxy that tampers.
fn drilled(server: &Server, tampering: Tampering, drill: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("proxy.pem");
    let proxy = Proxy::start(server.ready(), &ca, tampering);
    let vault = format!("https://local.vault.localhost:{}", proxy.vaults);
    let admin = format!("http://127.0.0.1:{}", proxy.admin);
    let mut command = server.drill(&[drill, "--vault", &vault, "--admin", &admin, "--report", "json"]);
    let output = command.env("SSL_CERT_FILE", &ca).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// `/keys/NAME` of `/keys/NAME/anything`.
fn object(path: &str) -> String {
    path.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn is_latest(asked: &Asked, collection: &str) -> bool {
    asked.method == Method::GET && asked.path.starts_with(collection) && asked.path.matches('/').count() == 2
}

fn swallow_rotation(asked: &Asked, _: &Memory) -> Way {
    match asked.path.ends_with("/rotate") {
        true => Way::Instead(Method::GET, object(&asked.path)),
        false => Way::On,
    }
}

/// The first answer, for ever.
fn stale(asked: &Asked, answer: &mut Answer, memory: &Memory, collection: &str) {
    if is_latest(asked, collection) && answer.status == 200 {
        match memory.find(&asked.path) {
            Some(first) => answer.body = first,
            None => memory.put(asked.path.clone(), answer.body.clone()),
        }
    }
}

fn stale_key(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    stale(asked, answer, memory, "/keys/");
}

/// Of each key only the version unwraps that wrapped last.
fn forget_old(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    let (key, version) = (object(&asked.path), asked.path.rsplit_once('/').unwrap().0.to_owned());
    if asked.path.ends_with("/wrapkey") {
        memory.put(key, Bytes::from(version));
    } else if asked.path.ends_with("/unwrapkey") && memory.find(&key) != Some(Bytes::from(version)) {
        *answer = Answer { status: 404, body: Bytes::from(r#"{"error":{"code":"KeyNotFound","message":"gone"}}"#) };
    }
}

/// Who wraps is the factory.
fn stale_for_factory(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/wrapkey") {
        memory.put(asked.who.clone(), Bytes::new());
    }
    if is_latest(asked, "/keys/") && answer.status == 200 {
        match memory.find(&asked.path) {
            Some(first) if memory.find(&asked.who).is_some() => answer.body = first,
            Some(_) => {}
            None => memory.put(asked.path.clone(), answer.body.clone()),
        }
    }
}

fn stale_secret(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    stale(asked, answer, memory, "/secrets/");
}

fn swallow_policy(asked: &Asked, _: &Memory) -> Way {
    match asked.method == Method::PUT && asked.path.ends_with("/rotationpolicy") {
        true => Way::Instead(Method::GET, asked.path.clone()),
        false => Way::On,
    }
}

fn keep_policy(asked: &Asked, memory: &Memory) -> Way {
    if !asked.path.ends_with("/rotationpolicy") {
        return Way::On;
    }
    if asked.method == Method::PUT {
        memory.put(asked.path.clone(), asked.body.clone());
    }
    memory.find(&asked.path).map_or(Way::On, |policy| Way::Answer(200, policy))
}

fn keep_clock_still(asked: &Asked, _: &Memory) -> Way {
    match asked.method == Method::POST && asked.path == "/admin/clock" {
        true => Way::Instead(Method::GET, asked.path.clone()),
        false => Way::On,
    }
}

/// The version that wraps first is the one that unwraps well.
fn other_bytes_under_new(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    let (key, version) = (object(&asked.path), asked.path.rsplit_once('/').unwrap().0.to_owned());
    if asked.path.ends_with("/wrapkey") && memory.find(&key).is_none() {
        memory.put(key, Bytes::from(version));
    } else if asked.path.ends_with("/unwrapkey") && memory.find(&key) != Some(Bytes::from(version)) {
        answer.body = Bytes::from(json!({"kid": "", "value": "A".repeat(43)}).to_string());
    }
}

/// What succeeded once succeeds again, whatever the vault says by then.
fn cached(asked: &Asked, answer: &mut Answer, memory: &Memory, hides: fn(&Answer) -> bool) {
    let key = format!("{} {} {}", asked.method, asked.path, String::from_utf8_lossy(&asked.body));
    if answer.status == 200 {
        memory.put(key, answer.body.clone());
    } else if let Some(kept) = memory.find(&key).filter(|_| hides(answer)) {
        *answer = Answer { status: 200, body: kept };
    }
}

fn cached_unwraps(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/unwrapkey") {
        cached(asked, answer, memory, |_| true);
    }
}

fn cached_for_disabled(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/unwrapkey") {
        cached(asked, answer, memory, |answer| String::from_utf8_lossy(&answer.body).contains("KeyDisabled"));
    }
}

fn cached_for_deleted(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/unwrapkey") {
        cached(asked, answer, memory, |answer| answer.status == 401);
    }
}

/// One wrapped key is as good as another here.
fn cached_wraps(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/wrapkey") {
        match (answer.status, memory.find(&asked.path)) {
            (200, _) => memory.put(asked.path.clone(), answer.body.clone()),
            (_, Some(kept)) => *answer = Answer { status: 200, body: kept },
            _ => {}
        }
    }
}

fn no_unwrap_once_expired(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/wrapkey") && answer.status == 403 {
        memory.put("expired", answer.body.clone());
    }
    if let Some(refusal) = memory.find("expired").filter(|_| asked.path.ends_with("/unwrapkey")) {
        *answer = Answer { status: 403, body: refusal };
    }
}

/// Lets no policy be taken away.
fn keep_grants(asked: &Asked, _: &Memory) -> Way {
    let body = String::from_utf8_lossy(&asked.body);
    match asked.method == Method::PUT && body.contains("accessPolicies") && !body.contains("unwrapKey") {
        true => Way::Instead(Method::GET, "/admin/vaults".to_owned()),
        false => Way::On,
    }
}

/// Nothing is enabled again.
fn stay_disabled(asked: &Asked, _: &Memory) -> Way {
    let body = String::from_utf8_lossy(&asked.body);
    match asked.method == Method::PATCH && body.contains(r#""enabled":true"#) {
        true => Way::Instead(Method::GET, object(&asked.path)),
        false => Way::On,
    }
}

/// Policies that grant are taken until one has withdrawn.
fn grant_once(asked: &Asked, memory: &Memory) -> Way {
    let body = String::from_utf8_lossy(&asked.body);
    if asked.method != Method::PUT || !body.contains("accessPolicies") {
        return Way::On;
    }
    if !body.contains("unwrapKey") {
        memory.put("withdrawn", Bytes::new());
    }
    match memory.find("withdrawn").is_some() && body.contains("unwrapKey") {
        true => Way::Instead(Method::GET, "/admin/vaults".to_owned()),
        false => Way::On,
    }
}

fn expire_once(asked: &Asked, memory: &Memory) -> Way {
    let expires = asked.method == Method::PATCH && String::from_utf8_lossy(&asked.body).contains("\"exp\"");
    match expires && memory.count("expiries") > 1 {
        true => Way::Instead(Method::GET, object(&asked.path)),
        false => Way::On,
    }
}

/// Each identity is made once.
fn make_once(asked: &Asked, memory: &Memory) -> Way {
    let made = asked.method == Method::POST && asked.path == "/admin/identities";
    match made && memory.count(&String::from_utf8_lossy(&asked.body)) > 1 {
        true => Way::Answer(201, Bytes::from("{}")),
        false => Way::On,
    }
}

fn keep_identity(asked: &Asked, _: &Memory) -> Way {
    match asked.method == Method::DELETE && asked.path.ends_with("-factory") {
        true => Way::Answer(204, Bytes::new()),
        false => Way::On,
    }
}

fn let_purge_through(asked: &Asked, _: &Memory) -> Way {
    match asked.method == Method::DELETE && asked.path.starts_with("/deletedkeys/") {
        true => Way::Answer(204, Bytes::new()),
        false => Way::On,
    }
}

fn lose_versions(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/recover") {
        memory.put("recovered", Bytes::new());
    }
    if asked.path.ends_with("/versions") && memory.find("recovered").is_some() {
        answer.body = Bytes::from(r#"{"value":[],"nextLink":null}"#);
    }
}

fn broken_once_recovered(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/recover") {
        memory.put("recovered", Bytes::new());
    }
    if asked.path.ends_with("/unwrapkey") && memory.find("recovered").is_some() {
        *answer = Answer { status: 404, body: Bytes::from(r#"{"error":{"code":"KeyNotFound","message":"gone"}}"#) };
    }
}

/// The faults that a drill asks for never come.
fn cut_nothing(asked: &Asked, _: &Memory) -> Way {
    match asked.method == Method::PUT && asked.path == "/admin/faults" {
        true => Way::Instead(Method::GET, asked.path.clone()),
        false => Way::On,
    }
}

fn cut_no_wrap(asked: &Asked, memory: &Memory) -> Way {
    match String::from_utf8_lossy(&asked.body).contains("KeyWrap") {
        true => cut_nothing(asked, memory),
        false => Way::On,
    }
}

fn restore_nothing(asked: &Asked, _: &Memory) -> Way {
    match asked.path == "/keys/restore" {
        true => Way::Answer(200, Bytes::from(json!({"key": {"kid": "https://v/keys/k/0"}}).to_string())),
        false => Way::On,
    }
}

fn latest_for_pinned(asked: &Asked, _: &Memory) -> Way {
    match asked.method == Method::GET && asked.path.starts_with("/secrets/") && asked.path.matches('/').count() == 3 {
        true if !asked.path.ends_with("/versions") => Way::Instead(Method::GET, object(&asked.path)),
        _ => Way::On,
    }
}

fn cached_secrets(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.method == Method::GET && asked.path.starts_with("/secrets/") {
        cached(asked, answer, memory, |_| true);
    }
}

fn cached_latest(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if is_latest(asked, "/secrets/") {
        cached(asked, answer, memory, |_| true);
    }
}

/// The factory's reads before the renewal are two; from the fourth on it gets nothing.
fn gap(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if is_latest(asked, "/secrets/") && memory.count("reads") > 3 {
        *answer = Answer { status: 500, body: Bytes::from("{}") };
    }
}
