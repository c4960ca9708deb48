//! Client authentication: an application signs in with a client secret or with an assertion (RFC 7523).

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::assertion::{Assertion, ExternalIssuers};
use super::claims::FederatedClaims;
use super::issuer::VerifyError;
use super::token::EXCHANGE_AUDIENCE;
use super::{ClientSecret, Directory, IdentityRecord, IdentitySelector, UnknownIdentities};
use crate::records::RecordError;

/// The documented secret of the built-in identity. It is public, so only requests of this machine may use it.
const WELL_KNOWN_SECRET: &str = "keyhaven";

/// What an application authenticates with. A bearer credential: deliberately no `Debug`.
pub(crate) enum ClientCredential {
    /// A client secret.
    Secret(Zeroizing<String>),
    /// A signed token (RFC 7523).
    Assertion(Zeroizing<String>),
}

/// A request to sign in.
pub(crate) struct SignInRequest<'a> {
    /// The application id.
    pub client_id: &'a str,
    /// The credential.
    pub credential: &'a ClientCredential,
    /// The audiences of a self-signed assertion: the addresses of the token endpoint.
    pub audiences: &'a [String],
    /// The policy for applications that are not configured.
    pub unknown_identities: UnknownIdentities,
    /// Whether the request comes from this machine.
    pub is_local: bool,
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

/// Credentials accepted besides those of the identities, for the lifetime of a directory.
#[derive(Default)]
pub(super) struct AcceptedPlaceholders {
    /// A client secret that signs any application in.
    secret: OnceLock<ClientSecret>,
    /// A certificate (DER in base64) that signs any application in.
    certificate: OnceLock<String>,
    /// The application that may use any credential.
    trusted_application: OnceLock<Uuid>,
}

/// Why an application may not sign in.
#[derive(Debug)]
pub(crate) enum SignInRefusal {
    /// No application has this id.
    NoSuchApplication,
    /// The secret is not the application's.
    WrongSecret,
    /// The documented secret, sent from another machine.
    WellKnownSecretFromElsewhere,
    /// The assertion is not a JWT with the required claims.
    Malformed,
    /// The assertion's subject is not the application.
    SubjectMismatch(String),
    /// The assertion has another audience.
    WrongAudience(String),
    /// The assertion has expired, or is not valid yet.
    OutsideValidity,
    /// The certificate of this thumbprint is not the application's.
    UnknownCertificate(String),
    /// The signature does not verify.
    BadSignature,
    /// The application trusts no such issuer, or not for this subject and audience.
    NoFederatedCredential {
        /// The assertion's issuer.
        issuer: String,
        /// The assertion's subject.
        subject: String,
    },
    /// The issuer's keys could not be fetched.
    IssuerUnreachable {
        /// The issuer.
        issuer: String,
        /// The reason.
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
    /// Accepts `secret` for every application for the lifetime of this directory. Only the first call counts.
    pub(crate) fn accept_placeholder_secret(&self, secret: ClientSecret) {
        let _ = self.inner.placeholders.secret.set(secret);
    }

    /// Accepts a certificate (DER in base64) for every application for the lifetime of this directory. Only the first call
    /// counts.
    pub(crate) fn accept_placeholder_certificate(&self, certificate: String) {
        let _ = self.inner.placeholders.certificate.set(certificate);
    }

    /// Lets the application `client_id` sign in with any credential where unknown applications are accepted: a program takes
    /// the id from its environment and has a secret of its own. Only the first call counts.
    pub(crate) fn accept_any_credential_of(&self, client_id: Uuid) {
        let _ = self.inner.placeholders.trusted_application.set(client_id);
    }

    /// Authenticates an application and returns its identity.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) async fn sign_in(
        &self,
        request: &SignInRequest<'_>,
        issuers: &dyn ExternalIssuers,
    ) -> Result<Arc<IdentityRecord>, SignInRefusal> {
        let creates_unknown = request.unknown_identities == UnknownIdentities::AutoCreate;
        let selector = IdentitySelector::ClientId(request.client_id.to_owned());
        match self.select(&selector, UnknownIdentities::Reject).await? {
            Some(identity) => {
                let is_trusted = self.inner.placeholders.trusted_application.get() == Some(&identity.client_id);
                let trusting = creates_unknown && (is_trusted || identity.has_no_credentials());
                if trusting {
                    self.check_plausible(request.credential)?
                } else {
                    self.verify(&identity, request, issuers).await?
                }
                Ok(identity)
            }
            None if creates_unknown => {
                self.check_plausible(request.credential)?;
                self.select(&selector, request.unknown_identities).await?.ok_or(SignInRefusal::NoSuchApplication)
            }
            None => Err(SignInRefusal::NoSuchApplication),
        }
    }

