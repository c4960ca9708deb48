//! The steps of the drill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::State;
use super::endpoint::Endpoint;
use super::node_process::NodeProcess;
use crate::drills::environment::PlannedFactory;
use crate::drills::managed_factory::ManagedFactory;
use crate::drills::private_server::PRIVATE_ENDPOINT;
use crate::drills::step::{Outcome, StepError};
use crate::remote::Method;

/// The integration runtime.
const RUNTIME: &str = "/integrationRuntimes/own";
/// The linked service that the runtime connects.
const STORE: &str = "store";
/// The linked service that the service's own runtime uses.
const OTHER: &str = "other";
/// The connection of the private endpoint.
const CONNECTION: &str = "/privateEndpointConnections/drill";
/// How long a node may take to be online.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

impl State {
    pub(super) fn make_factory(&mut self) -> Outcome {
        let planned = self.environment.plan_factory(&self.environment.name("network"))?;
        let factory = planned.factory.clone();
        let identity = json!({"type": "UserAssigned", "userAssignedIdentities": {&planned.identity: {}}});
        let body = json!({"location": planned.location, "identity": identity, "properties": {}});
        let made = factory.ask(Method::PUT, "", Some(&body))?;
        let credential = json!({"type": "ManagedIdentity", "typeProperties": {"resourceId": planned.identity}});
        factory.put("/credentials/drill", &credential)?;
        let credential = json!({"type": "CredentialReference", "referenceName": "drill"});
        let own = json!({"baseUrl": self.environment.vault(), "credential": credential});
        factory.put("/linkedservices/vault", &json!({"type": "AzureKeyVault", "typeProperties": own}))?;
        let seen = format!("{}, in {}", made["name"].as_str().unwrap_or_default(), planned.location);
        self.planned = Some(planned);
        if is_private(&made) { Err(StepError::unexpected("its public access is off already")) } else { Ok(seen) }
    }

    pub(super) fn register_node(&mut self) -> Outcome {
        let factory = self.factory()?;
        factory.put(RUNTIME, &json!({"type": "SelfHosted"}))?;
        let keys = factory.ask(Method::POST, &format!("{RUNTIME}/listAuthKeys"), None)?;
        let key = keys["authKey1"].as_str().unwrap_or_default();
        let host = key.split('@').find_map(|part| part.strip_prefix("ServiceEndpoint="));
        host.ok_or_else(|| StepError::unexpected("the auth key names no ServiceEndpoint"))?.clone_into(&mut self.host);
        let node = NodeProcess::start(&self.environment.node_place(), key).map_err(StepError::Unexpected)?;
        let node = self.node.insert(node);
        let began = Instant::now();
        loop {
            let status = factory.ask(Method::POST, &format!("{RUNTIME}/getStatus"), None)?;
            let state = status["properties"]["state"].as_str().unwrap_or_default();
            if state == "Online" {
                return Ok(format!("Online, at {}", self.host));
            }
            if let Some(last) = node.end() {
                return Err(StepError::unexpected(format!("the node has ended: {last}")));
            }
            if began.elapsed() > TIMEOUT {
                let last = node.last_line();
                return Err(StepError::unexpected(format!("the runtime is {state}; the node's last line: {last}")));
            }
            std::thread::sleep(INTERVAL);
        }
    }

    pub(super) fn credential_on_node(&mut self) -> Outcome {
        let factory = self.factory()?;
        let service = with_password(&secure(&self.credentials[0]), true);
        let shown = factory.put(&format!("/linkedservices/{STORE}"), &service)?;
        let reference = shown["properties"]["typeProperties"]["encryptedCredential"].is_string();
        if !reference || shown.to_string().contains(self.credentials[0].as_str()) {
            return Err(StepError::unexpected("the definition shows no reference, or the password itself"));
        }
        self.make_pipeline(STORE, true)?;
        self.expect_received(STORE, 0)
    }

    pub(super) fn public_access_off(&mut self) -> Outcome {
        let factory = self.factory()?;
        set_access(&factory, "Disabled")?;
        if !is_private(&factory.ask(Method::GET, "", None)?) {
            return Err(StepError::unexpected("the factory shows its public access as it was"));
        }
        self.expect_refused()
    }

    pub(super) fn private_link(&mut self) -> Outcome {
        let factory = self.factory()?;
        self.connect("Pending")?;
        let refused = self.expect_refused()?;
        self.connect("Approved")?;
        let connection = factory.ask(Method::GET, CONNECTION, None)?;
        let status = &connection["properties"]["privateLinkServiceConnectionState"]["status"];
        if status != "Approved" {
            return Err(StepError::unexpected(format!("the connection is {status} once it is approved")));
        }
        let name = self.environment.name("network");
        if self.environment.controls()?.private_ranges(&name)?.is_empty() {
            return Err(StepError::NotRunnable(format!(
                "it needs the addresses of a private endpoint: add {{\"name\": \"{PRIVATE_ENDPOINT}\", \"ranges\": [ADDRESS]}} to \
                 privateEndpoints of the server's configuration ({refused})"
            )));
        }
        self.expect_served()
    }

    pub(super) fn outside_vault(&mut self) -> Outcome {
        let run = self.factory()?.run(STORE)?;
        if run.status == "Succeeded" || !self.endpoint()?.take().is_empty() {
            return Err(StepError::unexpected("a credential outside of a vault was used"));
        }
        match run.message.contains(&format!("'{STORE}'")) {
            true => Ok(format!("{}: {}", run.status, run.message)),
            false => {
                let text = format!("the run does not name the linked service '{STORE}': {}", run.message);
                Err(StepError::Unexpected(text))
            }
        }
    }

