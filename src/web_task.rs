//! A Web activity as a runtime is given it: expressions evaluated, definitions found, references to secrets still to be resolved. The
//! service's own runtime and nodes are given the same. It knows neither.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::secret_json::SecretJson;

/// A Web activity to be run; deliberately no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebTask {
    /// The activity's name.
    pub activity: String,
    /// The run that it is part of.
    pub run: Uuid,
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers, in order.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<SecretJson>,
    /// How it signs in, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
    /// The definitions that go along in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<Along>,
    /// The vaults that references lead to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<Store>,
    /// How long the call may take, in seconds.
    pub timeout: u64,
    /// The URL as errors show it: without a secret parameter.
    pub shown_url: String,
    /// Whether errors show the text of an answer.
    pub shows_answer: bool,
}

/// How a call signs in. What is called a credential is a `SecureString` or a reference to a secret of a vault.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub(crate) enum SignIn {
    /// `Authorization: Basic …`
    Basic {
        /// The name.
        username: String,
        /// The password, a credential.
        password: SecretJson,
    },
    /// `Authorization: Bearer …`: of the factory's own identity.
    Bearer {
        /// The token.
        token: Zeroizing<String>,
    },
    /// A certificate, which the client shows in TLS.
    ClientCertificate {
        /// Certificate and key, PKCS #12 in base64: a credential.
        pfx: SecretJson,
        /// The password of `pfx`: a credential.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<SecretJson>,
    },
}

/// A definition that goes along in the body of a call.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Along {
    /// The member of the body that it is in: `datasets` or `linkedServices`.
    pub member: String,
    /// Its name.
    pub name: String,
    /// Its definition. A credential that lies on a node is there as `encryptedCredential`.
    pub properties: SecretJson,
}

/// A vault that references lead to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Store {
    /// The name of its linked service, as the references have it.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// The resource id of the user-assigned identity that it is asked as; none is the factory's own. It is not written.
    #[serde(skip)]
    pub identity: Option<String>,
    /// A token of that identity: for a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Zeroizing<String>>,
}

/// What an activity gave, or why it failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ended {
    /// Its output.
    Output(Map<String, Value>),
    /// Why it failed.
    Error(ActivityError),
}

/// Why an activity failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ActivityError {
    /// The service's number: 2108 of a call that failed, for example.
    pub code: String,
    /// What happened. It holds no credential.
    pub message: String,
}

impl ActivityError {
    /// The error `code` with `message`.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_learns_tokens_and_no_identities() {
        let store = Store {
            name: "vault".to_owned(),
            url: "https://acme.vault.azure.net".to_owned(),
            identity: Some("id".to_owned()),
            token: Some(Zeroizing::new("t".to_owned())),
        };
        let written = serde_json::to_value(&store).unwrap();
        assert_eq!(written, json!({"name": "vault", "url": "https://acme.vault.azure.net", "token": "t"}));
    }

    #[test]
    fn what_an_activity_gave_is_written_and_read() {
        let output = Ended::Output(Map::from_iter([("a".to_owned(), json!(1))]));
        let error = Ended::Error(ActivityError::new("2108", "why"));
        for (ended, text) in
            [(output, json!({"output": {"a": 1}})), (error, json!({"error": {"code": "2108", "message": "why"}}))]
        {
            assert_eq!(serde_json::to_value(&ended).unwrap(), text);
            assert_eq!(serde_json::from_value::<Ended>(text).unwrap(), ended);
        }
    }
}
