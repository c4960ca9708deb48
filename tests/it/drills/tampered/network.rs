//! What the drill `network` guards, broken: the way between a factory and its nodes, and where their credentials come from.

use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{Case, after, before};
use crate::drills::proxy::{Answer, Asked, Memory, Way};

pub(super) const NETWORK: &[Case] = &[
    ("no node can register", before(register_nobody), "network", "register-node"),
    ("a definition shows no reference", after(show_no_reference), "network", "credential-on-node"),
    ("public access stays on", before(keep_access_on), "network", "public-access-off"),
    ("nodes are served without public access", after(serve_from_everywhere), "network", "public-access-off"),
    ("Resource Manager is closed with public access", after(close_manager), "network", "public-access-off"),
    ("a pending connection counts", after(serve_once_pending), "network", "private-link"),
    ("an approval is swallowed", before(swallow_approval), "network", "private-link"),
    ("an approved connection lets no node in", after(serve_nobody_once_approved), "network", "private-link"),
    ("a credential outside of a vault goes on to be used", after(succeed_always), "network", "outside-vault"),
    ("a refused run names nothing", after(name_nothing), "network", "outside-vault"),
    ("private link concerns the service's own runtime", after(fail_own_runtime), "network", "own-runtime"),
    ("a credential is not moved", before(keep_credential), "network", "move-to-vault"),
    ("a rejection is swallowed", before(swallow_rejection), "network", "reject-connection"),
    ("public access stays off", before(keep_access_off), "network", "public-access-on"),
];

fn is_register(asked: &Asked) -> bool {
    asked.path == "/nodes/v1/register"
}

/// Whether it changes something at `place` to what holds `text`.
fn writes(asked: &Asked, place: &str, text: &str) -> bool {
    let body = String::from_utf8_lossy(&asked.body);
    asked.method != Method::GET && asked.path.contains(place) && body.contains(text)
}

/// Whether it is of the factory itself.
fn is_factory(asked: &Asked) -> bool {
    asked.path.rsplit('/').nth(1) == Some("factories")
}

/// As if it had been done.
fn swallowed(asked: &Asked, is_it: bool) -> Way {
    if is_it { Way::Instead(Method::GET, asked.path.clone()) } else { Way::On }
}

fn refused(status: u16, code: &str) -> Answer {
    let body = json!({"error": {"code": code, "message": "tampered"}}).to_string();
    Answer { status, body: Bytes::from(body) }
}

fn register_nobody(asked: &Asked, _: &Memory) -> Way {
    match is_register(asked) {
        true => Way::Answer(409, refused(409, "Conflict").body),
        false => Way::On,
    }
}

fn show_no_reference(asked: &Asked, answer: &mut Answer, _: &Memory) {
    if asked.method == Method::PUT && asked.path.ends_with("/linkedservices/store") {
        edit(answer, |body| {
            drop(body["properties"]["typeProperties"].as_object_mut().unwrap().remove("encryptedCredential"))
        });
    }
}

fn edit(answer: &mut Answer, change: impl FnOnce(&mut Value)) {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap();
    change(&mut body);
    answer.body = Bytes::from(body.to_string());
}

fn keep_access_on(asked: &Asked, _: &Memory) -> Way {
    swallowed(asked, is_factory(asked) && writes(asked, "/factories/", "\"Disabled\""))
}

fn keep_access_off(asked: &Asked, _: &Memory) -> Way {
    swallowed(asked, is_factory(asked) && writes(asked, "/factories/", "\"Enabled\""))
}

fn serve_from_everywhere(asked: &Asked, answer: &mut Answer, _: &Memory) {
    if is_register(asked) && answer.status == 403 {
        *answer = refused(401, "InvalidAuthKey");
    }
}

fn close_manager(asked: &Asked, answer: &mut Answer, _: &Memory) {
    let is_closed = String::from_utf8_lossy(&answer.body).contains("\"publicNetworkAccess\":\"Disabled\"");
    if asked.method == Method::GET && is_factory(asked) && is_closed {
        *answer = refused(403, "Forbidden");
    }
}

fn serve_once_pending(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if writes(asked, "/privateEndpointConnections/", "\"Pending\"") {
        memory.put("pending", Bytes::new());
    }
    if memory.find("pending").is_some() {
        serve_from_everywhere(asked, answer, memory);
    }
}

fn swallow_approval(asked: &Asked, _: &Memory) -> Way {
    swallowed(asked, writes(asked, "/privateEndpointConnections/", "\"Approved\""))
}

fn swallow_rejection(asked: &Asked, _: &Memory) -> Way {
    swallowed(asked, writes(asked, "/privateEndpointConnections/", "\"Rejected\""))
}

fn serve_nobody_once_approved(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if writes(asked, "/privateEndpointConnections/", "\"Approved\"") {
        memory.put("approved", Bytes::new());
    }
    if is_register(asked) && memory.find("approved").is_some() {
        *answer = refused(403, "PublicNetworkAccessDenied");
    }
}

fn is_failed_run(asked: &Asked, answer: &Answer) -> bool {
    asked.path.contains("/pipelineruns/") && String::from_utf8_lossy(&answer.body).contains("\"status\":\"Failed\"")
}

fn succeed_always(asked: &Asked, answer: &mut Answer, _: &Memory) {
    if is_failed_run(asked, answer) {
        edit(answer, |body| body["status"] = "Succeeded".into());
    }
}

fn name_nothing(asked: &Asked, answer: &mut Answer, _: &Memory) {
    if is_failed_run(asked, answer) {
        edit(answer, |body| body["message"] = "failed".into());
    }
}

/// The run that comes after its linked service is the first there.
fn fail_own_runtime(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/linkedservices/other") {
        memory.put("other", Bytes::new());
    }
    if asked.path.contains("/pipelineruns/") && memory.find("other").is_some() {
        edit(answer, |body| body["status"] = "Failed".into());
    }
}

fn keep_credential(asked: &Asked, _: &Memory) -> Way {
    swallowed(asked, writes(asked, "/linkedservices/store", "AzureKeyVaultSecret"))
}
