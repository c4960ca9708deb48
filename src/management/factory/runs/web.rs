//! The Web activity: credentials resolved, signed in, sent, its answer as the service gives it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::execute::{Done, Execution};
use super::outside::{Received, Sending};
use super::record::ActivityError;
use crate::pipeline::{Authentication, MASK, Policy, Values, WebCall, WebRequest};

/// The service's numbers ("Troubleshoot Azure Data Factory connectors": Web activity).
const INVALID_TEMPLATE: &str = "InvalidTemplate";
const INVALID_PROPERTY: &str = "2105";
const CALL_FAILED: &str = "2108";
const RUNTIME_OFFLINE: &str = "2010";
const OUTPUT_TOO_LONG: &str = "2001";
/// The longest output of an activity as JSON, in bytes: it is kept in one commit. Ours; the service's own bound is about 4 MB.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;
/// What of an answer's text a message has, in characters.
const SHOWN_OF_ANSWER: usize = 1000;

impl Execution {
    /// Sends the request of a Web activity.
    pub(super) async fn call(&self, call: &WebCall, policy: Policy, values: &Values) -> Done {
        let request = match call.request(values) {
            Ok(request) => request,
            Err(failed) => {
                return Done { input: Value::Null, output: Err(ActivityError::new(INVALID_TEMPLATE, failed.0)) };
            }
        };
        // A definition whose secret parameter is more than a text gives nothing that can be shown.
        let shown = call.request(&self.shown(values)).ok().filter(|_| !policy.secure_input);
        let shown = Shown { request: shown, has_answer: !policy.secure_output };
        let input = shown.input(call);
        Done { input, output: self.answered(call, request, (values, &shown)).await }
    }

    async fn answered(
        &self,
        call: &WebCall,
        request: WebRequest,
        (values, shown): (&Values, &Shown),
    ) -> Result<Value, ActivityError> {
        if let Some(runtime) = &call.runtime {
            let message = format!("The Self-hosted Integration Runtime '{runtime}' is offline.");
            return Err(ActivityError::new(RUNTIME_OFFLINE, message));
        }
        check_url(&request.url, shown)?;
        let mut headers: Vec<_> =
            request.headers.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect();
        let body = self.payload(call, request.body).await?;
        if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".to_owned(), Zeroizing::new("application/json".to_owned())));
        }
        if let Some(authorization) = self.authorization(call.authentication.as_ref(), values).await? {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            headers.push(authorization);
        }
        let is_own = matches!(call.authentication, Some(Authentication::ManagedIdentity { .. }));
        let url = request.url;
        let sending = Sending { is_own, method: call.method.name(), url: url.clone(), headers, body };
        let sent = self.management.runs.outside().send(sending);
        match tokio::time::timeout(std::time::Duration::from_secs(call.timeout), sent).await {
            Ok(Ok(received)) => output(shown, received),
            Ok(Err(why)) => Err(shown.failed(if shown.has_host_of(&url) { &why } else { MASK })),
            Err(_) => Err(shown.failed(&format!("no answer within {} seconds", call.timeout))),
        }
    }

    /// The header by which a call signs in.
    async fn authorization(
        &self,
        authentication: Option<&Authentication>,
        values: &Values,
    ) -> Result<Option<(String, Zeroizing<String>)>, ActivityError> {
        let header = match authentication {
            None => return Ok(None),
            Some(Authentication::Basic { username, password }) => {
                let username = text(username.evaluate(values), "username")?;
                let password = self.secret(password).await?;
                let both = Zeroizing::new(format!("{username}:{}", password.as_str()));
                Zeroizing::new(format!("Basic {}", STANDARD.encode(both.as_bytes())))
            }
            Some(Authentication::ManagedIdentity { resource }) => {
                let resource = text(resource.evaluate(values), "resource")?;
                let own = self.own.ok_or_else(|| {
                    let name = self.factory.name();
                    ActivityError::new(
                        INVALID_PROPERTY,
                        format!("The data factory '{name}' has no system-assigned identity to sign in with."),
                    )
                })?;
                let token = self.management.runs.outside().token(own, resource).await;
                let token = token.map_err(|why| {
                    ActivityError::new(CALL_FAILED, format!("Failed to get a token of the managed identity: {why}"))
                })?;
                Zeroizing::new(format!("Bearer {}", token.as_str()))
            }
        };
        Ok(Some(("Authorization".to_owned(), header)))
    }
}

