//! The Web activity: its expressions evaluated, given to the runtime that it names, its output as the service has it.

use serde_json::{Map, Value, json};

use super::execute::{Done, Execution, INVALID_TEMPLATE};
use super::on_service::OnService;
use crate::activity::{self, INVALID_PROPERTY, fits};
use crate::management::RuntimeKind;
use crate::management::factory::id::ChildId;
use crate::management::factory::kind::ChildKind;
use crate::management::refusal::Refusal;
use crate::pipeline::{Activity, MASK, Values, WebCall, WebRequest};
use crate::web_task::ActivityError;

/// The service's number of a runtime that is not there (azure-docs issue 10259).
const NO_RUNTIME: &str = "2200";
/// The runtime that every factory has.
const OWN_RUNTIME: &str = "AutoResolveIntegrationRuntime";

/// Where an activity is run.
pub(super) enum Place {
    /// On the runtime of this name, which is the service's.
    Service(String),
    /// On a node of this self-hosted runtime.
    Nodes(ChildId),
}

/// A Web activity, and what its expressions get their values from.
pub(super) struct Given<'g> {
    /// The activity.
    pub(super) activity: &'g Activity,
    /// What it calls.
    pub(super) call: &'g WebCall,
    /// The values.
    pub(super) values: &'g Values,
    /// What of it is shown.
    pub(super) shown: Shown,
}

/// What a run shows of a call, in its input and its errors: no secret parameter, and nothing that the policy keeps back.
pub(super) struct Shown {
    /// The request; none where nothing of it is shown.
    request: Option<WebRequest>,
    /// Whether the answer's text is shown.
    pub(super) has_answer: bool,
}

impl Execution {
    /// Runs the Web activity `call` of `activity`.
    pub(super) async fn call(&self, activity: &Activity, call: &WebCall, values: &Values) -> Done {
        let request = match call.request(values) {
            Ok(request) => request,
            Err(failed) => {
                return Done { input: Value::Null, output: Err(ActivityError::new(INVALID_TEMPLATE, failed.0)) };
            }
        };
        // A definition whose secret parameter is more than a text gives nothing that can be shown.
        let shown = call.request(&self.shown(values)).ok().filter(|_| !activity.policy.secure_input);
        let shown = Shown { request: shown, has_answer: !activity.policy.secure_output };
        let input = shown.input(call);
        Done { input, output: self.answered(&Given { activity, call, values, shown }, request).await }
    }

    async fn answered(&self, given: &Given<'_>, request: WebRequest) -> Result<Value, ActivityError> {
        let begun = self.now();
        let place = self.place(given.call.runtime.as_deref()).await?;
        let (output, queued) = match &place {
            Place::Service(_) => {
                let task = self.task(given, request, &place).await?;
                (activity::run(&task, &OnService(self)).await?, 0)
            }
            Place::Nodes(runtime) => {
                let node = self.free_node(runtime).await?;
                let queued = self.now().unix() - begun.unix();
                let task = self.task(given, request, &place).await?;
                (self.on_node(&node, runtime, task).await?, queued)
            }
        };
        place.finished(output, self.now().unix() - begun.unix(), queued)
    }

    /// Where an activity is run that names this runtime.
    async fn place(&self, runtime: Option<&str>) -> Result<Place, ActivityError> {
        let Some(name) = runtime else { return Ok(Place::Service(OWN_RUNTIME.to_owned())) };
        let absent = || {
            let factory = self.factory.name();
            let why = format!("The integration runtime '{name}' under data factory '{factory}' does not exist.");
            ActivityError::new(NO_RUNTIME, why)
        };
        let id = ChildId::parse(self.factory.clone(), ChildKind::IntegrationRuntime, name).map_err(|_| absent())?;
        let (name, kind) = match self.management.runtime_kind(&id).await {
            Ok(found) => found,
            Err(Refusal::NoChild(_)) => return Err(absent()),
            Err(other) => return Err(unreadable(name, &other)),
        };
        Ok(match kind {
            RuntimeKind::Managed => Place::Service(name),
            RuntimeKind::SelfHosted => Place::Nodes(id.spelt(&name)),
        })
    }
}

impl Place {
    /// The output of an activity that was run here for this many seconds, after it had waited for some of them.
    fn finished(&self, mut output: Map<String, Value>, seconds: i64, queued: i64) -> Result<Value, ActivityError> {
        let (name, meter) = match self {
            Self::Service(name) => (name.as_str(), "AzureIR"),
            Self::Nodes(runtime) => (runtime.name(), "SelfhostedIR"),
        };
        // Each minute that has begun, in hours, as outputs of the service have it.
        let minutes = u32::try_from((seconds - queued).max(1).unsigned_abs().div_ceil(60)).unwrap_or(u32::MAX);
        let billed = json!({"meterType": meter, "duration": f64::from(minutes) / 60.0, "unit": "Hours"});
        for (member, value) in [
            ("effectiveIntegrationRuntime", json!(name)),
            ("executionDuration", json!(seconds - queued)),
            ("durationInQueue", json!({"integrationRuntimeQueue": queued})),
            ("billingReference", json!({"activityType": "ExternalActivity", "billableDuration": [billed]})),
        ] {
            output.insert(member.to_owned(), value);
        }
        fits(output).map(Value::Object)
    }
}

impl Shown {
    /// The input; it has no credential of the authentication.
    fn input(&self, call: &WebCall) -> Value {
        let Some(request) = &self.request else { return Value::Null };
        let headers: Map<String, Value> =
            request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut input = json!({"url": request.url, "method": call.method.name(), "headers": headers});
        if let Some(body) = &request.body {
            input["body"] = body.clone();
        }
        if let Some(authentication) = &call.authentication {
            input["authentication"] = json!({"type": authentication.name()});
        }
        input
    }

    /// The URL.
    pub(super) fn url(&self) -> &str {
        self.request.as_ref().map_or(MASK, |request| &request.url)
    }
}

/// The error of something in the factory that cannot be read.
pub(super) fn unreadable(name: &str, refusal: &Refusal) -> ActivityError {
    let why = match refusal {
        Refusal::KeyAway(why) => why.to_string(),
        other => format!("{other:?}"),
    };
    ActivityError::new(INVALID_PROPERTY, format!("'{name}' cannot be read: {why}"))
}
