//! `keyhaven key`: the keys of a running server's vaults.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::columns::{Columns, list, moment, pairs, text, yes_or_no};
use super::objects::{Kind, VaultArgs, expect_name, latest_first, name_of, version_of, version_table};
use crate::crypto::base64url;

/// Key types and curves, in the service's spelling.
const TYPES: [&str; 5] = ["RSA", "RSA-HSM", "EC", "EC-HSM", "oct-HSM"];
const CURVES: [&str; 4] = ["P-256", "P-384", "P-521", "P-256K"];
/// The operations that a key may be for.
const OPERATIONS: [&str; 8] = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey", "import", "export"];

/// Show, make, rotate, delete or recover keys of a running server's vault.
///
/// The vault is asked as any program asks it, so an identity sees and does what its access policies allow.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct KeyCommand {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    vault: VaultArgs,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven key list
  keyhaven key create app --kty EC --curve P-256 --ops sign,verify
  keyhaven key rotate app
  keyhaven key show app --vault shop --json";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show every key of the vault
    #[command(alias = "ls")]
    List {
        /// Show the deleted ones that can be recovered, and for how long
        #[arg(long)]
        deleted: bool,
    },
    /// Show a key: type, size, operations, attributes, rotation policy and versions
    #[command(alias = "get")]
    Show {
        /// The name
        name: String,
        /// The version [default: the latest]
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
    },
    /// Make a key, or a new version of it
    Create(NewKey),
    /// Make a new version of a key, like its latest one
    Rotate {
        /// The name
        name: String,
    },
    /// Delete a key with all its versions; say how to recover it
    Delete {
        /// The name
        name: String,
    },
    /// Recover a deleted key with all its versions
    Recover {
        /// The name
        name: String,
    },
    /// Remove a deleted key for good
    Purge {
        /// The name
        name: String,
    },
}

/// A key to make.
#[derive(Debug, Args)]
struct NewKey {
    /// The name: letters, digits and hyphens
    name: String,
    /// The type; those with -HSM need a premium vault
    #[arg(long, value_name = "TYPE", default_value = "RSA", ignore_case = true, value_parser = PossibleValuesParser::new(TYPES))]
    kty: String,
    /// Bits of an RSA key (2048, 3072, 4096) or an oct-HSM key (128, 192, 256) [default: the service's]
    #[arg(long, value_name = "BITS")]
    size: Option<u32>,
    /// The curve of an EC key [default: P-256]
    #[arg(long, value_name = "CURVE", ignore_case = true, value_parser = PossibleValuesParser::new(CURVES))]
    curve: Option<String>,
    /// What the key is for, with commas [default: all that its type can do]
    #[arg(long, value_name = "OPS", value_delimiter = ',', ignore_case = true, value_parser = PossibleValuesParser::new(OPERATIONS))]
    ops: Vec<String>,
}

