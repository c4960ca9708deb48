//! Rotation on the wire: rotate, and the policy that has the server do it.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::super::authorized_request::AuthorizedRequest;
use super::super::{State, input, refusal};
use super::bundle::bundle;
use crate::clock::Timestamp;
use crate::http::error::ApiError;
use crate::http::{Incoming, Response, body};
use crate::operation::{Operation, Permission};
use crate::vault::Kind;
use crate::vault::keys::rotation::{IsoPeriod, NewRotationPolicy, RotationPolicy, RotationTrigger};

pub(crate) static ROTATE: Operation = Operation {
    name: "KeyRotate",
    method: Method::POST,
    path: "/keys/{name}/rotate",
    permission: Permission::keys("rotate", "keys/rotate/action"),
};

/// Makes another version of a key, of the same kind.
pub(crate) async fn rotate(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let rotated = state.vaults.keys(&request.call).rotate(&name).await;
    Ok(bundle(&request, &rotated.map_err(refusal::error)?))
}

pub(crate) static GET_POLICY: Operation = Operation {
    name: "KeyRotationPolicyGet",
    method: Method::GET,
    path: "/keys/{name}/rotationpolicy",
    permission: Permission::keys("getrotationpolicy", "keyrotationpolicies/read"),
};

/// How a key rotates.
pub(crate) async fn get_policy(state: Arc<State>, request: AuthorizedRequest) -> Result<Response, ApiError> {
    let name = request.name()?;
    let policy = state.vaults.keys(&request.call).rotation_policy(&name).await;
    Ok(RotationPolicyOut::answer(&request, &policy.map_err(refusal::error)?))
}

pub(crate) static SET_POLICY: Operation = Operation {
    name: "KeyRotationPolicySet",
    method: Method::PUT,
    path: "/keys/{name}/rotationpolicy",
    permission: Permission::keys("setrotationpolicy", "keyrotationpolicies/write"),
};

/// Says how a key rotates from now on.
pub(crate) async fn set_policy(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    let name = request.name()?;
    let wanted = input::object::<RotationPolicyIn>(body, &state.limits).await?.parse()?;
    let policy = state.vaults.keys(&request.call).set_rotation_policy(&name, &wanted).await;
    Ok(RotationPolicyOut::answer(&request, &policy.map_err(refusal::error)?))
}

/// A policy as a caller gives it. `id` and the dates are the server's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RotationPolicyIn {
    lifetime_actions: Option<Vec<ActionIn>>,
    attributes: Option<PolicyAttributesIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicyAttributesIn {
    expiry_time: Option<String>,
}

