//! What role assignments, and an audit in a file, add to the reading of a secret.

use std::path::Path;

use serde_json::{Value, json};

use crate::get::Side;
use crate::report::{Bound, Row};
use crate::statistics::median;
use crate::subject::Subject;
use crate::{Effort, Outcome};

/// The most that a request may cost where roles decide, in costs of one where policies do.
const ROLES_TIMES: Bound = Bound::AtMost(1.1);
/// The most that a request may cost when its record is written to a file, in costs of one that is kept in memory alone.
const AUDIT_TIMES: Bound = Bound::AtMost(1.15);
/// Role assignments of the caller.
const ASSIGNMENTS: usize = 200;
/// The secret that is read.
const SECRET: &str = "secret";

/// The processor time of a request in a vault that has roles, and of one that is audited in a file, in times of one in a vault that
/// has policies and a server without a file.
pub(crate) async fn rows(binary: &Path, effort: Effort) -> Outcome<Vec<Row>> {
    eprintln!("reading a secret by {ASSIGNMENTS} role assignments, and with an audit in a file");
    let policies = json!({"name": "local", "sku": "premium"});
    let subjects = [
        Subject::start_with_vault(binary, policies.clone(), None).await?,
        Subject::start_with_vault(binary, vault_with_roles(), None).await?,
        Subject::start_with_vault(binary, policies, Some("audit.jsonl")).await?,
    ];
    let mut sides = Vec::new();
    for subject in &subjects {
        subject.target.connect().await?.ask(&subject.set_secret(SECRET)).await?;
        sides.push(Side::new(subject.process(), &subject.target, &subject.get_secret(SECRET)).await?);
    }
    for _ in 0..effort.rounds {
        for side in &mut sides {
            side.round(effort.requests).await?;
        }
    }
    let [policies, roles, audited] = &sides[..] else { return Err("three sides were measured".into()) };
    Ok(vec![
        row("GET secret by 200 role assignments beside policies", roles, policies).bound(ROLES_TIMES),
        row("GET secret with --audit FILE beside none", audited, policies).bound(AUDIT_TIMES),
    ])
}

/// A vault whose caller has many assignments. The one that allows is the last: the others are looked at first.
fn vault_with_roles() -> Value {
    let others = (1..ASSIGNMENTS).map(|number| {
        let role = "Key Vault Secrets User";
        json!({"identity": "default", "role": role, "scope": format!("/secrets/other-{number}")})
    });
    let last = json!({"identity": "default", "role": "Key Vault Administrator"});
    let assignments: Vec<_> = others.chain([last]).collect();
    json!({"name": "local", "sku": "premium", "enableRbacAuthorization": true, "roleAssignments": assignments})
}

fn row(name: &'static str, side: &Side, other: &Side) -> Row {
    Row::new(name, side.times(other), "times")
        .besides("us each", median(&side.costs))
        .besides("per second", median(&side.rates))
}
