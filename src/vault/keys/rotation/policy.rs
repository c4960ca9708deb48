//! A rotation policy, and every rule that one must keep.

use serde::{Deserialize, Serialize};

use super::super::KeyRecord;
use crate::clock::{Period, Timestamp};
use crate::vault::object::{Attributes, LifetimePolicy};

/// Seconds that must lie between a version's creation and its rotation, and between its rotation and its end (the
/// document "Configure cryptographic key auto-rotation": 7 days).
const MIN_TRIGGER: i64 = 7 * 86_400;
/// Seconds that a version must live at the least (the OpenAPI: 28 days).
const MIN_LIFETIME: i64 = 28 * 86_400;
/// Days before a version's end that the notice of it comes where nothing else is said (golden 027).
const DEFAULT_NOTIFY: u16 = 30;

/// How a key rotates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RotationPolicy {
    /// When the latest version is followed by another, if it is.
    pub rotate: Option<RotationTrigger>,
    /// How long before its end the notice of the latest version comes.
    pub notify: IsoPeriod,
    /// How long versions live that rotation adds; for ever when left out.
    pub expiry_time: Option<IsoPeriod>,
    /// When the key got a policy; none for the one that every key begins with.
    pub created: Option<Timestamp>,
    /// When the policy last changed.
    pub updated: Option<Timestamp>,
}

/// A policy to set.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewRotationPolicy {
    /// When the latest version is followed by another, if it is.
    pub rotate: Option<RotationTrigger>,
    /// How long before its end the notice of the latest version comes; 30 days when left out.
    pub notify: Option<IsoPeriod>,
    /// How long versions live that rotation adds.
    pub expiry_time: Option<IsoPeriod>,
}

/// When a version is followed by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RotationTrigger {
    /// So long after its creation.
    AfterCreate(IsoPeriod),
    /// So long before its end.
    BeforeExpiry(IsoPeriod),
}

/// A period of ISO 8601, kept as it was written: `P90D`, `P1Y6M`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IsoPeriod {
    text: String,
    period: Period,
}

/// Why a rotation policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationPolicyError {
    /// Versions would live for less than 28 days.
    ShortLife,
    /// Something would happen less than 7 days after a version is made, or before its end.
    ShortTrigger,
    /// A version would be followed less than 7 days before its end, after it, or less than 7 days after it was made.
    OutsideLife,
    /// Something shall happen before the end of versions that have none.
    NoExpiry,
    /// The calendar does not go so far.
    TooFar,
    /// The key was imported.
    Imported,
}

impl IsoPeriod {
    /// Parses an ISO 8601 period longer than zero.
    pub fn parse(text: &str) -> Option<Self> {
        let period: Period = text.starts_with('P').then(|| text.parse().ok()).flatten()?;
        let some = period.milliseconds_from(Timestamp::from_unix(0)).is_none_or(|length| length > 0);
        some.then(|| Self { text: text.to_owned(), period })
    }

    /// The period as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn days(days: u16) -> Self {
        Self { text: format!("P{days}D"), period: Period::of_days(days) }
    }

    fn seconds_from(&self, start: Timestamp) -> Result<i64, RotationPolicyError> {
        self.period.milliseconds_from(start).map(|length| length / 1000).ok_or(RotationPolicyError::TooFar)
    }
}

impl PartialEq for IsoPeriod {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for IsoPeriod {}

impl From<IsoPeriod> for String {
    fn from(period: IsoPeriod) -> Self {
        period.text
    }
}

impl TryFrom<String> for IsoPeriod {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a length of time in ISO 8601")
    }
}

impl RotationPolicy {
    /// The policy of a key that was never given one (golden 027).
    pub(crate) fn service_default() -> Self {
        NewRotationPolicy::default().policy(None, None)
    }

    /// The end of a version created `now`.
    pub(super) fn expires_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.expiry_time.as_ref()?.period.after(now)
    }
}

impl LifetimePolicy<KeyRecord> for RotationPolicy {
    const EXISTS: bool = true;

    fn notify_at(&self, exp: Timestamp) -> Option<Timestamp> {
        self.notify.period.before(exp)
    }

    /// An imported key does not rotate.
    fn renew_at(&self, latest: &KeyRecord) -> Option<Timestamp> {
        let Attributes { created, exp, .. } = latest.attributes;
        match self.rotate.as_ref().filter(|_| !latest.imported)? {
            RotationTrigger::AfterCreate(period) => period.period.after(created),
            RotationTrigger::BeforeExpiry(period) => period.period.before(exp?),
        }
    }
}

impl NewRotationPolicy {
    /// Whether a key, whose latest version is `latest`, may have this policy from `now` on.
    pub(super) fn check(&self, latest: &KeyRecord, now: Timestamp) -> Result<(), RotationPolicyError> {
        let life = self.expiry_time.as_ref().map(|life| life.seconds_from(now)).transpose()?;
        if life.is_some_and(|life| life < MIN_LIFETIME) {
            return Err(RotationPolicyError::ShortLife);
        }
        if self.notify.as_ref().is_some_and(|notify| notify.seconds_from(now).is_ok_and(|ahead| ahead < MIN_TRIGGER)) {
            return Err(RotationPolicyError::ShortTrigger);
        }
        let Some(rotate) = &self.rotate else { return Ok(()) };
        if latest.imported {
            return Err(RotationPolicyError::Imported);
        }
        let (RotationTrigger::AfterCreate(period) | RotationTrigger::BeforeExpiry(period)) = rotate;
        let seconds = period.seconds_from(now)?;
        if seconds < MIN_TRIGGER {
            return Err(RotationPolicyError::ShortTrigger);
        }
        match (rotate, life) {
            // The end of the version that there is does too: the official JavaScript SDK's own test sets such a policy
            // for a key without one.
            (RotationTrigger::BeforeExpiry(_), None) if latest.attributes.exp.is_none() => {
                Err(RotationPolicyError::NoExpiry)
            }
            (_, Some(life)) if life.saturating_sub(seconds) < MIN_TRIGGER => Err(RotationPolicyError::OutsideLife),
            _ => Ok(()),
        }
    }

    pub(super) fn policy(&self, created: Option<Timestamp>, updated: Option<Timestamp>) -> RotationPolicy {
        RotationPolicy {
            rotate: self.rotate.clone(),
            // A notice cannot be taken away (measured by nagyesta/lowkey-vault, issue 181; golden 028).
            notify: self.notify.clone().unwrap_or_else(|| IsoPeriod::days(DEFAULT_NOTIFY)),
            expiry_time: self.expiry_time.clone(),
            created,
            updated,
        }
    }
}
