//! The activities of a pipeline that can be run: `Wait` and `WebActivity`.

use serde_json::{Map, Value};

use super::expression::{Failed, Template, Values};
use super::outcome::Outcome;
use super::refusal::{NotRunnable, check_members};
use super::timespan;
use super::web::WebCall;

/// The members of an activity that are known.
const MEMBERS: [&str; 7] = ["name", "type", "description", "dependsOn", "policy", "userProperties", "typeProperties"];
/// The members of a policy that are known.
const POLICY_MEMBERS: [&str; 5] = ["timeout", "retry", "retryIntervalInSeconds", "secureInput", "secureOutput"];
/// How long an activity may take where nothing is said, in seconds (12 hours: the service's own default).
const USUAL_TIMEOUT: u64 = 43_200;
/// The seconds between two tries where nothing is said (the service's own default).
const USUAL_RETRY_INTERVAL: u64 = 30;
/// The most tries after the first. Ours: the service has no bound that it names.
const MAX_RETRY: u64 = 1000;
/// The longest wait, in seconds (7 days).
const MAX_WAIT: u64 = 604_800;

/// An activity. Deliberately no `Debug`: its credential may be secret.
#[derive(Clone, PartialEq)]
pub(crate) struct Activity {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// What must have ended before it, and how.
    pub depends_on: Vec<Dependency>,
    /// How long it may take and how often it is tried.
    pub policy: Policy,
    /// What a run shows as it is given.
    pub user_properties: Value,
}

/// What an activity does.
#[derive(Clone, PartialEq)]
pub(crate) enum Kind {
    /// It waits.
    Wait(Template),
    /// It sends an HTTP request.
    Web(Box<WebCall>),
}

/// An activity that must have ended before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// Its name.
    pub(super) activity: String,
    /// How it may have ended; one of them is enough.
    pub(super) conditions: Vec<Condition>,
}

/// How an activity must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was skipped.
    Skipped,
    /// It succeeded or failed.
    Completed,
}

/// How long an activity may take and how often it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Seconds for one try.
    pub timeout: u64,
    /// Tries after the first.
    pub retry: u64,
    /// Seconds between two tries.
    pub retry_interval: u64,
    /// Whether its input is not shown.
    pub secure_input: bool,
    /// Whether its output is not shown.
    pub secure_output: bool,
}

impl Activity {
    /// The activity in `given`.
    ///
    /// # Errors
    /// For what is missing or not known.
    pub(super) fn parse(given: &Value) -> Result<Self, NotRunnable> {
        let unnamed = || NotRunnable::new("activities", "must be objects with a name and a type");
        let members = given.as_object().ok_or_else(unnamed)?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (name, kind) = (text("name").ok_or_else(unnamed)?, text("type").ok_or_else(unnamed)?);
        Self::named(name, kind, members).map_err(|refusal| refusal.within(&format!("activity '{name}'")))
    }

    fn named(name: &str, kind: &str, members: &Map<String, Value>) -> Result<Self, NotRunnable> {
        let kind = Kind::parse(kind, members.get("typeProperties"))?;
        check_members("", members, &MEMBERS)?;
        Ok(Self {
            name: name.to_owned(),
            kind,
            depends_on: dependencies(members.get("dependsOn"))?,
            policy: Policy::parse(members.get("policy"))?,
            user_properties: members.get("userProperties").cloned().unwrap_or_else(|| Value::Array(vec![])),
        })
    }

    /// Every part that may have expressions.
    pub(super) fn templates(&self) -> Vec<&Template> {
        match &self.kind {
            Kind::Wait(seconds) => vec![seconds],
            Kind::Web(call) => call.templates(),
        }
    }
}

impl Kind {
    fn parse(kind: &str, given: Option<&Value>) -> Result<Self, NotRunnable> {
        let nothing = Map::new();
        let given = given.and_then(Value::as_object).unwrap_or(&nothing);
        match kind {
            "Wait" => {
                check_members("typeProperties", given, &["waitTimeInSeconds"])?;
                let at = "typeProperties/waitTimeInSeconds";
                let seconds = given.get("waitTimeInSeconds").ok_or_else(|| NotRunnable::new(at, "is missing"))?;
                Template::parse(at, seconds).map(Self::Wait)
            }
            "WebActivity" => WebCall::parse(given).map(Box::new).map(Self::Web),
            other => {
                Err(NotRunnable::new("type", format!("'{other}' is not run here; known are Wait and WebActivity")))
            }
        }
    }

