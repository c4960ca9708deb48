//! Which vault a program's variables name: the server's default one, one that was chosen, or the user's own where the takeover
//! leads to it anyway.

use super::{Changes, host_of, is_taken_over};
use crate::app::{Variables, vault_of_host};

/// The variable that is this server's alone.
const OURS: &str = "KEYHAVEN_VAULT_URL";
/// Variables by which programs find their vault, and users set it.
const URLS: [&str; 2] = ["VAULT_URL", "AZURE_KEYVAULT_URL"];
/// The variable that holds the name alone.
const NAME: &str = "KEY_VAULT_NAME";

/// The server's variables and the user's own for programs whose vault is `vault`: the user's own name none.
pub(crate) fn with_vault(mut server: Variables, mut own: Variables, vault: Option<&str>) -> (Variables, Variables) {
    let Some(vault) = vault else { return (server, own) };
    let default = server.insert(NAME.to_owned(), vault.to_owned()).unwrap_or_default();
    for name in URLS.into_iter().chain([OURS]) {
        if let Some(url) = server.get_mut(name) {
            *url = with_name(url, &default, vault);
        }
    }
    own.retain(|name, _| name != NAME && !URLS.contains(&name.as_str()));
    (server, own)
}

/// `url`, of a vault called `former`, for one called `vault`.
fn with_name(url: &str, former: &str, vault: &str) -> String {
    url.replacen(&format!("//{former}."), &format!("//{vault}."), 1)
}

impl Changes {
    /// Keeps the vault that the user's own variables name when the takeover leads to it anyway. What an earlier `env` has set is
    /// not the user's. The other variables follow the first of theirs. Answers the names of the variables that were kept.
    pub(super) fn keep_vault(&mut self, own: &Variables) -> Vec<&'static str> {
        if !self.set.contains_key("HTTPS_PROXY") {
            return vec![];
        }
        let ours = own.get(OURS).map(String::as_str).unwrap_or_default();
        let is_theirs = |name: &str, value: &str| match name {
            NAME => !value.is_empty() && !ours.starts_with(&format!("https://{value}.")),
            _ => value != ours && is_taken_over(value),
        };
        let named = URLS.into_iter().chain([NAME]).filter_map(|name| Some((name, own.get(name)?)));
        let theirs: Vec<_> = named.filter(|(name, value)| is_theirs(name, value)).collect();
        let kept = theirs.iter().filter(|(name, value)| self.set.get(*name) != Some(*value));
        let kept: Vec<_> = kept.map(|(name, _)| *name).collect();
        self.follow(&theirs);
        theirs.into_iter().for_each(|(name, value)| self.set(name, value));
        kept
    }

    /// Has every variable of the user's kind name the vault that the first of theirs does. Ours stays: kits copy the server's
    /// default vault by it.
    fn follow(&mut self, theirs: &[(&str, &String)]) {
        let Some((first, value)) = theirs.first() else { return };
        let text = |name: &str| self.set.get(name).cloned().unwrap_or_default();
        let (vault, url) = match *first {
            NAME => ((*value).clone(), with_name(&text(OURS), &text(NAME), value)),
            _ => (vault_of_host(&host_of(value)).unwrap_or_else(|| text(NAME)), (*value).clone()),
        };
        URLS.into_iter().for_each(|name| self.set(name, &url));
        self.set(NAME, vault);
    }

    /// As [`Changes::keep_vault`]; a note says which variables stay as they were.
    pub(crate) fn keep_vault_with_a_note(&mut self, own: &Variables) {
        for name in self.keep_vault(own) {
            let value = &self.set[name];
            self.notes
                .push(format!("{name} stays {value}, which leads to this server now; --vault NAME names another"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "https://local.vault.azure.net";
    const THEIRS: &str = "https://Contoso.vault.azure.net/";

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn server(proxy: bool) -> Variables {
        let all = [("VAULT_URL", LOCAL), ("AZURE_KEYVAULT_URL", LOCAL), (OURS, LOCAL), (NAME, "local")];
        let proxy = proxy.then_some(("HTTPS_PROXY", "http://127.0.0.1:1"));
        variables(&all.into_iter().chain(proxy).collect::<Vec<_>>())
    }

    fn named(set: &Variables) -> [&str; 4] {
        ["VAULT_URL", "AZURE_KEYVAULT_URL", NAME, OURS].map(|name| set[name].as_str())
    }

    #[test]
    fn the_vault_that_the_user_names_stays_where_that_is_taken_over() {
        let kept = |proxy: bool, own: &[(&str, &str)]| {
            let mut changes = Changes { set: server(proxy), ..Changes::default() };
            changes.keep_vault_with_a_note(&variables(own));
            let notes = changes.notes.len();
            (named(&changes.set).map(str::to_owned), notes)
        };
        let all = |url: &str, name: &str| [url, url, name, LOCAL].map(str::to_owned);
        assert_eq!(kept(true, &[("VAULT_URL", THEIRS)]), (all(THEIRS, "contoso"), 1));
        assert_eq!(kept(true, &[("AZURE_KEYVAULT_URL", THEIRS)]), (all(THEIRS, "contoso"), 1));
        assert_eq!(kept(true, &[(NAME, "contoso")]), (all("https://contoso.vault.azure.net", "contoso"), 1));
        let two = [("AZURE_KEYVAULT_URL", THEIRS), (NAME, "orders")];
        assert_eq!(kept(true, &two), ([THEIRS, THEIRS, "orders", LOCAL].map(str::to_owned), 2), "both stay");
        for other in ["https://contoso.vault.localhost:8443", "https://vault.example", "", LOCAL] {
            assert_eq!(kept(true, &[("VAULT_URL", other)]), (all(LOCAL, "local"), 0), "{other}");
        }
        let real = kept(false, &[("VAULT_URL", THEIRS), (NAME, "contoso")]);
        assert_eq!(real, (all(LOCAL, "local"), 0), "without a proxy it would be the real one");
        let earlier = [("VAULT_URL", THEIRS), (OURS, THEIRS), (NAME, "Contoso")];
        assert_eq!(kept(true, &earlier), (all(LOCAL, "local"), 0), "an earlier env set it");
    }

    #[test]
    fn a_vault_that_is_chosen_is_named_by_all_of_them() {
        let own = variables(&[("VAULT_URL", THEIRS), (NAME, "contoso"), ("HOME", "/me")]);
        let (set, own) = with_vault(server(true), own, Some("orders"));
        let orders = "https://orders.vault.azure.net";
        assert_eq!(named(&set), [orders, orders, "orders", orders]);
        assert_eq!(own, variables(&[("HOME", "/me")]));
    }
}
