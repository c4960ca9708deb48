//! The Web activity: one HTTP request.

use serde_json::{Map, Value};

use super::expression::{Failed, Template, Values};
use super::refusal::{NotRunnable, check_members};
use super::timespan;

/// The members of its typeProperties that are known.
const MEMBERS: [&str; 9] = [
    "method",
    "url",
    "headers",
    "body",
    "authentication",
    "linkedServices",
    "datasets",
    "connectVia",
    "httpRequestTimeout",
];
/// The type of a sign-in as an identity that a credential of the factory names.
const USER_ASSIGNED: &str = "UserAssignedManagedIdentity";
/// The runtime that every factory has.
const OWN_RUNTIME: &str = "AutoResolveIntegrationRuntime";
/// How long a request may take where nothing is said, in seconds (the service's own default).
const USUAL_TIMEOUT: u64 = 60;
/// The longest that can be asked for, in seconds (the service's own bound).
const MAX_TIMEOUT: u64 = 600;

/// A request as it is defined. Deliberately no `Debug`: it may hold a password.
#[derive(Clone, PartialEq)]
pub(crate) struct WebCall {
    /// The method.
    pub method: Method,
    url: Template,
    headers: Template,
    body: Option<Template>,
    /// How it signs in, if it does.
    pub authentication: Option<Authentication>,
    /// The names of linked services that are sent along, with credentials resolved.
    pub linked_services: Vec<String>,
    /// The names of datasets that are sent along.
    pub datasets: Vec<String>,
    /// The integration runtime that sends it; none is the service's own.
    pub runtime: Option<String>,
    /// How long it may take, in seconds.
    pub timeout: u64,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
    Patch,
}

/// How a request signs in. Credentials are as the definition has them: a `SecureString` or a reference to a vault's secret.
/// Deliberately no `Debug`.
#[derive(Clone, PartialEq)]
pub(crate) enum Authentication {
    /// `Authorization: Basic …`
    Basic {
        /// The name.
        username: Template,
        /// The password.
        password: Value,
    },
    /// A certificate and its key, PKCS #12 in base64, which the client shows in TLS.
    ClientCertificate {
        /// Both: a credential.
        pfx: Value,
        /// The password of `pfx`: a credential.
        password: Option<Value>,
    },
    /// A token of an identity of the factory.
    ManagedIdentity {
        /// The resource that the token is for.
        resource: Template,
        /// The credential that names a user-assigned identity; none is the factory's own.
        credential: Option<String>,
    },
}

/// A request with its expressions evaluated. Deliberately no `Debug`: a parameter in it may be secret.
#[derive(Clone, PartialEq)]
pub(crate) struct WebRequest {
    /// The URL.
    pub url: String,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Value>,
}

impl Method {
    const ALL: [(&'static str, Self); 5] = [
        ("GET", Self::Get),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("DELETE", Self::Delete),
        ("PATCH", Self::Patch),
    ];

    /// Whether a body must be given, as the service asks for one.
    const fn needs_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }

    /// Its name in HTTP.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("GET", |(name, _)| name)
    }
}

impl WebCall {
    /// The call in the `typeProperties` of an activity.
    ///
    /// # Errors
    /// For what is missing or not known.
    pub(super) fn parse(given: &Map<String, Value>) -> Result<Self, NotRunnable> {
        check_members("typeProperties", given, &MEMBERS)?;
        let template = |name: &str| given.get(name).map(|value| Template::parse(&at(name), value)).transpose();
        let method = method(given)?;
        if method.needs_body() && !given.contains_key("body") {
            return Err(missing("body"));
        }
        Ok(Self {
            method,
            url: template("url")?.ok_or_else(|| missing("url"))?,
            headers: template("headers")?.unwrap_or(Template::Object(vec![])),
            body: template("body")?,
            authentication: given.get("authentication").map(Authentication::parse).transpose()?,
            linked_services: references(given, "linkedServices", "LinkedServiceReference")?,
            datasets: references(given, "datasets", "DatasetReference")?,
            runtime: runtime(given)?,
            timeout: timeout(given)?,
        })
    }

    /// Every part that may have expressions.
    pub(super) fn templates(&self) -> Vec<&Template> {
        let own = [&self.url, &self.headers].into_iter().chain(&self.body);
        let authentication = match &self.authentication {
            Some(Authentication::Basic { username, .. }) => Some(username),
            Some(Authentication::ManagedIdentity { resource, .. }) => Some(resource),
            Some(Authentication::ClientCertificate { .. }) | None => None,
        };
        own.chain(authentication).collect()
    }

