//! Merges the server's variables into a program's environment, for `run` and `env`. Pure: reads no
//! variable itself.

mod former_variables;
mod java;
mod no_proxy;
mod node;
mod vault;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub(crate) use former_variables::FormerVariables;
pub(crate) use java::property as java_property;
pub(super) use vault::with_vault;

use crate::app::{Takeover, Variables, variable_of, vault_of_host};
use crate::directory::CredentialKind;

/// Variables that Java reads after `JAVA_TOOL_OPTIONS`, and that override it.
const OVERRIDING_JAVA_OPTIONS: [&str; 2] = ["JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"];
/// Both spellings of the variable.
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// Keys that open the server's data and backups; removed from a command's environment.
const HIDDEN_KEYS: [&str; 2] = ["KEYHAVEN_SEAL_KEY", "KEYHAVEN_BACKUP_KEY"];
/// With these set, clients in Rust, Go and .NET ignore every proxy (they suspect CGI).
const CGI_MARKERS: [&str; 2] = ["REQUEST_METHOD", "GATEWAY_INTERFACE"];
/// Endpoints of other identity sources; also every variable that begins with `MSI_`.
const OTHER_IDENTITY_SOURCES: [&str; 2] = ["IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT"];

/// The variables of a managed identity.
const MANAGED_IDENTITY: [&str; 2] = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];

/// Variables with client secrets.
pub(super) const SECRETS: [&str; 2] = [variable_of(CredentialKind::ClientSecret), "AZURE_PASSWORD"];
/// The variable with the path of a client certificate.
pub(super) const CERTIFICATE: &str = variable_of(CredentialKind::ClientCertificate);
/// The password of that file; placeholders have none.
const CERTIFICATE_PASSWORD: &str = "AZURE_CLIENT_CERTIFICATE_PASSWORD";
/// The variable with the path of a federated token.
pub(super) const FEDERATED_TOKEN: &str = variable_of(CredentialKind::WorkloadIdentity);

/// Placeholders for the user's real credentials, so that a request that bypasses the proxy cannot sign in to the real Azure.
/// A bearer credential: deliberately no `Debug`.
#[derive(Default)]
pub(super) struct Placeholders {
    /// For each of [`SECRETS`].
    pub(super) secret: Option<Zeroizing<String>>,
    /// For [`CERTIFICATE`].
    pub(super) certificate: Option<PathBuf>,
    /// For [`FEDERATED_TOKEN`].
    pub(super) federated: Option<PathBuf>,
}

/// Changes to an environment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Variables to set.
    pub(super) set: Variables,
    /// Variables to remove.
    pub(super) remove: Vec<String>,
    /// Notes for the user.
    pub(super) notes: Vec<String>,
}

/// Files and directories private to the command of `run`.
pub(super) struct CommandFiles<'p> {
    /// The private directory of this start.
    pub(super) dir: &'p Path,
    /// The ready file.
    pub(super) ready_file: &'p Path,
}

impl CommandFiles<'_> {
    /// The configuration directory of `az`, with its sign-in.
    pub(super) fn azure(&self) -> PathBuf {
        self.dir.join("azure")
    }
}

/// The entries of a `NO_PROXY` list by which some program could go past the proxy to what is taken over.
pub(super) fn entries_that_hide(list: &str) -> Vec<String> {
    no_proxy::sort(list, &Takeover::default().domains()).dropped
}

/// The changes that `env` prints for a shell with the variables `own`; programs sign in as a managed identity.
pub(super) fn for_shell(server: &Variables, own: &Variables) -> Changes {
    let mut changes = merge(server, own);
    changes.keep_client_id(own);
    changes
}

