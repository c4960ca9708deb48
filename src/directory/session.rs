//! Sessions of identities: revoked, or ended with the identity (continuous access evaluation). A token of an earlier session
//! does not count, and its holder is asked for a new one.

use uuid::Uuid;

use super::identities::{key_of, session_in, tombstones};
use super::{Claims, Directory, IdentityRecord};
use crate::records::{Change, RecordError, View, encode};
use crate::store::Batch;

/// A session that is over, so that its tokens do not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedSession {
    /// Whose.
    pub object_id: Uuid,
    /// When a token that would count is issued at the earliest, in Unix seconds.
    pub not_before: i64,
    /// Why it is over.
    pub why: SessionEnd,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// It was revoked; the identity can sign in again.
    Revoked,
    /// The identity is disabled.
    Disabled,
}

/// The request of a resource for another token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClaimsChallenge {
    /// Why, for people.
    pub description: &'static str,
    /// The claims that the token must have: a JSON document, which clients pass on to the token endpoint.
    pub claims: String,
}

impl EndedSession {
    /// The challenge to the holder of its token, who goes on with a new one, or learns from the token endpoint why there is none.
    /// The form and the first description are in the comments of azure-core for Python.
    pub(super) fn claims_challenge(&self) -> ClaimsChallenge {
        let description = match self.why {
            SessionEnd::Revoked => "User session has been revoked",
            SessionEnd::Disabled => "User account is disabled",
        };
        let time = self.not_before;
        let claims = format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{time}"}}}}}}"#);
        ClaimsChallenge { description, claims }
    }
}

/// Entra's sentence for an application that is disabled (recorded in public: azure-docs issue 28469, Worklytics/psoxy pull
/// request 74).
pub(crate) fn application_disabled(identity: &IdentityRecord) -> String {
    format!("Application '{}'({}) is disabled.", identity.client_id, identity.name)
}

impl Directory {
    /// Revokes the sessions of the identity called `name`: tokens that it has do not count any more. Returns it, if it exists.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn revoke(&self, name: &str) -> Result<Option<IdentityRecord>, RecordError> {
        let now = self.inner.clock.now().unix();
        let next = |former: i64| now.max(former.saturating_add(1));
        self.change(name, |identity| IdentityRecord { session: next(identity.session), ..identity }).await
    }

    /// Disables the identity called `name`, or enables it again. Returns it, if it exists.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn set_disabled(&self, name: &str, disabled: bool) -> Result<Option<IdentityRecord>, RecordError> {
        self.change(name, |identity| IdentityRecord { disabled, ..identity }).await
    }

    async fn change(
        &self,
        name: &str,
        change: impl Fn(IdentityRecord) -> IdentityRecord + Sync,
    ) -> Result<Option<IdentityRecord>, RecordError> {
        let Some(identity) = self.find_by_name(name).await? else { return Ok(None) };
        let (key, change) = (&key_of(identity.object_id), &change);
        let changing = |view: View| async move {
            let Some((existing, revision)) = self.records().entry::<IdentityRecord>(&view, key).await? else {
                return Ok(Change { batch: Batch::default(), answer: None });
            };
            let changed = change(existing.as_ref().clone());
            let batch = Batch::default().expect(key.clone(), revision).put(key.clone(), encode(&changed)?);
            Ok::<_, RecordError>(Change { batch, answer: Some(changed) })
        };
        self.records().update(changing).await
    }

    /// The first session of a new identity: that of an id that was removed before is a later one than any of it.
    pub(super) async fn first_session(&self, view: &View, identity: &IdentityRecord) -> Result<i64, RecordError> {
        let mut last = None;
        for tombstone in tombstones(identity) {
            if let Some(entry) = view.get(&tombstone).await? {
                last = last.max(Some(session_in(&entry.value)));
            }
        }
        Ok(last.map_or(0, |last| self.inner.clock.now().unix().max(last.saturating_add(1))))
    }

    /// Gives these identities the sessions that they have in `former`, whose data these replace: what does not count there does not
    /// count here.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn continue_sessions(&self, former: &Self) -> Result<(), RecordError> {
        let (view, mut batch) = (former.records().view().await?, Batch::default());
        for identity in self.identities().await? {
            let key = key_of(identity.object_id);
            let session = match former.records().get::<IdentityRecord>(&view, &key).await? {
                Some(existing) => existing.session,
                None => former.first_session(&view, &identity).await?,
            };
            if session != identity.session {
                batch = batch.put(key, encode(&IdentityRecord { session, ..identity.as_ref().clone() })?);
            }
        }
        self.records().commit_pieces(batch).await
    }

    /// Checks that a token with these claims, of `identity`, counts still.
    pub(super) fn check_session(&self, identity: &IdentityRecord, claims: &Claims) -> Result<(), EndedSession> {
        let ended = |why, not_before| EndedSession { object_id: identity.object_id, not_before, why };
        match identity.disabled {
            true => Err(ended(SessionEnd::Disabled, self.inner.clock.now().unix())),
            false if claims.session < identity.session => Err(ended(SessionEnd::Revoked, identity.session)),
            false => Ok(()),
        }
    }
}
