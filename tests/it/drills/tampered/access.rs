//! Roles and a firewall that do not do what they say.

use hyper::Method;
use hyper::body::Bytes;
use serde_json::json;

use super::cached;
use crate::drills::proxy::{Answer, Asked, Memory, Way};

fn is_of_roles(asked: &Asked, method: Method) -> bool {
    asked.method == method && asked.path.starts_with("/admin/role-assignments/")
}

pub(super) fn keep_roles(asked: &Asked, _: &Memory) -> Way {
    match is_of_roles(asked, Method::DELETE) {
        true => Way::Answer(204, Bytes::new()),
        false => Way::On,
    }
}

pub(super) fn cached_without_role(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/unwrapkey") {
        cached(asked, answer, memory, |answer| String::from_utf8_lossy(&answer.body).contains("ForbiddenByRbac"));
    }
}

pub(super) fn let_contributors_in(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if String::from_utf8_lossy(&asked.body).contains("Data Factory Contributor") {
        memory.put("contributor", Bytes::new());
    }
    if asked.path.ends_with("/unwrapkey") && (answer.status == 200 || memory.find("contributor").is_some()) {
        cached_without_role(asked, answer, memory);
    }
}

/// Roles are assigned until one has been withdrawn.
pub(super) fn assign_once(asked: &Asked, memory: &Memory) -> Way {
    if is_of_roles(asked, Method::DELETE) {
        memory.put("withdrawn", Bytes::new());
    }
    match is_of_roles(asked, Method::PUT) && memory.find("withdrawn").is_some() {
        true => Way::Instead(Method::GET, "/admin/role-assignments".to_owned()),
        false => Way::On,
    }
}

/// Swallows network rules with `what` in them.
fn without_rules(asked: &Asked, what: &str) -> Way {
    let body = String::from_utf8_lossy(&asked.body);
    match asked.method == Method::PUT && body.contains("networkAcls") && body.contains(what) {
        true => Way::Instead(Method::GET, "/admin/vaults".to_owned()),
        false => Way::On,
    }
}

pub(super) fn keep_open(asked: &Asked, _: &Memory) -> Way {
    without_rules(asked, r#""Deny""#)
}

pub(super) fn keep_bypass(asked: &Asked, _: &Memory) -> Way {
    without_rules(asked, r#""None""#)
}

pub(super) fn keep_addresses_out(asked: &Asked, _: &Memory) -> Way {
    without_rules(asked, r#""ipRules":[""#)
}

pub(super) fn no_bypass(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if String::from_utf8_lossy(&asked.body).contains(r#""Deny""#) {
        memory.put("closed", Bytes::new());
    }
    if asked.path.ends_with("/unwrapkey") && memory.find("closed").is_some() {
        let inner = json!({"code": "ForbiddenByFirewall"});
        let refusal = json!({"error": {"code": "Forbidden", "message": "no", "innererror": inner}});
        *answer = Answer { status: 403, body: Bytes::from(refusal.to_string()) };
    }
}

pub(super) fn cached_behind_firewall(asked: &Asked, answer: &mut Answer, memory: &Memory) {
    if asked.path.ends_with("/unwrapkey") {
        cached(asked, answer, memory, |answer| String::from_utf8_lossy(&answer.body).contains("ForbiddenByFirewall"));
    }
}
