//! What a runtime does for a Web activity: credentials resolved, signed in, sent, its answer as the service gives it. One piece for the
//! service's own runtime and for nodes, which differ in how they reach vaults and hosts. It keeps nothing.
//!
//! Errors have the service's numbers ("Troubleshoot Azure Data Factory connectors": Web activity).

mod answer;
mod certificate;
mod credentials;
mod exchange;
mod runtime;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::ResolvesClientCert;
use serde_json::{Map, Value};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::web_task::{ActivityError, SignIn, WebTask};

pub(crate) use answer::{CALL_FAILED, OUTPUT_TOO_LONG, fits, not_sent};
pub(crate) use credentials::references_in;
pub(crate) use exchange::{Received, Sending, exchange};
pub(crate) use runtime::{Runtime, Waiting};

/// The service's number of a property that is not what it must be.
pub(crate) const INVALID_PROPERTY: &str = "2105";

/// Runs `task` on `runtime`: the output of its activity.
///
/// # Errors
/// Why it failed. Nothing is called before every credential is there.
pub(crate) async fn run(task: &WebTask, runtime: &dyn Runtime) -> Result<Map<String, Value>, ActivityError> {
    check_url(task)?;
    let mut headers = task.headers.clone();
    let body = credentials::payload(task, runtime).await?;
    if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), Zeroizing::new("application/json".to_owned())));
    }
    let (authorization, certificate) = signed_in(task, runtime).await?;
    if let Some(authorization) = authorization {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        headers.push(("Authorization".to_owned(), authorization));
    }
    let is_own = matches!(task.sign_in, Some(SignIn::Bearer { .. }));
    let url = task.url.clone();
    exchange::check_headers(&headers).map_err(|why| not_sent(task, &why))?;
    let sending = Sending { is_own, method: task.method.clone(), url, headers, body, certificate };
    match timeout(Duration::from_secs(task.timeout), runtime.send(sending)).await {
        Ok(Ok(received)) => answer::output(task, received),
        Ok(Err(why)) => Err(not_sent(task, &why)),
        Err(_) => Err(answer::failed(task, &format!("no answer within {} seconds", task.timeout))),
    }
}

/// The value of `Authorization`, or the certificate, by which a call signs in.
async fn signed_in(
    task: &WebTask,
    runtime: &dyn Runtime,
) -> Result<(Option<Zeroizing<String>>, Option<Arc<dyn ResolvesClientCert>>), ActivityError> {
    match &task.sign_in {
        None => Ok((None, None)),
        Some(SignIn::Bearer { token }) => Ok((Some(Zeroizing::new(format!("Bearer {}", token.as_str()))), None)),
        Some(SignIn::Basic { username, password }) => {
            let password = credentials::secret(task, runtime, password).await?;
            let both = Zeroizing::new(format!("{username}:{}", password.as_str()));
            Ok((Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(both.as_bytes())))), None))
        }
        Some(SignIn::ClientCertificate { pfx, password }) => {
            if !task.url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
                let url = &task.shown_url;
                let why = format!("The url '{url}' is not https://: a client certificate is shown in TLS alone.");
                return Err(ActivityError::new(INVALID_PROPERTY, why));
            }
            let pfx = credentials::secret(task, runtime, pfx).await?;
            let password = match password {
                Some(password) => credentials::secret(task, runtime, password).await?,
                None => Zeroizing::default(),
            };
            let shown = certificate::parse(pfx, password).await;
            Ok((None, Some(shown.map_err(|why| ActivityError::new(INVALID_PROPERTY, why))?)))
        }
    }
}

/// Refuses a URL of another scheme than HTTP's.
///
/// # Errors
/// The service's, for one that is.
pub(crate) fn check_url(task: &WebTask) -> Result<(), ActivityError> {
    let is_http = ["http://", "https://"]
        .iter()
        .any(|scheme| task.url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if is_http {
        Ok(())
    } else {
        let message = format!("The url '{}' is no http:// or https:// URL.", task.shown_url);
        Err(ActivityError::new(INVALID_PROPERTY, message))
    }
}