/// The changes that `env` prints for a shell with the variables `own`; programs sign in with `credential`.
pub(super) fn for_shell_with(server: &Variables, own: &Variables, credential: Variables) -> Changes {
    let mut changes = merge(server, own);
    changes.set.extend(credential);
    changes.set.retain(|name, _| !MANAGED_IDENTITY.contains(&name.as_str()));
    let all = SECRETS.into_iter().chain([CERTIFICATE, FEDERATED_TOKEN]).chain(MANAGED_IDENTITY);
    let others: Vec<_> = all.filter(|name| own.contains_key(*name) && !changes.set.contains_key(*name)).collect();
    if !others.is_empty() {
        let others = others.join(", ");
        changes
            .notes
            .push(format!("unset {others}: programs could sign in with that and not with the credential chosen"));
    }
    if changes.set.contains_key(CERTIFICATE) && own.contains_key(CERTIFICATE_PASSWORD) {
        let why = "the certificate's key is not encrypted, and clients refuse a password for it";
        changes.notes.push(format!("unset {CERTIFICATE_PASSWORD}: {why}"));
    }
    changes
}

/// Merges the server's variables with the user's own.
fn merge(server: &Variables, own: &Variables) -> Changes {
    let mut changes = Changes { set: server.clone(), ..Changes::default() };
    changes.merge_no_proxy(own);
    if let (Some(ours), Some(theirs)) = (server.get("JAVA_TOOL_OPTIONS"), own.get("JAVA_TOOL_OPTIONS")) {
        changes.set("JAVA_TOOL_OPTIONS", java::merge_options(theirs, ours));
    }
    for name in OVERRIDING_JAVA_OPTIONS {
        if let (Some(ours), Some(theirs)) = (server.get("JAVA_TOOL_OPTIONS"), own.get(name)) {
            let rest = java::remove_options(theirs, ours);
            if rest != *theirs {
                changes.set(name, rest);
            }
        }
    }
    // `dev` removes managed identities from the credential chain.
    if own.get("AZURE_TOKEN_CREDENTIALS").is_some_and(|value| value.eq_ignore_ascii_case("dev")) {
        changes.set("AZURE_TOKEN_CREDENTIALS", "prod");
    }
    changes
}

/// The changes to the environment of the command of `run`. Without placeholders the user's credentials stay; a `chosen`
/// credential is the only one left.
pub(super) fn for_command(
    server: &Variables,
    own: &Variables,
    private: &CommandFiles<'_>,
    placeholders: Option<&Placeholders>,
    chosen: Option<CredentialKind>,
) -> Changes {
    let mut changes = merge(server, own);
    changes.keep_vault(own);
    changes.set("KEYHAVEN_READY_FILE", private.ready_file.display());
    // `az` must not touch the user's real sign-in.
    changes.set("AZURE_CONFIG_DIR", private.azure().display());
    changes.set("AZURE_CORE_COLLECT_TELEMETRY", "no");
    changes.remove(HIDDEN_KEYS.into_iter().chain(CGI_MARKERS));
    if let Some(placeholders) = placeholders {
        let other = |name: &&str| name.starts_with("MSI_") || OTHER_IDENTITY_SOURCES.contains(name);
        changes.remove(own.keys().map(String::as_str).filter(other));
        changes.extend(replace_credentials(own, placeholders, chosen));
    }
    if chosen.is_some() {
        changes.set.retain(|name, _| !MANAGED_IDENTITY.contains(&name.as_str()));
        changes.remove(MANAGED_IDENTITY);
    }
    if !server.contains_key("AZURE_AUTHORITY_HOST")
        && !own.get("AZURE_AUTHORITY_HOST").is_none_or(|url| is_taken_over(url))
    {
        changes.remove(["AZURE_AUTHORITY_HOST"]);
    }
    changes
}

/// Replaces each of the user's credentials by its placeholder; removes those without one. When a credential is `chosen`, sets
/// it and removes the others.
fn replace_credentials(own: &Variables, placeholders: &Placeholders, chosen: Option<CredentialKind>) -> Changes {
    let secret = placeholders.secret.as_ref().map(|secret| secret.to_string());
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let secrets = SECRETS.map(|name| (name, secret.clone()));
    let files = [(CERTIFICATE, path(&placeholders.certificate)), (FEDERATED_TOKEN, path(&placeholders.federated))];
    let mut changes = Changes::default();
    for (name, placeholder) in secrets.into_iter().chain(files).chain([(CERTIFICATE_PASSWORD, None)]) {
        let is_wanted = chosen.map_or(own.contains_key(name), |kind| name == variable_of(kind));
        match placeholder {
            Some(value) if is_wanted => changes.set(name, value),
            _ if own.contains_key(name) => changes.remove([name]),
            _ => {}
        }
    }
    changes
}

