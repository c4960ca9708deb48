//! How an application proves who it is: by a client secret, or by an assertion.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::assertion::{Assertion, ExternalIssuers};
use super::issuer::NotSigned;
use super::token::{EXCHANGE_AUDIENCE, FederatedClaims};
use super::{ClientSecret, Directory, IdentityRecord, IdentitySelector, UnknownIdentities};
use crate::records::RecordError;

/// The secret of the built-in identity: everybody knows it, so it is good on this machine alone.
const WELL_KNOWN_SECRET: &str = "keyhaven";

/// What an application brings. It has no `Debug`: whoever has it is somebody.
pub enum ClientCredential {
    /// A client secret.
    Secret(Zeroizing<String>),
    /// A signed token (RFC 7523).
    Assertion(Zeroizing<String>),
}

/// An application that asks to sign in.
pub struct SignInRequest<'a> {
    /// The application id it gives.
    pub client_id: &'a str,
    /// What it brings.
    pub proof: &'a ClientCredential,
    /// What an assertion of its own must be for: the addresses it is sent to.
    pub audiences: &'a [String],
    /// What becomes of applications that nobody has configured.
    pub unknown_identities: UnknownIdentities,
    /// Whether it asks from this machine.
    pub near: bool,
}

/// The kinds of credentials by which an application signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// A file with a federated token.
    WorkloadIdentity,
    /// A client secret.
    ClientSecret,
    /// A file with a certificate and its key.
    ClientCertificate,
}

/// What is accepted beside an application's own credentials, for as long as a directory lives.
#[derive(Default)]
pub(super) struct Accepted {
    /// A placeholder for client secrets and passwords: it signs any application in.
    secret: OnceLock<ClientSecret>,
    /// A placeholder for certificates, as DER in base64: it signs any application in.
    certificate: OnceLock<String>,
    /// The application that may bring anything.
    trusted: OnceLock<Uuid>,
}

/// Why an application may not sign in.
#[derive(Debug)]
pub enum SignInRefusal {
    /// There is no application of this id.
    NoSuchApplication,
    /// The secret is not the application's.
    WrongSecret,
    /// The secret is known to everybody, and the application asks from elsewhere.
    SecretNotGoodHere,
    /// The assertion is no JWT with what it must say.
    Malformed,
    /// The assertion speaks of somebody else than the application.
    OtherSubject(String),
    /// The assertion is for something else.
    Audience(String),
    /// The assertion is over, or not good yet.
    Untimely,
    /// The certificate of this thumbprint is not the application's.
    UnknownCertificate(String),
    /// The signature does not fit.
    Signature,
    /// The application trusts no such issuer, or not for this subject and audience.
    NoFederation {
        /// Who signed, as the assertion says.
        issuer: String,
        /// Of whom it speaks.
        subject: String,
    },
    /// The issuer's keys could not be fetched.
    Unreachable {
        /// The issuer.
        issuer: String,
        /// What went wrong.
        why: String,
    },
    /// The store failed.
    Record(RecordError),
}

impl From<RecordError> for SignInRefusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl Directory {
    /// Takes `secret` as every application's, for as long as this directory lives; the first one holds.
    pub fn accept_placeholder_secret(&self, secret: ClientSecret) {
        let _ = self.inner.accepted.secret.set(secret);
    }

    /// Takes a certificate (DER in base64) as every application's, for as long as this directory lives; the first one holds.
    pub fn accept_placeholder_certificate(&self, certificate: String) {
        let _ = self.inner.accepted.certificate.set(certificate);
    }

    /// Lets the application `client_id` sign in with anything, as an unconfigured one does, where those are accepted: a
    /// program takes the id from its environment and brings a secret of its own. The first one holds.
    pub fn accept_any_credential_of(&self, client_id: Uuid) {
        let _ = self.inner.accepted.trusted.set(client_id);
    }

