//! Access tokens and federated tokens: their claims, how they are issued, and the checks that a valid one passes.

use std::sync::Arc;

use uuid::Uuid;

use super::claims::{Claims, FEDERATED_LIFETIME, FederatedClaims, LIFETIME};
use super::issuer::VerifyError;
use super::session::{ClaimsChallenge, EndedSession};
use super::{Directory, IdentityRecord, IssuerError};
use crate::access::Identity;
use crate::records::RecordError;

/// The audience of federated tokens by default (Entra's documents).
pub(crate) const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// How a client authenticated for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuthentication {
    /// A managed identity: every program that can reach the identity listener has it.
    ManagedIdentity,
    /// A client secret.
    Secret,
    /// An assertion, signed with a certificate or by another issuer (RFC 7523).
    Assertion,
}

/// A token and its lifetime. A bearer credential: deliberately no `Debug`.
pub(crate) struct IssuedToken {
    /// The token.
    pub access_token: String,
    /// The application id of its identity.
    pub client_id: Uuid,
    /// Its lifetime in seconds.
    pub expires_in: i64,
    /// When it was issued, in Unix seconds.
    pub not_before: i64,
    /// When it expires, in Unix seconds.
    pub expires_on: i64,
}

/// A caller whose token was accepted.
#[derive(Clone, Debug)]
pub(crate) struct AuthenticatedCaller {
    /// What decisions need to know of the caller.
    pub identity: Identity,
    /// The identity's record.
    pub record: Arc<IdentityRecord>,
}

/// Why a token is not accepted.
#[derive(Debug)]
pub(crate) enum TokenRefusal {
    /// It is not a JWT.
    Malformed,
    /// Its key is none of the issuer's.
    UnknownKey,
    /// Its signature does not verify.
    BadSignature,
    /// It is from another issuer or tenant.
    WrongIssuer(String),
    /// It has another audience.
    WrongAudience(String),
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// Its identity does not exist (any more).
    NoSuchIdentity(Uuid),
    /// Its session is over.
    SessionEnded(EndedSession),
    /// The store failed.
    Record(RecordError),
}

impl Directory {
    /// Issues a token of `identity` for `resource`; waits for the issuer's key on a first start.
    ///
    /// # Errors
    /// When the identity is disabled, or the issuer's key is not available.
    pub(crate) async fn issue(
        &self,
        identity: &IdentityRecord,
        resource: &str,
        by: ClientAuthentication,
    ) -> Result<IssuedToken, IssuerError> {
        if identity.disabled {
            return Err(IssuerError::Disabled(identity.name.clone()));
        }
        let now = self.inner.clock.now().unix();
        let claims = self.claims(identity, resource, by, now);
        let access_token = self.sign(&claims).await?;
        let client_id = identity.client_id;
        Ok(IssuedToken { access_token, client_id, expires_in: LIFETIME, not_before: now, expires_on: claims.exp })
    }

    /// Issues a federated token of `identity`, to be exchanged for an access token (workload identity); valid for a day.
    ///
    /// # Errors
    /// When the identity is disabled, or the issuer's key is not available.
    pub(crate) async fn federated_token(&self, identity: &IdentityRecord) -> Result<IssuedToken, IssuerError> {
        if identity.disabled {
            return Err(IssuerError::Disabled(identity.name.clone()));
        }
        self.federated_credential(identity).await
    }

    /// As [`Self::federated_token`], of a disabled identity too: programs have it in a file all the time, as a cluster's issuer
    /// gives it, and the token endpoint refuses the exchange.
    ///
    /// # Errors
    /// When the issuer's key is not available.
    pub(crate) async fn federated_credential(&self, identity: &IdentityRecord) -> Result<IssuedToken, IssuerError> {
        let (now, client_id) = (self.inner.clock.now().unix(), identity.client_id);
        let claims = FederatedClaims {
            iss: self.federated_issuer(),
            sub: client_id.to_string(),
            aud: EXCHANGE_AUDIENCE.to_owned(),
            iat: now,
            nbf: now,
            exp: now + FEDERATED_LIFETIME,
        };
        let access_token = self.sign(&claims).await?;
        Ok(IssuedToken {
            access_token,
            client_id,
            expires_in: FEDERATED_LIFETIME,
            not_before: now,
            expires_on: claims.exp,
        })
    }