#[derive(Deserialize)]
struct ActionIn {
    trigger: Option<TriggerIn>,
    action: Option<TypeIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TriggerIn {
    time_after_create: Option<String>,
    time_before_expiry: Option<String>,
}

#[derive(Deserialize)]
struct TypeIn {
    r#type: Option<String>,
}

/// What an action says to do.
enum Action {
    Rotate(RotationTrigger),
    Notify(IsoPeriod),
}

impl RotationPolicyIn {
    fn parse(self) -> Result<NewRotationPolicy, ApiError> {
        let expiry = self.attributes.and_then(|attributes| attributes.expiry_time);
        let expiry_time = expiry.map(|text| parse_period("attributes.expiryTime", &text)).transpose()?;
        let mut policy = NewRotationPolicy { expiry_time, ..NewRotationPolicy::default() };
        for action in self.lifetime_actions.unwrap_or_default() {
            let twice = match action.parse()? {
                Action::Rotate(trigger) => policy.rotate.replace(trigger).is_some(),
                Action::Notify(ahead) => policy.notify.replace(ahead).is_some(),
            };
            if twice {
                return Err(input::invalid("lifetimeActions: each action can be there once"));
            }
        }
        Ok(policy)
    }
}

impl ActionIn {
    fn parse(self) -> Result<Action, ApiError> {
        let kind = self.action.and_then(|action| action.r#type).unwrap_or_default();
        let trigger = self.trigger.ok_or_else(|| input::invalid("lifetimeActions.trigger: is missing"))?.parse()?;
        match (kind.to_ascii_lowercase().as_str(), trigger) {
            ("rotate", trigger) => Ok(Action::Rotate(trigger)),
            ("notify", RotationTrigger::BeforeExpiry(ahead)) => Ok(Action::Notify(ahead)),
            ("notify", RotationTrigger::AfterCreate(_)) => {
                Err(input::invalid("lifetimeActions.trigger: Notify takes timeBeforeExpiry alone"))
            }
            _ => Err(input::invalid("lifetimeActions.action.type: use Rotate or Notify")),
        }
    }
}

impl TriggerIn {
    fn parse(self) -> Result<RotationTrigger, ApiError> {
        match (self.time_after_create, self.time_before_expiry) {
            (Some(text), None) => {
                parse_period("lifetimeActions.trigger.timeAfterCreate", &text).map(RotationTrigger::AfterCreate)
            }
            (None, Some(text)) => {
                parse_period("lifetimeActions.trigger.timeBeforeExpiry", &text).map(RotationTrigger::BeforeExpiry)
            }
            _ => Err(input::invalid("lifetimeActions.trigger: give either timeAfterCreate or timeBeforeExpiry")),
        }
    }
}

fn parse_period(member: &str, text: &str) -> Result<IsoPeriod, ApiError> {
    let wrong = || input::invalid(&format!("{member}: not a length of time in ISO 8601, such as P90D or P1Y"));
    IsoPeriod::parse(text).ok_or_else(wrong)
}

/// A policy as it is answered: the rotation first, then the notice (golden 028); one that was never set has no id, and
/// null for attributes (golden 027).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RotationPolicyOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    lifetime_actions: Vec<ActionOut<'a>>,
    attributes: Option<PolicyAttributesOut<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyAttributesOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_time: Option<&'a str>,
    created: Timestamp,
    updated: Option<Timestamp>,
}

#[derive(Serialize)]
struct ActionOut<'a> {
    trigger: TriggerOut<'a>,
    action: TypeOut,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TriggerOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time_after_create: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_before_expiry: Option<&'a str>,
}

#[derive(Serialize)]
struct TypeOut {
    r#type: &'static str,
}

impl<'a> RotationPolicyOut<'a> {
    fn answer(request: &AuthorizedRequest, policy: &'a RotationPolicy) -> Response {
        let notify = RotationTrigger::BeforeExpiry(policy.notify.clone());
        let attributes = policy.created.map(|created| PolicyAttributesOut {
            expiry_time: policy.expiry_time.as_ref().map(IsoPeriod::as_str),
            created,
            updated: policy.updated,
        });
        let actions = policy.rotate.iter().map(|trigger| ActionOut::new(trigger, "Rotate"));
        let lifetime_actions = actions.chain([ActionOut::new(&notify, "Notify")]).collect();
        body::json(StatusCode::OK, &RotationPolicyOut { id: Self::id(request, policy), lifetime_actions, attributes })
    }

    fn id(request: &AuthorizedRequest, policy: &RotationPolicy) -> Option<String> {
        policy.created?;
        let name = request.name().ok()?;
        Some(format!("{}/rotationpolicy", request.id(Kind::Key, &name, None)))
    }
}

impl<'a> ActionOut<'a> {
    fn new(trigger: &'a RotationTrigger, kind: &'static str) -> Self {
        let trigger = match trigger {
            RotationTrigger::AfterCreate(period) => {
                TriggerOut { time_after_create: Some(period.as_str()), ..TriggerOut::default() }
            }
            RotationTrigger::BeforeExpiry(period) => {
                TriggerOut { time_before_expiry: Some(period.as_str()), ..TriggerOut::default() }
            }
        };
        Self { trigger, action: TypeOut { r#type: kind } }
    }
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_policy(bytes: &[u8]) {
    let _ = input::parse::<RotationPolicyIn>(bytes).and_then(RotationPolicyIn::parse).is_ok();
}