    /// Checks the form of a real credential, which only the real Entra could verify.
    fn check_plausible(&self, credential: &ClientCredential) -> Result<(), SignInRefusal> {
        match credential {
            ClientCredential::Secret(secret) if secret.is_empty() => Err(SignInRefusal::WrongSecret),
            ClientCredential::Secret(_) => Ok(()),
            ClientCredential::Assertion(token) => {
                Assertion::parse(token)?.check_validity(self.inner.clock.now().unix())
            }
        }
    }

    async fn verify(
        &self,
        identity: &IdentityRecord,
        request: &SignInRequest<'_>,
        issuers: &dyn ExternalIssuers,
    ) -> Result<(), SignInRefusal> {
        match request.credential {
            ClientCredential::Secret(secret) => self.verify_secret(identity, secret, request.is_local),
            ClientCredential::Assertion(token) => {
                self.verify_assertion(identity, &Assertion::parse(token)?, request, issuers).await
            }
        }
    }

    fn verify_secret(&self, identity: &IdentityRecord, given: &str, is_local: bool) -> Result<(), SignInRefusal> {
        let accepted = self.inner.placeholders.secret.get().is_some_and(|secret| secret.matches(given));
        let own = identity.client_secret.as_ref().is_some_and(|secret| secret.matches(given));
        match (own, accepted) {
            (true, _) if given == WELL_KNOWN_SECRET && !is_local => Err(SignInRefusal::WellKnownSecretFromElsewhere),
            (true, _) | (_, true) => Ok(()),
            (false, false) => Err(SignInRefusal::WrongSecret),
        }
    }

    async fn verify_assertion(
        &self,
        identity: &IdentityRecord,
        assertion: &Assertion<'_>,
        request: &SignInRequest<'_>,
        issuers: &dyn ExternalIssuers,
    ) -> Result<(), SignInRefusal> {
        assertion.check_validity(self.inner.clock.now().unix())?;
        let (own_id, claims) = (identity.client_id.to_string(), &assertion.claims);
        if claims.iss.eq_ignore_ascii_case(&own_id) {
            return self.verify_self_signed(identity, assertion, request);
        }
        if claims.iss == self.federated_issuer() {
            return self.verify_own_token(&own_id, request.credential);
        }
        self.verify_federated(identity, assertion, issuers).await
    }

    /// Verifies an assertion that the application signed with a certificate.
    fn verify_self_signed(
        &self,
        identity: &IdentityRecord,
        assertion: &Assertion<'_>,
        request: &SignInRequest<'_>,
    ) -> Result<(), SignInRefusal> {
        if !assertion.claims.sub.eq_ignore_ascii_case(&assertion.claims.iss) {
            return Err(SignInRefusal::SubjectMismatch(assertion.claims.sub.clone()));
        }
        assertion.check_audience(request.audiences)?;
        let accepted = self.inner.placeholders.certificate.get().cloned();
        let certificates: Vec<_> = identity.certificates.iter().cloned().chain(accepted).collect();
        assertion.verify_with_certificates(&certificates)
    }

    /// Verifies a federated token of this server (`identity token --federated`).
    fn verify_own_token(&self, own_id: &str, credential: &ClientCredential) -> Result<(), SignInRefusal> {
        let ClientCredential::Assertion(token) = credential else { return Err(SignInRefusal::Malformed) };
        match self.inner.issuer.verify_claims::<FederatedClaims>(token.trim()) {
            Ok(claims) if claims.aud != EXCHANGE_AUDIENCE => Err(SignInRefusal::WrongAudience(claims.aud)),
            Ok(claims) if claims.sub != own_id => {
                Err(SignInRefusal::NoFederatedCredential { issuer: claims.iss, subject: claims.sub })
            }
            Ok(_) => Ok(()),
            Err(VerifyError::KeyUnavailable(why)) => {
                Err(RecordError::Damaged { record: "issuer/current".into(), why }.into())
            }
            Err(VerifyError::Malformed) => Err(SignInRefusal::Malformed),
            Err(VerifyError::UnknownKey | VerifyError::BadSignature) => Err(SignInRefusal::BadSignature),
        }
    }

    /// Verifies an assertion of an issuer that the application trusts.
    async fn verify_federated(
        &self,
        identity: &IdentityRecord,
        assertion: &Assertion<'_>,
        issuers: &dyn ExternalIssuers,
    ) -> Result<(), SignInRefusal> {
        let (issuer, subject) = (&assertion.claims.iss, &assertion.claims.sub);
        let trusts = identity.federated.iter().find(|entry| entry.issuer == *issuer && entry.subject == *subject);
        let Some(entry) = trusts else {
            return Err(SignInRefusal::NoFederatedCredential { issuer: issuer.clone(), subject: subject.clone() });
        };
        assertion.check_audience(std::slice::from_ref(&entry.audience))?;
        let keys = issuers.keys(issuer, assertion.kid()).await;
        let keys = keys.map_err(|why| SignInRefusal::IssuerUnreachable { issuer: issuer.clone(), why })?;
        assertion.verify_with_issuer_keys(&keys)
    }
}