    pub(super) fn own_runtime(&mut self) -> Outcome {
        let service = with_password(&secure(&self.credentials[0]), false);
        self.factory()?.put(&format!("/linkedservices/{OTHER}"), &service)?;
        self.make_pipeline(OTHER, false)?;
        self.expect_received(OTHER, 0)
    }

    pub(super) fn move_to_vault(&mut self) -> Outcome {
        let secret = self.environment.name("network");
        self.environment.operator().set_secret(&secret, &self.credentials[1])?;
        self.environment.record_secret(&secret);
        let store = json!({"type": "LinkedServiceReference", "referenceName": "vault"});
        let password = json!({"type": "AzureKeyVaultSecret", "store": store, "secretName": secret});
        let path = format!("/linkedservices/{STORE}");
        self.factory()?.put(&path, &with_password(&password, true))?;
        let shown = self.factory()?.ask(Method::GET, &path, None)?;
        let own = &shown["properties"]["typeProperties"];
        if !own["encryptedCredential"].is_null() || own["password"] != password {
            return Err(StepError::unexpected("the definition is not the one that refers to the vault"));
        }
        self.expect_received(STORE, 1)
    }

    pub(super) fn reject_connection(&mut self) -> Outcome {
        self.connect("Rejected")?;
        self.expect_refused()
    }

    pub(super) fn public_access_on(&mut self) -> Outcome {
        set_access(&*self.factory()?, "Enabled")?;
        self.expect_served()
    }

    /// Makes a pipeline that sends the linked service of its name to the endpoint, by the node or by the service's own runtime.
    fn make_pipeline(&mut self, service: &str, by_node: bool) -> Result<(), StepError> {
        let unusable = |error: std::io::Error| StepError::unexpected(format!("no endpoint can be opened: {error}"));
        if self.endpoint.is_none() {
            self.endpoint = Some(Endpoint::open().map_err(unusable)?);
        }
        let reference = json!({"type": "LinkedServiceReference", "referenceName": service});
        let mut call =
            json!({"method": "POST", "url": self.endpoint()?.url(), "body": {}, "linkedServices": [reference]});
        if by_node {
            call["connectVia"] = runtime();
        }
        let activity = json!({"name": "send", "type": "WebActivity", "typeProperties": call});
        Ok(self.factory()?.put(&format!("/pipelines/{service}"), &json!({"activities": [activity]})).map(drop)?)
    }

    /// Runs the pipeline of a linked service, and expects that the endpoint gets the credential of this number.
    fn expect_received(&self, service: &str, number: usize) -> Outcome {
        let run = self.factory()?.run(service)?;
        let received = self.endpoint()?.take();
        match (run.status == "Succeeded", received.contains(self.credentials[number].as_str())) {
            (true, true) => Ok(format!("{}; the endpoint has the credential", run.status)),
            (true, false) => {
                Err(StepError::unexpected("the run succeeded, and the credential did not reach the endpoint"))
            }
            (false, _) => Err(StepError::unexpected(format!("{}: {}", run.status, run.message))),
        }
    }

    fn expect_refused(&self) -> Outcome {
        let refusal = self.factory()?.refusal_of_node(&self.host)?;
        refusal.ok_or_else(|| StepError::unexpected("a node at this machine's address is served"))
    }

    fn expect_served(&self) -> Outcome {
        match self.factory()?.refusal_of_node(&self.host)? {
            None => Ok("a node at this machine's address is served".to_owned()),
            Some(refusal) => Err(StepError::unexpected(refusal)),
        }
    }

    /// Gives the connection of the private endpoint this status.
    fn connect(&self, status: &str) -> Result<(), StepError> {
        let planned = self.planned()?;
        let id = format!("{}/providers/Microsoft.Network/privateEndpoints/{PRIVATE_ENDPOINT}", planned.group);
        let state = json!({"status": status, "description": "drill"});
        let properties = json!({"privateEndpoint": {"id": id}, "privateLinkServiceConnectionState": state});
        Ok(planned.factory.put(CONNECTION, &properties).map(drop)?)
    }

    fn planned(&self) -> Result<&PlannedFactory, StepError> {
        self.planned.as_ref().ok_or_else(|| StepError::unexpected("there is no factory"))
    }

    fn factory(&self) -> Result<Arc<ManagedFactory>, StepError> {
        self.planned().map(|planned| planned.factory.clone())
    }

    fn endpoint(&self) -> Result<&Endpoint, StepError> {
        self.endpoint.as_ref().ok_or_else(|| StepError::unexpected("there is no endpoint"))
    }
}

fn set_access(factory: &ManagedFactory, access: &str) -> Result<(), StepError> {
    let body = json!({"properties": {"publicNetworkAccess": access}});
    Ok(factory.ask(Method::PATCH, "", Some(&body)).map(drop)?)
}

fn is_private(factory: &Value) -> bool {
    factory["properties"]["publicNetworkAccess"] == "Disabled"
}

fn runtime() -> Value {
    json!({"type": "IntegrationRuntimeReference", "referenceName": "own"})
}

fn secure(password: &str) -> Value {
    json!({"type": "SecureString", "value": password})
}

/// A linked service of a database, which the node connects or the service itself.
fn with_password(password: &Value, by_node: bool) -> Value {
    let own = json!({"connectionString": "Server=db;User ID=app", "password": password});
    let mut service = json!({"type": "SqlServer", "typeProperties": own});
    if by_node {
        service["connectVia"] = runtime();
    }
    service
}