/// Whether the host of a URL is taken over.
fn is_taken_over(url: &str) -> bool {
    Takeover::default().takes_over(&host_of(url))
}

/// The name of the vault whose URL it is.
pub(super) fn vault_of_url(url: &str) -> Option<String> {
    vault_of_host(&host_of(url)).filter(|_| url.starts_with("https://"))
}

/// The host of a URL, in lower case.
fn host_of(url: &str) -> String {
    url.trim_start_matches("https://").split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase()
}

impl Changes {
    fn set(&mut self, name: &str, value: impl ToString) {
        self.set.insert(name.to_owned(), value.to_string());
    }

    fn remove<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        self.remove.extend(names.into_iter().map(str::to_owned));
    }

    fn extend(&mut self, other: Self) {
        self.set.extend(other.set);
        self.remove.extend(other.remove);
        self.notes.extend(other.notes);
    }

    /// The user's own credentials are valid only with their own client id. With a takeover that id exists and is kept; without
    /// one a note says to the user what programs will sign in with.
    fn keep_client_id(&mut self, own: &Variables) {
        let credentials = SECRETS.into_iter().chain([CERTIFICATE, FEDERATED_TOKEN]);
        let Some(name) = credentials.into_iter().find(|name| own.contains_key(*name)) else { return };
        match own.get("AZURE_CLIENT_ID").filter(|_| self.set.contains_key("HTTPS_PROXY")) {
            Some(id) => self.set("AZURE_CLIENT_ID", id),
            None if self.set.contains_key("AZURE_CLIENT_ID") => self.notes.push(format!(
                "{name} is set: programs sign in with it, not as the identity that these variables name; unset it"
            )),
            None => {}
        }
    }

    /// Merges `NO_PROXY`: ours, and the user's entries that match no taken-over host.
    fn merge_no_proxy(&mut self, own: &Variables) {
        let Some(ours) = self.set.get("NO_PROXY") else { return };
        let theirs: Vec<&str> = NO_PROXY.iter().filter_map(|name| own.get(*name)).map(String::as_str).collect();
        let sorted = no_proxy::sort(&format!("{ours},{}", theirs.join(",")), &Takeover::default().domains());
        let list = sorted.kept.join(",");
        NO_PROXY.iter().for_each(|name| self.set(name, &list));
        if !sorted.dropped.is_empty() {
            let dropped = sorted.dropped.join(", ");
            self.notes.push(format!("left out of NO_PROXY, because it could name what is taken over: {dropped}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn for_command_with(server: &[(&str, &str)], own: &[(&str, &str)], keep_secrets: bool) -> Changes {
        let private = CommandFiles { dir: Path::new("/tmp/p"), ready_file: Path::new("/tmp/p/ready.json") };
        let placeholders = (!keep_secrets).then(Placeholders::default);
        for_command(&variables(server), &variables(own), &private, placeholders.as_ref(), None)
    }

    #[test]
    fn a_shell_keeps_its_own_exceptions_and_options() {
        let server = [("NO_PROXY", "localhost,127.0.0.1,::1"), ("JAVA_TOOL_OPTIONS", "-Dours=1")];
        let own =
            [("NO_PROXY", "corp.example,azure.net"), ("no_proxy", "localhost,.lan"), ("JAVA_TOOL_OPTIONS", "-Xmx1g")];
        let changes = for_shell(&variables(&server), &variables(&own));
        let list = "localhost,127.0.0.1,::1,.lan,corp.example";
        assert_eq!(
            changes.set,
            variables(&[("NO_PROXY", list), ("no_proxy", list), ("JAVA_TOOL_OPTIONS", "-Xmx1g -Dours=1")])
        );
        assert_eq!(changes.notes, ["left out of NO_PROXY, because it could name what is taken over: azure.net"]);
    }

    #[test]
    fn credentials_stay_with_their_application() {
        let own = [("AZURE_CLIENT_ID", "theirs"), ("AZURE_CLIENT_SECRET", "real")];
        let server = [("AZURE_CLIENT_ID", "ours"), ("HTTPS_PROXY", "http://127.0.0.1:1")];
        let kept = for_shell(&variables(&server), &variables(&own));
        assert_eq!((kept.set["AZURE_CLIENT_ID"].as_str(), kept.notes.len()), ("theirs", 0));
        let script = for_shell(&variables(&server[..1]), &variables(&own));
        assert_eq!((script.set["AZURE_CLIENT_ID"].as_str(), script.notes.len()), ("ours", 1));
        assert!(script.notes[0].starts_with("AZURE_CLIENT_SECRET is set"), "{:?}", script.notes);
        let none = for_shell(&variables(&server), &variables(&own[..1]));
        assert_eq!((none.set["AZURE_CLIENT_ID"].as_str(), none.notes.len()), ("ours", 0));
    }

    #[test]
    fn options_of_java_that_would_win_do_not() {
        let server = [("JAVA_TOOL_OPTIONS", "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=1")];
        let own = [("_JAVA_OPTIONS", "-Xmx1g -Dhttps.proxyHost=corp"), ("JDK_JAVA_OPTIONS", "-Xms1m")];
        let set = for_shell(&variables(&server), &variables(&own)).set;
        assert_eq!(
            set,
            variables(&[server[0], ("_JAVA_OPTIONS", "-Xmx1g")]),
            "what says nothing of ours stays as it is"
        );
    }

    #[test]
    fn without_a_proxy_its_exceptions_are_left_alone() {
        assert_eq!(for_shell(&Variables::new(), &variables(&[("NO_PROXY", "*")])), Changes::default());
    }

    #[test]
    fn only_dev_is_turned_into_prod() {
        for (own, expected) in [("dev", Some("prod")), ("DEV", Some("prod")), ("ManagedIdentityCredential", None)] {
            let changes = for_shell(&Variables::new(), &variables(&[("AZURE_TOKEN_CREDENTIALS", own)]));
            assert_eq!(changes.set.get("AZURE_TOKEN_CREDENTIALS").map(String::as_str), expected, "{own}");
        }
    }

    #[test]
    fn a_command_loses_the_users_credentials_unless_they_are_kept() {
        let own = [
            ("AZURE_CLIENT_SECRET", "real"),
            ("AZURE_PASSWORD", "real"),
            ("MSI_SECRET", "real"),
            ("IMDS_ENDPOINT", "http://x"),
            ("KEYHAVEN_SEAL_KEY", "key"),
            ("REQUEST_METHOD", "GET"),
            ("HOME", "/home/me"),
        ];
        let always = ["KEYHAVEN_SEAL_KEY", "KEYHAVEN_BACKUP_KEY", "REQUEST_METHOD", "GATEWAY_INTERFACE"];
        let changes = for_command_with(&[], &own, false);
        let credentials = ["IMDS_ENDPOINT", "MSI_SECRET", "AZURE_CLIENT_SECRET", "AZURE_PASSWORD"];
        assert_eq!(changes.remove, [&always[..], &credentials[..]].concat());
        assert_eq!(for_command_with(&[], &own, true).remove, always);
    }

    #[test]
    fn credentials_are_replaced_one_by_one() {
        let placeholders = Placeholders {
            secret: Some(Zeroizing::new("stand-in".to_owned())),
            certificate: Some("/tmp/p/certificate.pem".into()),
            federated: None,
        };
        let own = [
            ("AZURE_CLIENT_SECRET", "real"),
            ("AZURE_CLIENT_CERTIFICATE_PATH", "/real.pem"),
            ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "real"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/real"),
        ];
        let changes = replace_credentials(&variables(&own), &placeholders, None);
        let set = [("AZURE_CLIENT_SECRET", "stand-in"), ("AZURE_CLIENT_CERTIFICATE_PATH", "/tmp/p/certificate.pem")];
        assert_eq!(changes.set, variables(&set));
        assert_eq!(changes.remove, ["AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PASSWORD"]);
        let nothing = replace_credentials(&Variables::new(), &placeholders, None);
        assert_eq!(nothing, Changes::default(), "nothing is put where nothing was");
    }

    #[test]
    fn a_credential_that_is_chosen_is_the_only_one() {
        let placeholders = Placeholders { federated: Some("/tmp/p/token".into()), ..Placeholders::default() };
        let (kind, private) =
            (CredentialKind::WorkloadIdentity, CommandFiles { dir: Path::new("/p"), ready_file: Path::new("/p/r") });
        let server = variables(&[("IDENTITY_ENDPOINT", "http://ours"), ("IDENTITY_HEADER", "ours"), ("OTHER", "ours")]);
        for own in
            [variables(&[]), variables(&[("IDENTITY_ENDPOINT", "http://theirs"), ("AZURE_CLIENT_SECRET", "real")])]
        {
            let changes = for_command(&server, &own, &private, Some(&placeholders), Some(kind));
            assert_eq!(changes.set["AZURE_FEDERATED_TOKEN_FILE"], "/tmp/p/token");
            assert_eq!(changes.set["OTHER"], "ours");
            for name in ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_CLIENT_SECRET"] {
                assert!(!changes.set.contains_key(name), "{name}");
                assert!(!own.contains_key(name) || changes.remove.iter().any(|removed| removed == name), "{name}");
            }
        }
        let credential = variables(&[("AZURE_CLIENT_SECRET", "ours"), ("AZURE_CLIENT_ID", "ours")]);
        let own = [("AZURE_CLIENT_SECRET", "theirs"), ("AZURE_CLIENT_CERTIFICATE_PATH", "x"), ("IDENTITY_HEADER", "x")];
        let changes = for_shell_with(&server, &variables(&own), credential);
        let set = [("AZURE_CLIENT_SECRET", "ours"), ("AZURE_CLIENT_ID", "ours"), ("OTHER", "ours")];
        assert_eq!(changes.set, variables(&set));
        assert_eq!(changes.notes.len(), 1);
        assert!(
            changes.notes[0].starts_with("unset AZURE_CLIENT_CERTIFICATE_PATH, IDENTITY_HEADER: "),
            "{:?}",
            changes.notes
        );
    }

    #[test]
    fn the_password_of_the_shells_own_certificate_has_to_go_when_a_certificate_is_chosen() {
        let own = variables(&[("AZURE_CLIENT_CERTIFICATE_PASSWORD", "theirs")]);
        let notes = |name: &str| for_shell_with(&variables(&[]), &own, variables(&[(name, "ours")])).notes;
        let notes_given = notes("AZURE_CLIENT_CERTIFICATE_PATH");
        assert_eq!(notes_given.len(), 1);
        assert!(notes_given[0].starts_with("unset AZURE_CLIENT_CERTIFICATE_PASSWORD: "), "{notes_given:?}");
        assert_eq!(notes("AZURE_CLIENT_SECRET"), Vec::<String>::new());
    }

    #[test]
    fn a_command_has_files_of_its_own() {
        let set = for_command_with(&[], &[("AZURE_CONFIG_DIR", "/home/me/.azure")], false).set;
        let expected = [
            ("AZURE_CONFIG_DIR", "/tmp/p/azure"),
            ("AZURE_CORE_COLLECT_TELEMETRY", "no"),
            ("KEYHAVEN_READY_FILE", "/tmp/p/ready.json"),
        ];
        assert_eq!(set, variables(&expected));
    }

    #[test]
    fn an_authority_stays_only_when_it_is_taken_over() {
        let removed = |url: &str| {
            let changes = for_command_with(&[], &[("AZURE_AUTHORITY_HOST", url)], false);
            changes.remove.iter().any(|name| name == "AZURE_AUTHORITY_HOST")
        };
        assert!(!removed("https://login.microsoftonline.us/") && !removed("login.windows.net"));
        assert!(removed("https://login.localhost:8443"));
        let server = [("AZURE_AUTHORITY_HOST", "https://login.localhost:1")];
        let changes = for_command_with(&server, &[("AZURE_AUTHORITY_HOST", "https://login.localhost:8443")], false);
        assert_eq!(changes.set["AZURE_AUTHORITY_HOST"], "https://login.localhost:1");
    }
}