    /// The request that it is with `values`.
    ///
    /// # Errors
    /// When an expression gives nothing, or what is no URL and no header.
    pub(crate) fn request(&self, values: &Values) -> Result<WebRequest, Failed> {
        let Value::String(url) = self.url.evaluate(values)? else {
            return Err(Failed("the url is no text".to_owned()));
        };
        let Value::Object(headers) = self.headers.evaluate(values)? else {
            return Err(Failed("the headers are no object".to_owned()));
        };
        let headers = headers.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(_) | Value::Bool(_) => Ok((name, value.to_string())),
            _ => Err(Failed(format!("the header '{name}' is no text"))),
        });
        let body = self.body.as_ref().map(|body| body.evaluate(values)).transpose()?;
        Ok(WebRequest { url, headers: headers.collect::<Result<_, _>>()?, body })
    }
}

impl Authentication {
    /// Its name in definitions.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "Basic",
            Self::ClientCertificate { .. } => "ClientCertificate",
            Self::ManagedIdentity { credential: None, .. } => "MSI",
            Self::ManagedIdentity { credential: Some(_), .. } => USER_ASSIGNED,
        }
    }

    fn parse(given: &Value) -> Result<Self, NotRunnable> {
        let at = |name: &str| format!("typeProperties/authentication/{name}");
        let members =
            given.as_object().ok_or_else(|| NotRunnable::new("typeProperties/authentication", "is no object"))?;
        let kind = members.get("type").and_then(Value::as_str).unwrap_or("Basic");
        let needed = |name: &str| members.get(name).cloned().ok_or_else(|| NotRunnable::new(at(name), "is missing"));
        let template = |name: &str| Template::parse(&at(name), &needed(name)?);
        let check = |known: &[&str]| check_members("typeProperties/authentication", members, known);
        match kind {
            "Basic" => {
                check(&["type", "username", "password"])?;
                Ok(Self::Basic { username: template("username")?, password: needed("password")? })
            }
            "ClientCertificate" => {
                check(&["type", "pfx", "password"])?;
                Ok(Self::ClientCertificate { pfx: needed("pfx")?, password: members.get("password").cloned() })
            }
            "MSI" => {
                check(&["type", "resource"])?;
                Ok(Self::ManagedIdentity { resource: template("resource")?, credential: None })
            }
            USER_ASSIGNED => {
                check(&["type", "resource", "credential"])?;
                let name = reference(&needed("credential")?, "CredentialReference");
                let name = name.ok_or_else(|| NotRunnable::new(at("credential"), "must be a CredentialReference"))?;
                Ok(Self::ManagedIdentity { resource: template("resource")?, credential: Some(name) })
            }
            other => Err(NotRunnable::new(
                at("type"),
                format!("'{other}' is not run here; use Basic, ClientCertificate, MSI or {USER_ASSIGNED}"),
            )),
        }
    }
}

fn at(name: &str) -> String {
    format!("typeProperties/{name}")
}

fn missing(name: &str) -> NotRunnable {
    NotRunnable::new(at(name), "is missing")
}

fn method(given: &Map<String, Value>) -> Result<Method, NotRunnable> {
    let text = given.get("method").ok_or_else(|| missing("method"))?;
    let known = text.as_str().and_then(|text| Method::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)));
    let names = Method::ALL.map(|(name, _)| name).join(", ");
    known.map(|(_, method)| *method).ok_or_else(|| NotRunnable::new(at("method"), format!("must be one of {names}")))
}

fn references(given: &Map<String, Value>, name: &str, kind: &str) -> Result<Vec<String>, NotRunnable> {
    let all = given.get(name).map_or(Some(&[][..]), |value| value.as_array().map(Vec::as_slice));
    let all = all.ok_or_else(|| NotRunnable::new(at(name), "must be an array of references"))?;
    all.iter()
        .map(|one| reference(one, kind).ok_or_else(|| NotRunnable::new(at(name), format!("must hold {kind}s"))))
        .collect()
}

fn reference(value: &Value, kind: &str) -> Option<String> {
    let is_kind = value["type"].as_str().is_some_and(|given| given.eq_ignore_ascii_case(kind));
    let has_parameters = value["parameters"].as_object().is_some_and(|given| !given.is_empty());
    value["referenceName"].as_str().filter(|name| is_kind && !has_parameters && !name.is_empty()).map(str::to_owned)
}

fn runtime(given: &Map<String, Value>) -> Result<Option<String>, NotRunnable> {
    let Some(value) = given.get("connectVia") else { return Ok(None) };
    let name = reference(value, "IntegrationRuntimeReference");
    let name = name.ok_or_else(|| NotRunnable::new(at("connectVia"), "must be an IntegrationRuntimeReference"))?;
    Ok(Some(name).filter(|name| name != OWN_RUNTIME))
}

fn timeout(given: &Map<String, Value>) -> Result<u64, NotRunnable> {
    let Some(value) = given.get("httpRequestTimeout") else { return Ok(USUAL_TIMEOUT) };
    let seconds = value.as_str().and_then(timespan::seconds).filter(|seconds| (1..=MAX_TIMEOUT).contains(seconds));
    seconds.ok_or_else(|| NotRunnable::new(at("httpRequestTimeout"), "must be a span from 00:00:01 to 00:10:00"))
}