impl KeyCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let vault = &self.vault;
        match self.action {
            Action::List { deleted: false } => vault.list(Kind::Key).await?,
            Action::List { deleted: true } => vault.list_deleted(Kind::Key).await?,
            Action::Show { name, version } => show(vault, name, version).await?,
            Action::Create(new) => create(vault, new).await?,
            Action::Rotate { name } => rotate(vault, name).await?,
            Action::Delete { name } => vault.delete(Kind::Key, &name).await?,
            Action::Recover { name } => vault.recover(Kind::Key, &name).await?,
            Action::Purge { name } => vault.purge(Kind::Key, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn create(args: &VaultArgs, new: NewKey) -> Result<(), Failure> {
    expect_name(&new.name)?;
    let (vault, parameters) = (args.connect_to_write().await?, new.parameters());
    let made = vault.ask(move |vault| vault.create_key(&new.name, &parameters)).await?;
    args.client.print(made.json(), &line("created", made.json(), &vault.name()));
    Ok(())
}

async fn rotate(args: &VaultArgs, name: String) -> Result<(), Failure> {
    let vault = args.connect().await?;
    let made = vault.ask_for((Kind::Key, &name), move |vault, name| vault.rotate_key(name)).await?;
    args.client.print(made.json(), &line("rotated", made.json(), &vault.name()));
    Ok(())
}

fn line(what: &str, key: &Value, vault: &str) -> String {
    format!("{what} {} in vault {vault} (version {}, {})", name_of(key), version_of(key), type_of(key))
}

async fn show(args: &VaultArgs, name: String, version: Option<String>) -> Result<(), Failure> {
    let (vault, again) = (args.connect().await?, name.clone());
    let key = vault.ask_for((Kind::Key, &name), move |vault, name| vault.key(name, version.as_deref())).await?;
    let policy = vault.try_ask(move |vault| vault.rotation_policy(&again)).await?;
    let versions = vault.try_ask(move |vault| vault.key_versions(&name)).await?.map(latest_first);
    if args.client.json {
        let mut shown = key.json().clone();
        shown["rotationPolicy"] = policy.unwrap_or_default();
        shown["versions"] = versions.unwrap_or_default().into();
        args.client.print(&shown, "");
        return Ok(());
    }
    let rotation = policy.map_or_else(|error| format!("not shown: {error}"), |policy| rotation(&policy));
    let versions = match versions {
        Ok(versions) => version_table(&versions),
        Err(error) => format!("versions are not shown: {error}"),
    };
    args.client.print(&Value::Null, &format!("{}\n\n{versions}", attributes(key.json(), rotation)));
    Ok(())
}

fn attributes(key: &Value, rotation: String) -> String {
    let attributes = &key["attributes"];
    let mut columns = Columns::without_headings();
    for (name, value) in [
        ("name", name_of(key)),
        ("version", version_of(key)),
        ("type", type_of(key)),
        ("operations", list(&key["key"]["key_ops"])),
        ("enabled", yes_or_no(&attributes["enabled"])),
        ("created", moment(&attributes["created"])),
        ("updated", moment(&attributes["updated"])),
        ("not before", moment(&attributes["nbf"])),
        ("expires", moment(&attributes["exp"])),
        ("rotation", rotation),
        ("tags", pairs(&key["tags"])),
        ("recovery", text(&attributes["recoveryLevel"])),
        ("id", text(&key["key"]["kid"])),
    ] {
        columns.row([name.to_owned(), value]);
    }
    columns.text()
}

/// The type with its size or curve: `RSA 2048`, `EC-HSM P-256`, `oct-HSM 256`.
fn type_of(key: &Value) -> String {
    let (kty, jwk) = (text(&key["key"]["kty"]), &key["key"]);
    let modulus = jwk["n"].as_str().and_then(base64url::decode);
    let size = modulus.map(|modulus| (modulus.len() * 8).to_string());
    let size = size.or_else(|| jwk["crv"].as_str().map(str::to_owned));
    let size = size.or_else(|| key["attributes"]["key_size"].as_u64().map(|bits| bits.to_string()));
    size.map_or_else(|| kty.clone(), |size| format!("{kty} {size}"))
}

/// A rotation policy in words: `rotate P18M after creation, notify P30D before expiry; new versions expire after P2Y`.
fn rotation(policy: &Value) -> String {
    let actions = policy["lifetimeActions"].as_array().into_iter().flatten();
    let mut words: Vec<String> = actions.map(|action| in_words(&action["action"], &action["trigger"])).collect();
    if words.is_empty() {
        words.push("none".to_owned());
    }
    let expiry = policy["attributes"]["expiryTime"].as_str();
    words.join(", ") + &expiry.map_or_else(String::new, |time| format!("; new versions expire after {time}"))
}

fn in_words(action: &Value, trigger: &Value) -> String {
    let kind = text(&action["type"]).to_lowercase();
    match (trigger["timeAfterCreate"].as_str(), trigger["timeBeforeExpiry"].as_str()) {
        (Some(time), _) => format!("{kind} {time} after creation"),
        (None, Some(time)) => format!("{kind} {time} before expiry"),
        (None, None) => kind,
    }
}

impl NewKey {
    fn parameters(&self) -> Value {
        let operations: Vec<&str> = self.ops.iter().map(|operation| as_spelled(&OPERATIONS, operation)).collect();
        let mut parameters = json!({"kty": as_spelled(&TYPES, &self.kty)});
        for (member, value) in [
            ("key_size", self.size.map(Value::from)),
            ("crv", self.curve.as_deref().map(|curve| as_spelled(&CURVES, curve).into())),
            ("key_ops", (!operations.is_empty()).then(|| operations.into())),
        ] {
            if let Some(value) = value {
                parameters[member] = value;
            }
        }
        parameters
    }
}

/// The one of `known` that `text` is, in the service's spelling; the service minds the case.
fn as_spelled<'t>(known: &[&'t str], text: &'t str) -> &'t str {
    known.iter().find(|one| one.eq_ignore_ascii_case(text)).copied().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_policy_is_put_in_words() {
        let policy = json!({"lifetimeActions": [
            {"trigger": {"timeAfterCreate": "P18M"}, "action": {"type": "Rotate"}},
            {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}
        ], "attributes": {"expiryTime": "P2Y"}});
        let words = "rotate P18M after creation, notify P30D before expiry; new versions expire after P2Y";
        assert_eq!(rotation(&policy), words);
        assert_eq!(rotation(&json!({"lifetimeActions": []})), "none");
    }

    #[test]
    fn a_type_has_its_size_or_curve() {
        let modulus = base64url::encode(&[255; 256]);
        assert_eq!(type_of(&json!({"key": {"kty": "RSA", "n": modulus}})), "RSA 2048");
        assert_eq!(type_of(&json!({"key": {"kty": "EC", "crv": "P-256"}})), "EC P-256");
        assert_eq!(type_of(&json!({"key": {"kty": "oct-HSM"}, "attributes": {"key_size": 256}})), "oct-HSM 256");
    }
}