fn text(value: Result<Value, crate::pipeline::Failed>, what: &str) -> Result<String, ActivityError> {
    match value {
        Ok(Value::String(text)) if !text.is_empty() && !text.contains(char::is_control) => Ok(text),
        Ok(_) => {
            Err(ActivityError::new(INVALID_PROPERTY, format!("The {what} of the authentication is empty or no text.")))
        }
        Err(failed) => Err(ActivityError::new(INVALID_TEMPLATE, failed.0)),
    }
}

/// What a run shows of a call, in its input and its errors: no secret parameter, and nothing that the policy keeps back.
struct Shown {
    /// The request; none where nothing of it is shown.
    request: Option<WebRequest>,
    /// Whether the answer's text is shown.
    has_answer: bool,
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

    fn url(&self) -> &str {
        self.request.as_ref().map_or(MASK, |request| &request.url)
    }

    /// Whether the host of `url`, which is called, is shown: reasons name it.
    fn has_host_of(&self, url: &str) -> bool {
        origin(self.url()) == origin(url)
    }

    /// "Error calling the endpoint 'URL'. …"
    fn failed(&self, why: &str) -> ActivityError {
        ActivityError::new(CALL_FAILED, format!("Error calling the endpoint '{}'. Details: {why}", self.url()))
    }
}

/// What is before the path of a URL.
fn origin(url: &str) -> &str {
    url.match_indices('/').nth(2).map_or(url, |(end, _)| &url[..end])
}

fn check_url(url: &str, shown: &Shown) -> Result<(), ActivityError> {
    let is_http = ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if is_http {
        Ok(())
    } else {
        let message = format!("The url '{}' is no http:// or https:// URL.", shown.url());
        Err(ActivityError::new(INVALID_PROPERTY, message))
    }
}

/// The output of an activity whose call was answered: the members of an object, else `{"Response": TEXT}`; and the headers.
fn output(shown: &Shown, received: Received) -> Result<Value, ActivityError> {
    let body = String::from_utf8_lossy(&received.body);
    if received.status == 202 && received.headers.iter().any(|(name, _)| name == "location") {
        return Err(shown.failed("the answer 202 names a Location to ask again, which is not followed here"));
    }
    if !(200..300).contains(&received.status) {
        let body = if shown.has_answer { body.chars().take(SHOWN_OF_ANSWER).collect() } else { MASK.to_owned() };
        let message = format!(
            "Error calling the endpoint '{}'. Response status code: '{}'. More details: Exception message: '{body}'.",
            shown.url(),
            received.status
        );
        return Err(ActivityError::new(CALL_FAILED, message));
    }
    let mut output = match serde_json::from_str::<Value>(&body) {
        Ok(Value::Object(members)) => members,
        _ if body.is_empty() => Map::new(),
        _ => Map::from_iter([("Response".to_owned(), json!(body))]),
    };
    let headers: Map<String, Value> = received.headers.into_iter().map(|(name, value)| (name, json!(value))).collect();
    output.insert("ADFWebActivityResponseHeaders".to_owned(), headers.into());
    output.insert("effectiveIntegrationRuntime".to_owned(), json!("AutoResolveIntegrationRuntime"));
    // Escapes can make it several times as long as the answer.
    match serde_json::to_vec(&output) {
        Ok(bytes) if bytes.len() <= MAX_OUTPUT_BYTES => Ok(output.into()),
        _ => Err(ActivityError::new(OUTPUT_TOO_LONG, "The length of execution output is over limit (1 MB here).")),
    }
}