    /// Its name in definitions.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Wait(_) => "Wait",
            Self::Web(_) => "WebActivity",
        }
    }
}

/// The seconds that a `Wait` waits with `values`.
///
/// # Errors
/// When it is no number of seconds up to 7 days.
pub(crate) fn wait_seconds(seconds: &Template, values: &Values) -> Result<u64, Failed> {
    let value = seconds.evaluate(values)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok()).filter(|number| *number <= MAX_WAIT);
    number.ok_or_else(|| Failed(format!("waitTimeInSeconds must be a number from 0 to {MAX_WAIT}")))
}

impl Condition {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "Succeeded" => Some(Self::Succeeded),
            "Failed" => Some(Self::Failed),
            "Skipped" => Some(Self::Skipped),
            "Completed" => Some(Self::Completed),
            _ => None,
        }
    }

    /// Whether an activity that ended so meets it.
    pub(super) fn is_met_by(self, outcome: Outcome) -> bool {
        match self {
            Self::Succeeded => outcome == Outcome::Succeeded,
            Self::Failed => outcome == Outcome::Failed,
            Self::Skipped => outcome == Outcome::Skipped,
            Self::Completed => outcome != Outcome::Skipped,
        }
    }
}

impl Policy {
    fn parse(given: Option<&Value>) -> Result<Self, NotRunnable> {
        let nothing = Map::new();
        let given = given.filter(|given| !given.is_null()).map_or(Some(&nothing), Value::as_object);
        let given = given.ok_or_else(|| NotRunnable::new("policy", "must be an object"))?;
        check_members("policy", given, &POLICY_MEMBERS)?;
        Ok(Self {
            timeout: timeout(given)?,
            retry: number(given, "retry", 0, MAX_RETRY)?,
            retry_interval: number(given, "retryIntervalInSeconds", USUAL_RETRY_INTERVAL, 86_400)?,
            secure_input: flag(given, "secureInput")?,
            secure_output: flag(given, "secureOutput")?,
        })
    }
}

fn timeout(given: &Map<String, Value>) -> Result<u64, NotRunnable> {
    let Some(value) = given.get("timeout") else { return Ok(USUAL_TIMEOUT) };
    let seconds = value.as_str().and_then(timespan::seconds).filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| NotRunnable::new("policy/timeout", "must be a span such as 0.12:00:00"))
}

/// What is neither is refused: it would be shown, and is not to be.
fn flag(given: &Map<String, Value>, name: &str) -> Result<bool, NotRunnable> {
    let given = given.get(name).filter(|given| !given.is_null()).map_or(Some(false), Value::as_bool);
    given.ok_or_else(|| NotRunnable::new(format!("policy/{name}"), "must be true or false"))
}

fn number(given: &Map<String, Value>, name: &str, usual: u64, most: u64) -> Result<u64, NotRunnable> {
    let Some(value) = given.get(name) else { return Ok(usual) };
    let number = value.as_u64().filter(|number| *number <= most);
    number.ok_or_else(|| NotRunnable::new(format!("policy/{name}"), format!("must be a number from 0 to {most}")))
}

fn dependencies(given: Option<&Value>) -> Result<Vec<Dependency>, NotRunnable> {
    let wrong = || NotRunnable::new("dependsOn", "must be an array of {\"activity\", \"dependencyConditions\"}");
    let all = given.map_or(Some(&[][..]), |value| value.as_array().map(Vec::as_slice)).ok_or_else(wrong)?;
    let dependency = |one: &Value| {
        let activity = one["activity"].as_str().ok_or_else(wrong)?.to_owned();
        let conditions = one["dependencyConditions"].as_array().filter(|all| !all.is_empty()).ok_or_else(wrong)?;
        let condition = |one: &Value| {
            one.as_str().and_then(Condition::parse).ok_or_else(|| {
                NotRunnable::new("dependsOn/dependencyConditions", "must be Succeeded, Failed, Skipped or Completed")
            })
        };
        Ok(Dependency { activity, conditions: conditions.iter().map(condition).collect::<Result<_, _>>()? })
    };
    all.iter().map(dependency).collect()
}