    /// The application that signs in.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub async fn sign_in(
        &self,
        asked: &SignInRequest<'_>,
        foreign: &dyn ExternalIssuers,
    ) -> Result<Arc<IdentityRecord>, SignInRefusal> {
        let welcome = asked.unknown_identities == UnknownIdentities::AutoCreate;
        let chosen = IdentitySelector::ClientId(asked.client_id.to_owned());
        match self.select(&chosen, UnknownIdentities::Reject).await? {
            Some(identity) => {
                let is_trusted = self.inner.accepted.trusted.get() == Some(&identity.client_id);
                let trusting = welcome && (is_trusted || identity.has_no_credentials());
                if trusting {
                    self.plausible(asked.proof)?
                } else {
                    self.proven(&identity, asked, foreign).await?
                }
                Ok(identity)
            }
            None if welcome => {
                self.plausible(asked.proof)?;
                self.select(&chosen, asked.unknown_identities).await?.ok_or(SignInRefusal::NoSuchApplication)
            }
            None => Err(SignInRefusal::NoSuchApplication),
        }
    }

    /// Whether real credentials, which nobody here can check, look like ones.
    fn plausible(&self, proof: &ClientCredential) -> Result<(), SignInRefusal> {
        match proof {
            ClientCredential::Secret(secret) if secret.is_empty() => Err(SignInRefusal::WrongSecret),
            ClientCredential::Secret(_) => Ok(()),
            ClientCredential::Assertion(token) => Assertion::parse(token)?.is_timely(self.inner.clock.now().unix()),
        }
    }

    async fn proven(
        &self,
        identity: &IdentityRecord,
        asked: &SignInRequest<'_>,
        foreign: &dyn ExternalIssuers,
    ) -> Result<(), SignInRefusal> {
        match asked.proof {
            ClientCredential::Secret(secret) => self.has_secret(identity, secret, asked.near),
            ClientCredential::Assertion(token) => {
                self.is_asserted(identity, &Assertion::parse(token)?, asked, foreign).await
            }
        }
    }

    fn has_secret(&self, identity: &IdentityRecord, given: &str, near: bool) -> Result<(), SignInRefusal> {
        let accepted = self.inner.accepted.secret.get().is_some_and(|secret| secret.is(given));
        let own = identity.client_secret.as_ref().is_some_and(|secret| secret.is(given));
        match (own, accepted) {
            (true, _) if given == WELL_KNOWN_SECRET && !near => Err(SignInRefusal::SecretNotGoodHere),
            (true, _) | (_, true) => Ok(()),
            (false, false) => Err(SignInRefusal::WrongSecret),
        }
    }

    async fn is_asserted(
        &self,
        identity: &IdentityRecord,
        assertion: &Assertion<'_>,
        asked: &SignInRequest<'_>,
        foreign: &dyn ExternalIssuers,
    ) -> Result<(), SignInRefusal> {
        assertion.is_timely(self.inner.clock.now().unix())?;
        let (own_id, claims) = (identity.client_id.to_string(), &assertion.claims);
        if claims.iss.eq_ignore_ascii_case(&own_id) {
            return self.is_self_signed(identity, assertion, asked);
        }
        if claims.iss == self.federated_issuer() {
            return self.is_ours(&own_id, asked.proof);
        }
        self.is_federated(identity, assertion, foreign).await
    }

    /// Signed by the application itself, with a certificate.
    fn is_self_signed(
        &self,
        identity: &IdentityRecord,
        assertion: &Assertion<'_>,
        asked: &SignInRequest<'_>,
    ) -> Result<(), SignInRefusal> {
        if !assertion.claims.sub.eq_ignore_ascii_case(&assertion.claims.iss) {
            return Err(SignInRefusal::OtherSubject(assertion.claims.sub.clone()));
        }
        assertion.is_for(asked.audiences)?;
        let accepted = self.inner.accepted.certificate.get().cloned();
        let certificates: Vec<_> = identity.certificates.iter().cloned().chain(accepted).collect();
        assertion.is_signed_by_one_of(&certificates)
    }

    /// Signed by this server: `identity token --federated`.
    fn is_ours(&self, own_id: &str, proof: &ClientCredential) -> Result<(), SignInRefusal> {
        let ClientCredential::Assertion(token) = proof else { return Err(SignInRefusal::Malformed) };
        match self.inner.issuer.claims::<FederatedClaims>(token.trim()) {
            Ok(claims) if claims.aud != EXCHANGE_AUDIENCE => Err(SignInRefusal::Audience(claims.aud)),
            Ok(claims) if claims.sub != own_id => {
                Err(SignInRefusal::NoFederation { issuer: claims.iss, subject: claims.sub })
            }
            Ok(_) => Ok(()),
            Err(NotSigned::Unknown(why)) => Err(RecordError::Damaged { record: "issuer/current".into(), why }.into()),
            Err(NotSigned::Malformed) => Err(SignInRefusal::Malformed),
            Err(NotSigned::UnknownKey | NotSigned::BadSignature) => Err(SignInRefusal::Signature),
        }
    }

    /// Signed by an issuer that the application trusts.
    async fn is_federated(
        &self,
        identity: &IdentityRecord,
        assertion: &Assertion<'_>,
        foreign: &dyn ExternalIssuers,
    ) -> Result<(), SignInRefusal> {
        let (issuer, subject) = (&assertion.claims.iss, &assertion.claims.sub);
        let trusts = identity.federated.iter().find(|entry| entry.issuer == *issuer && entry.subject == *subject);
        let Some(entry) = trusts else {
            return Err(SignInRefusal::NoFederation { issuer: issuer.clone(), subject: subject.clone() });
        };
        assertion.is_for(std::slice::from_ref(&entry.audience))?;
        let keys = foreign.keys(issuer, assertion.kid()).await;
        let keys = keys.map_err(|why| SignInRefusal::Unreachable { issuer: issuer.clone(), why })?;
        assertion.is_signed_by_issuer(&keys)
    }
}
