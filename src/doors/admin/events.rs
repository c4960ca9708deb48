//! Events: the kept ones, the status of each webhook, and the URL at which a webhook's owner accepts.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;

use super::request_body::{bad_request, number};
use super::{State, internal_error, with_admin_key};
use crate::events::{EventType, GridEvent, WebhookStatus};
use crate::http::error::ApiError;
use crate::http::routes::Params;
use crate::http::{Response, body};
use crate::operation::{Operation, Permission};

pub(super) static LIST: Operation = with_admin_key("EventList", Method::GET, "/admin/events");
pub(super) static ACCEPT: Operation = open("EventsAccept", Method::GET);
/// CloudEvents' handshake leaves the method to the webhook.
pub(super) static ACCEPT_POST: Operation = open("EventsAcceptByPost", Method::POST);

/// The number of events in one answer by default, and the most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// An operation without the admin key, which a webhook does not have: the code in the query authorizes it.
const fn open(name: &'static str, method: Method) -> Operation {
    Operation { name, method, path: "/admin/events/validate", permission: Permission::Open }
}

#[derive(Serialize)]
struct EventListBody {
    events: Vec<EventBody>,
    webhooks: Vec<WebhookBody>,
}

#[derive(Serialize)]
struct EventBody {
    number: u64,
    #[serde(flatten)]
    event: GridEvent,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookBody {
    url: String,
    schema: &'static str,
    types: Vec<EventType>,
    validated: bool,
    waiting: usize,
    told: u64,
    dead_letters: u64,
    last_failure: Option<FailureBody>,
}

#[derive(Serialize)]
struct FailureBody {
    at: String,
    why: String,
}

/// Answers kept events with numbers above `after`, at most `limit`, and every webhook without the query of its URL.
pub(super) async fn list(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let (mut after, mut limit) = (0, DEFAULT_LIMIT);
    for (name, value) in params.query() {
        match &*name {
            "after" => after = number(&name, &value)?,
            "limit" => limit = number(&name, &value)?,
            _ => return Err(bad_request(format!("there is no parameter '{name}'; give after and limit"))),
        }
    }
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(bad_request(format!("limit: must be 1 to {MAX_LIMIT}")));
    }
    let kept = state.events.list(after, limit).await.map_err(|error| internal_error(&error))?;
    let events = kept.into_iter().map(|(number, event)| EventBody { number, event }).collect();
    let webhooks = state.events.webhook_statuses().into_iter().map(WebhookBody::of).collect();
    Ok(body::json(StatusCode::OK, &EventListBody { events, webhooks }))
}

/// Accepts for a webhook with the validation code that it was sent.
pub(super) async fn accept(state: Arc<State>, params: Params) -> Result<Response, ApiError> {
    let parameter = |wanted| params.query().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    let (id, code) = (parameter("id").unwrap_or_default(), parameter("code").unwrap_or_default());
    match state.events.accept(&id, &code).await.map_err(|error| internal_error(&error))? {
        true => Ok(body::text(StatusCode::OK, "The webhook has accepted and is told of events.\n")),
        false => {
            let text = "This is no webhook's code, or not any more: it is good for 10 minutes, and for one time.";
            Err(ApiError::new(StatusCode::NOT_FOUND, "NotFound", text))
        }
    }
}

impl WebhookBody {
    fn of(status: WebhookStatus) -> Self {
        Self {
            url: status.url,
            schema: status.schema,
            types: status.types,
            validated: status.validated,
            waiting: status.waiting,
            told: status.delivered,
            dead_letters: status.dead_letters,
            last_failure: status
                .last_failure
                .map(|failure| FailureBody { at: failure.at.to_string(), why: failure.why }),
        }
    }
}
