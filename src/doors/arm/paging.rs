//! Pages of lists: `$top` of them, and where the next begins.

use serde::Serialize;

use super::refusal;
use super::state::Call;
use crate::http::error::ApiError;

/// The most entries of a page.
const PAGE: usize = 1000;

/// A page of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    value: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_link: Option<String>,
}

impl<T> Page<T> {
    /// The page of `all` that `call` asks for; they are in the order of their `id`, in lower case.
    ///
    /// # Errors
    /// 400 for a `$top` that is no number from 1 on.
    pub(super) fn of(call: &Call, all: Vec<T>, id: impl Fn(&T) -> String) -> Result<Self, ApiError> {
        let top = match call.query("$top") {
            None => PAGE,
            Some(text) => match text.parse::<usize>() {
                Ok(top @ 1..) => top.min(PAGE),
                _ => {
                    return Err(refusal::bad_request(
                        "InvalidTopInQueryString",
                        format!("Invalid $top '{text}' specified in the query string."),
                    ));
                }
            },
        };
        let after = call.query("$skiptoken");
        let is_further = |one: &T| after.as_ref().is_none_or(|after| id(one).to_ascii_lowercase() > *after);
        let mut value: Vec<T> = all.into_iter().filter(is_further).collect();
        let more = value.len() > top;
        value.truncate(top);
        let last = value.last().filter(|_| more).map(|last| id(last).to_ascii_lowercase());
        Ok(Self { next_link: last.map(|last| next_link(call, &last)), value })
    }
}

/// The same request, for what comes behind `last`.
fn next_link(call: &Call, last: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let kept = call.params.query().filter(|(name, _)| !name.eq_ignore_ascii_case("$skiptoken"));
    query.extend_pairs(kept).append_pair("$skiptoken", last);
    format!("{}{}?{}", call.origin, call.path, query.finish())
}