    /// Whether `token` is a federated token of this server with at least half of its lifetime left.
    pub(crate) fn is_fresh_federated_token(&self, token: &str) -> bool {
        let half_over = self.inner.clock.now().unix() + FEDERATED_LIFETIME / 2;
        let said = self.inner.issuer.verify_claims::<FederatedClaims>(token.trim());
        said.is_ok_and(|said| said.iss == self.federated_issuer() && said.exp >= half_over)
    }

    /// The issuer of federated tokens. It differs from that of access tokens, so that neither is accepted as the other.
    pub(super) fn federated_issuer(&self) -> String {
        format!("https://login.localhost/{}/federated", self.tenant_id())
    }

    /// Authenticates the holder of `token`: verifies signature, issuer and tenant, checks that it is valid now and has one of
    /// `audiences` (compared without regard to case and trailing slashes), that its identity exists, and that its session goes
    /// on.
    ///
    /// # Errors
    /// The first check that fails.
    pub(crate) async fn authenticate(
        &self,
        token: &str,
        audiences: &[&str],
    ) -> Result<AuthenticatedCaller, TokenRefusal> {
        let claims = self.inner.issuer.verify(token).map_err(TokenRefusal::from)?;
        self.check(&claims, audiences)?;
        match self.identity(claims.oid).await {
            Ok(Some(identity)) if identity.client_id == claims.appid => {
                self.check_session(&identity, &claims).map_err(TokenRefusal::SessionEnded)?;
                let groups = identity.groups.clone();
                let caller = Identity { tenant: claims.tid, object_id: claims.oid, app_id: claims.appid, groups };
                Ok(AuthenticatedCaller { identity: caller, record: identity })
            }
            Ok(_) => Err(TokenRefusal::NoSuchIdentity(claims.oid)),
            Err(error) => Err(TokenRefusal::Record(error)),
        }
    }

    fn check(&self, claims: &Arc<Claims>, audiences: &[&str]) -> Result<(), TokenRefusal> {
        let now = self.inner.clock.now().unix();
        if claims.iss != self.issuer() || claims.tid != self.tenant_id() {
            return Err(TokenRefusal::WrongIssuer(claims.iss.clone()));
        }
        if !audiences.iter().any(|audience| trimmed(audience).eq_ignore_ascii_case(trimmed(&claims.aud))) {
            return Err(TokenRefusal::WrongAudience(claims.aud.clone()));
        }
        if now >= claims.exp {
            return Err(TokenRefusal::Expired);
        }
        if now < claims.nbf {
            return Err(TokenRefusal::NotYetValid);
        }
        Ok(())
    }

    fn claims(&self, identity: &IdentityRecord, resource: &str, by: ClientAuthentication, now: i64) -> Claims {
        Claims {
            aud: resource.to_owned(),
            iss: self.issuer().to_owned(),
            iat: now,
            nbf: now,
            exp: now + LIFETIME,
            appid: identity.client_id,
            azp: identity.client_id,
            idtyp: "app".to_owned(),
            oid: identity.object_id,
            sub: identity.object_id,
            tid: self.tenant_id(),
            ver: "1.0".to_owned(),
            appidacr: by.appidacr(),
            session: identity.session,
            xms_mirid: (by == ClientAuthentication::ManagedIdentity).then(|| identity.resource_id.clone()),
        }
    }
}

impl TokenRefusal {
    /// The challenge to a caller whom a new token would help.
    pub(crate) fn claims_challenge(&self) -> Option<ClaimsChallenge> {
        match self {
            Self::SessionEnded(ended) => Some(ended.claims_challenge()),
            _ => None,
        }
    }
}

impl ClientAuthentication {
    fn appidacr(self) -> Option<String> {
        match self {
            Self::ManagedIdentity => None,
            Self::Secret => Some("1".to_owned()),
            Self::Assertion => Some("2".to_owned()),
        }
    }
}

impl From<VerifyError> for TokenRefusal {
    fn from(why: VerifyError) -> Self {
        match why {
            VerifyError::KeyUnavailable(why) => {
                Self::Record(RecordError::Damaged { record: "issuer/current".into(), why })
            }
            VerifyError::Malformed => Self::Malformed,
            VerifyError::UnknownKey => Self::UnknownKey,
            VerifyError::BadSignature => Self::BadSignature,
        }
    }
}

fn trimmed(audience: &str) -> &str {
    audience.trim_end_matches('/')
}

#[cfg(test)]
mod tests;
