//! The audit: the records of the last requests, as the audit file has them. Asking for it is no record of it.

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::request_body::{bad_request, number};
use super::{State, with_admin_key};
use crate::audit::{Filter, Record, Schema};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Response, body};
use crate::operation::Operation;
use crate::trail::Selection;

pub(super) static SHOW: Operation = with_admin_key("AuditShow", Method::GET, "/admin/audit");

/// The number of records in one answer by default, and the most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

#[derive(Serialize)]
struct AuditBody<'a> {
    records: Vec<Record<'a>>,
    /// What to give as `after` for those that follow.
    last: u64,
    /// How many records after `after` are not held any more, whatever the filters.
    lost: u64,
}

/// Answers the first `limit` records that fit the filters with numbers above `after`, else the last `limit` ones; the oldest comes
/// first.
pub(super) fn show(state: &State, params: &Params) -> Result<Response, ApiError> {
    let (mut after, mut limit, mut filter) = (None, DEFAULT_LIMIT, Filter::default());
    for (name, value) in params.query() {
        match &*name {
            "after" => after = Some(number(&name, &value)?),
            "limit" => limit = number(&name, &value)?,
            _ => filter.narrow(&name, &value).map_err(|why| {
                let all = "identity, vault, operation, result, object, since, after and limit";
                bad_request(format!("{name}: {why}; there are {all}"))
            })?,
        }
    }
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad_request(format!("limit: must be 1 to {MAX_LIMIT}")));
    }
    let Selection { entries, last, lost } = state.recent.select(after, limit, |entry| filter.fits(entry));
    let tenant = state.directory.tenant();
    let schema = Schema { tenant: tenant.id, subscription: tenant.subscription };
    let records = entries.iter().map(|entry| schema.record(entry)).collect();
    Ok(body::json(StatusCode::OK, &AuditBody { records, last, lost }))
}
