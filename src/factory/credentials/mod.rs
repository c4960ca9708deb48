//! Credentials in definitions of a factory: found, taken out before a definition is kept or shown, and put back for the runtime that
//! uses them. Pure: it seals nothing and keeps nothing.
//!
//! What is shown afterwards is the definition with `**********` for the value of a `SecureString`, connection strings without their
//! secret parts, no other member that is a secret, and in a linked service the reference `encryptedCredential`.

mod connection_string;
mod encrypted_credential;
mod keeping;
mod names;
mod putting_back;
mod sites;
mod taking;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

pub(crate) use encrypted_credential::EncryptedCredential;
pub(crate) use keeping::{Keeping, Kept};
pub(crate) use putting_back::{put_back, put_text};
pub(crate) use taking::{Taken, take_out};

/// The text that a definition shows in the place of a secret.
const MASK: &str = "**********";

/// What is taken out of definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Of a linked service: every secret.
    LinkedService,
    /// Of a credential of a factory, which has no reference to its secrets: each is masked where it is.
    Credential,
    /// Of datasets, pipelines and the like: each `SecureString`, and the texts of an activity's `authentication`, masked as well.
    Other,
}

/// Where a secret is in a definition: the JSON pointer of the member, for a part of a connection string with its keyword.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place(String);

/// Between pointer and keyword: in a pointer a digit follows each tilde.
const KEYWORD: &str = "~;";

/// Secrets by their places.
pub(crate) type Secrets = BTreeMap<Place, Zeroizing<String>>;

impl Place {
    fn member(pointer: &str) -> Self {
        Self(pointer.to_owned())
    }

    fn part(pointer: &str, keyword: &str) -> Self {
        Self(format!("{pointer}{KEYWORD}{keyword}"))
    }

    /// The JSON pointer (RFC 6901) in `properties`.
    pub(crate) fn pointer(&self) -> &str {
        self.0.split_once(KEYWORD).map_or(&self.0, |(pointer, _)| pointer)
    }

    /// The keyword of the part of a connection string.
    fn keyword(&self) -> Option<&str> {
        self.0.split_once(KEYWORD).map(|(_, keyword)| keyword)
    }

    /// All of it, as records and associated data have it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The reference to credentials that the definition of a linked service has.
pub(crate) fn reference(properties: &Value) -> Option<&str> {
    taking::reference(properties, &sites::sites(Rules::LinkedService, properties).ok()?)
}

/// A definition whose credentials cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// A credential that is no text.
    NoText {
        /// The JSON pointer of the member.
        at: String,
    },
    /// A `SecureString` without a value.
    NoValue {
        /// The JSON pointer of the member.
        at: String,
    },
    /// The mask, for a secret that is not kept here.
    Masked {
        /// The JSON pointer of the member.
        at: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pointer())
    }
}

/// Takes any bytes as a connection string.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_connection_string(bytes: &[u8]) {
    connection_string::fuzz(bytes);
}

#[cfg(test)]
mod tests;
