//! Where in a definition there may be secrets.

use serde_json::{Map, Value};

use super::names::{self, Meaning};
use super::{Rules, Unusable};

/// The type of a credential that the definition itself holds.
pub(super) const SECURE_STRING: &str = "SecureString";
/// The type of a reference to a vault's secret.
const REFERENCE: &str = "AzureKeyVaultSecret";
/// The members of a `SecureString` that hold its text; the second one is of a parameter's declaration.
const TEXTS: [&str; 2] = [VALUE, "defaultValue"];
/// The member of a `SecureString` that holds its text.
pub(super) const VALUE: &str = "value";
/// The member below which names of members count.
const OWN: &str = "typeProperties";
/// The member of activities that holds how they sign in.
const AUTHENTICATION: &str = "authentication";

/// How the text at a site is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// A text that stays where it is, masked: of a `SecureString`, in a list, or where nothing refers to it.
    Masked,
    /// A member that goes.
    Member,
    /// A connection string.
    ConnectionString,
}

/// A text that is or holds a secret.
pub(super) struct Found {
    /// The JSON pointer of the text.
    pub(super) text: String,
    /// The JSON pointer by which the secret is known: of a `SecureString` and not of its value.
    pub(super) place: String,
    /// How it is secret.
    pub(super) site: Site,
}

/// The sites of `properties`.
///
/// # Errors
/// When a credential is no text.
pub(super) fn sites(rules: Rules, properties: &Value) -> Result<Vec<Found>, Unusable> {
    let kind = properties["type"].as_str().unwrap_or_default();
    let mut search = Search { rules, kind, found: Vec::new() };
    search.visit(&Spot::root(), properties)?;
    Ok(search.found)
}

struct Search<'d> {
    rules: Rules,
    kind: &'d str,
    found: Vec<Found>,
}

/// Where a search is.
#[derive(Clone, Default)]
struct Spot {
    pointer: String,
    /// The name of the member that it is in.
    name: String,
    /// Whether names of members count here.
    counts: bool,
    /// Whether every text here is a secret.
    all: bool,
    in_list: bool,
}

impl Search<'_> {
    fn visit(&mut self, spot: &Spot, value: &Value) -> Result<(), Unusable> {
        match value {
            Value::Object(members) if is(members, REFERENCE) => Ok(()),
            Value::Object(members) if is(members, SECURE_STRING) => self.visit_secure_string(spot, members),
            Value::Object(members) => {
                members.iter().try_for_each(|(name, value)| self.visit(&spot.below(self.rules, name), value))
            }
            Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| self.visit(&spot.item(at), item)),
            Value::Null => Ok(()),
            text => self.visit_text(spot, text),
        }
    }

    fn visit_secure_string(&mut self, spot: &Spot, members: &Map<String, Value>) -> Result<(), Unusable> {
        let texts = TEXTS.iter().filter_map(|name| Some((*name, members.get(*name).filter(|value| !value.is_null())?)));
        // The declaration of a parameter needs none; what else there is in pipelines is not known.
        let mut has_text = self.rules == Rules::Other || spot.pointer.starts_with("/parameters/");
        for (name, value) in texts {
            has_text = true;
            let text = Spot { pointer: below(&spot.pointer, name), ..Spot::default() };
            match value {
                Value::String(_) => {
                    let place = if name == VALUE { spot.pointer.clone() } else { text.pointer.clone() };
                    self.found.push(Found { text: text.pointer, place, site: Site::Masked });
                }
                Value::Object(_) => self.visit(&text, value)?,
                _ => return Err(Unusable::NoText { at: spot.pointer.clone() }),
            }
        }
        if has_text { Ok(()) } else { Err(Unusable::NoValue { at: spot.pointer.clone() }) }
    }

    fn visit_text(&mut self, spot: &Spot, value: &Value) -> Result<(), Unusable> {
        let meaning = match spot.counts {
            true if spot.all => Meaning::Secret,
            true => names::meaning(self.kind, &spot.name),
            false => Meaning::Open,
        };
        let site = match (meaning, value.as_str()) {
            (Meaning::Open, _) | (_, Some("")) => return Ok(()),
            (Meaning::ConnectionString, Some(_)) => Site::ConnectionString,
            (Meaning::ConnectionString, None) => return Ok(()),
            (Meaning::Secret, None) => return Err(Unusable::NoText { at: spot.pointer.clone() }),
            (Meaning::Secret, Some(_)) if self.rules == Rules::LinkedService && !spot.in_list => Site::Member,
            (Meaning::Secret, Some(_)) => Site::Masked,
        };
        self.found.push(Found { text: spot.pointer.clone(), place: spot.pointer.clone(), site });
        Ok(())
    }
}

impl Spot {
    fn root() -> Self {
        Self::default()
    }

    fn below(&self, rules: Rules, name: &str) -> Self {
        let begins = match rules {
            Rules::LinkedService | Rules::Credential => self.pointer.is_empty() && name == OWN,
            Rules::Other => name.eq_ignore_ascii_case(AUTHENTICATION),
        };
        Self {
            pointer: below(&self.pointer, name),
            name: name.to_owned(),
            counts: self.counts || begins,
            all: self.all || (self.counts && names::covers_all_below(name)),
            in_list: false,
        }
    }

    fn item(&self, at: usize) -> Self {
        Self { pointer: below(&self.pointer, &at.to_string()), in_list: true, ..self.clone() }
    }
}

/// Whether it is an object of this type; clients write it in any case.
fn is(members: &Map<String, Value>, kind: &str) -> bool {
    members.get("type").and_then(Value::as_str).is_some_and(|own| own.eq_ignore_ascii_case(kind))
}

fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}
