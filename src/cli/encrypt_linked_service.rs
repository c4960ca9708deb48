//! `keyhaven encrypt-linked-service`: what the cmdlet New-AzDataFactoryV2LinkedServiceEncryptedCredential does.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Failure;
use super::client::{AdminClient, START_OR_NAME};
use super::target::Target;
use crate::app::ReadyFile;
use crate::factory::{EncryptedCredential, Rules, Unusable, take_out};
use crate::node::Destination;
use crate::random::{self, OsRandom};
use crate::remote::{JsonRequest, TrustStore, post_json};

/// Encrypt the credentials of a linked service's definition on a node of its integration runtime.
///
/// Prints the definition with a reference in place of every secret part; the node alone keeps what they were. The node must have remote
/// access on. The parameters are those of New-AzDataFactoryV2LinkedServiceEncryptedCredential.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct EncryptLinkedService {
    #[command(flatten)]
    target: Target,

    /// The factory's subscription [default: the server's]
    #[arg(long, value_name = "ID")]
    subscription: Option<Uuid>,

    /// The factory
    #[arg(short = 'f', long, value_name = "NAME")]
    data_factory_name: String,

    /// Its resource group
    #[arg(short = 'g', long, value_name = "NAME")]
    resource_group_name: String,

    /// The self-hosted integration runtime that the linked service is connected by
    #[arg(short = 'r', long, value_name = "NAME")]
    integration_runtime_name: String,

    /// The file of the definition, JSON
    #[arg(short = 'd', long, value_name = "FILE")]
    definition_file: PathBuf,

    /// The identity that asks for the node [default: the server's default one]
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven encrypt-linked-service -f F -g G -r R -d FILE > OUT";

/// What tokens for the management plane are for.
const MANAGEMENT: &str = "https://management.azure.com";

/// The answer of getConnectionInfo.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionInfo {
    host_service_uri: String,
    identity_cert_thumbprint: String,
    public_key: String,
    service_token: Zeroizing<String>,
}

impl EncryptLinkedService {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let mut definition = self.definition()?;
        let properties = definition["properties"].take();
        self.check_runtime(&properties)?;
        let taken = take_out(Rules::LinkedService, properties).map_err(|unusable| {
            Failure::usage(format!("the definition's credentials cannot be taken: {}", why(&unusable)))
        })?;
        if taken.secrets.is_empty() {
            return Err(Failure::usage("the definition holds no credential that could be encrypted"));
        }
        let (factory, info) = self.connection_info().await?;
        let id = random::uuid(&OsRandom);
        let reference = EncryptedCredential::new(factory, id);
        let value = Zeroizing::new(serde_json::to_string(&taken.secrets).map_err(Failure::failed)?);
        let destination = Destination {
            uri: info.host_service_uri,
            thumbprint: info.identity_cert_thumbprint,
            public_key: info.public_key,
            token: info.service_token,
        };
        destination.bring(&reference.to_string(), &value).await.map_err(Failure::failed)?;
        let mut properties = taken.properties;
        properties["typeProperties"]["encryptedCredential"] = reference.encode().into();
        definition["properties"] = properties;
        writeln!(std::io::stdout(), "{definition:#}").map_err(Failure::failed)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The definition: an object with `properties`.
    fn definition(&self) -> Result<Value, Failure> {
        let path = self.definition_file.display();
        let text = std::fs::read_to_string(&self.definition_file).map(Zeroizing::new);
        let text = text.map_err(|error| Failure::usage(format!("--definition-file {path}: {error}")))?;
        // The position alone: a text near it may be a secret.
        let at = |error: serde_json::Error| format!("line {}, column {}", error.line(), error.column());
        let definition: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("--definition-file {path} is no JSON at {}", at(error))))?;
        match definition["properties"]["typeProperties"].is_object() {
            true => Ok(definition),
            false => Err(Failure::usage(format!("--definition-file {path} has no properties.typeProperties"))),
        }
    }

    /// Refuses a definition that is not connected by the runtime: its node would never be asked for the credential.
    fn check_runtime(&self, properties: &Value) -> Result<(), Failure> {
        let via = &properties["connectVia"];
        let is_runtime = |kind: &str| kind.eq_ignore_ascii_case("IntegrationRuntimeReference");
        let name = via["referenceName"].as_str().filter(|_| via["type"].as_str().is_some_and(is_runtime));
        let wanted = &self.integration_runtime_name;
        match name {
            None => Err(Failure::usage(format!(
                "the definition has no connectVia: refer to the integration runtime '{wanted}' there, whose node is to keep the credential"
            ))),
            Some(name) if !name.eq_ignore_ascii_case(wanted) => {
                Err(Failure::usage(format!("the definition is connected by '{name}', not by '{wanted}'")))
            }
            Some(_) => Ok(()),
        }
    }

    /// What reaches the node, and the id of the factory for references, which follows from its resource id (ours).
    async fn connection_info(self) -> Result<(Uuid, ConnectionInfo), Failure> {
        let client = AdminClient::new(self.target);
        let ready = client.ready()?;
        let identity = match &self.identity {
            Some(name) => name.clone(),
            None => client.default_identity(ready.as_ref()).await?,
        };
        let ready = ready.ok_or_else(|| Failure::usage(START_OR_NAME))?;
        let token = client.token_for(&identity, MANAGEMENT).await?;
        let subscription = match self.subscription {
            Some(id) => id,
            None => client.subscription(&identity).await?,
        };
        let factory = format!(
            "/subscriptions/{subscription}/resourceGroups/{}/providers/Microsoft.DataFactory/factories/{}",
            self.resource_group_name, self.data_factory_name
        );
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, factory.to_lowercase().as_bytes());
        let path = format!("{factory}/integrationRuntimes/{}/getConnectionInfo", self.integration_runtime_name);
        let asking = tokio::task::spawn_blocking(move || ask(&ready, &path, &token));
        Ok((id, asking.await.map_err(Failure::failed)??))
    }
}

/// Where a credential is, and why it cannot be taken.
fn why(unusable: &Unusable) -> String {
    match unusable {
        Unusable::NoText { at } => format!("{at} is no text"),
        Unusable::NoValue { at } => format!("{at} has no value"),
        Unusable::Masked { at } => format!("{at} is masked"),
    }
}

/// Asks the management plane of the server for what reaches the node.
fn ask(ready: &ReadyFile, path: &str, token: &str) -> Result<ConnectionInfo, Failure> {
    let port = ready.listen.rsplit(':').next().unwrap_or_default();
    let pem = std::fs::read_to_string(&ready.ca).map_err(Failure::failed)?;
    let agent = TrustStore::default().with_pem(&pem).map_err(Failure::failed)?.agent();
    let path = path.replace(' ', "%20");
    let url = format!("https://arm.localhost:{port}{path}?api-version=2018-06-01");
    let request = JsonRequest { url, host: None, bearer: Some(token), body: b"" };
    let (status, answer) = post_json(&agent, &request).map_err(Failure::failed)?;
    if status != 200 {
        let said: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let text = said["error"]["message"].as_str().unwrap_or_default();
        return Err(Failure::failed(format!("the node is not shown: {text} ({status})")));
    }
    serde_json::from_slice(&answer).map_err(|_| Failure::failed("the answer does not say how the node is reached"))
}
