//! The levers of an admin API: policies, identities, the clock, faults, a second vault.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::identity::Person;
use crate::clock::Timestamp;
use crate::drills::admin::{Admin, AdminError};
use crate::remote::{Method, VaultUrl};

/// What the factory's identity needs on keys.
const KEYS: [&str; 3] = ["get", "wrapKey", "unwrapKey"];
/// What it needs on secrets, for credentials that are stored there.
const SECRETS: [&str; 1] = ["get"];
/// What the operator may do; `all` leaves purging out.
const EVERYTHING: [&str; 2] = ["all", "purge"];

/// The levers of a server's admin API, and what has to be put back.
pub(in crate::drills) struct Levers {
    admin: Admin,
    place: Place,
    is_virtual: bool,
    operator: Person,
    factory: Person,
    /// The rules that held before the first ones of a drill.
    faults_before: Mutex<Option<Value>>,
    is_back: Mutex<bool>,
}

/// The vaults that are used.
struct Place {
    vault: VaultUrl,
    name: String,
    /// Whether the vault was made for this run, and the words that say why.
    own: Option<String>,
    /// The other vault, made for this run, and its name.
    second: Option<(VaultUrl, String)>,
}

impl Levers {
    /// The levers over the vault at `asked`: two identities are made and may use it, and a second vault. A vault without
    /// purge protection cannot hold a factory's key, so one beside it is made.
    pub(super) fn of(admin: Admin, asked: &VaultUrl, run: &str) -> Result<Self, AdminError> {
        let place = Place::find(&admin, asked, run)?;
        let clock = admin.ask(Method::GET, "/admin/clock", None)?;
        let operator = Person::made(&admin, format!("{run}-operator"))?;
        let factory = match Person::made(&admin, format!("{run}-factory")) {
            Ok(factory) => factory,
            Err(error) => return operator.remove(&admin).and(Err(error)),
        };
        let is_virtual = clock["clock"] == "virtual";
        // From here on, whatever goes wrong, the value that is dropped puts everything back.
        let levers = Self {
            admin,
            place,
            is_virtual,
            operator,
            factory,
            faults_before: Mutex::default(),
            is_back: Mutex::default(),
        };
        levers.set_up()?;
        Ok(levers)
    }

    fn set_up(&self) -> Result<(), AdminError> {
        let guarded = json!({"sku": "premium", "softDeleteRetentionInDays": 7, "enablePurgeProtection": true});
        let made = self.place.own.as_ref().map(|_| &self.place.name);
        for name in made.into_iter().chain(self.place.second.as_ref().map(|(_, name)| name)) {
            self.put(name, &guarded)?;
        }
        self.grant()
    }

    /// The vault that is used.
    pub(super) const fn vault(&self) -> &VaultUrl {
        &self.place.vault
    }

    /// Where that is, in words.
    pub(super) fn place(&self) -> String {
        self.place.own.clone().unwrap_or_else(|| "a server that was named, with its admin API".to_owned())
    }

    /// The other vault.
    pub(super) fn second(&self) -> Option<&VaultUrl> {
        self.place.second.as_ref().map(|(url, _)| url)
    }

    /// The vaults that go when the run is over, with all that they hold.
    pub(super) fn made_vaults(&self) -> Vec<VaultUrl> {
        let own = self.place.own.as_ref().map(|_| self.place.vault.clone());
        own.into_iter().chain(self.second().cloned()).collect()
    }

    /// Whether the clock can be moved.
    pub(super) const fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// Who may do everything.
    pub(super) const fn operator(&self) -> &Person {
        &self.operator
    }

    /// Who the factory is.
    pub(in crate::drills) const fn factory(&self) -> &Person {
        &self.factory
    }

    /// What the vault's clock shows.
    pub(in crate::drills) fn now(&self) -> Result<Timestamp, AdminError> {
        shown(&self.admin.ask(Method::GET, "/admin/clock", None)?)
    }

    /// Moves the vault's clock on by `period`, such as `P90D`; answers what it shows then.
    pub(in crate::drills) fn advance(&self, period: &str) -> Result<Timestamp, AdminError> {
        shown(&self.admin.ask(Method::POST, "/admin/clock", Some(&json!({"advance": period})))?)
    }

    /// Grants the factory what it needs, and the operator everything.
    pub(in crate::drills) fn grant(&self) -> Result<(), AdminError> {
        let ours = [self.factory.policy(&KEYS, &SECRETS), self.operator.policy(&EVERYTHING, &EVERYTHING)];
        self.put_policies(|policies| policies.extend(ours.clone()))
    }

    /// Withdraws what the factory was granted.
    pub(in crate::drills) fn withdraw(&self) -> Result<(), AdminError> {
        let rest = self.operator.policy(&EVERYTHING, &EVERYTHING);
        self.put_policies(|policies| policies.push(rest.clone()))
    }

    /// Deletes the factory's identity.
    pub(in crate::drills) fn delete_factory(&self) -> Result<(), AdminError> {
        self.factory.remove(&self.admin)
    }

    /// Makes the factory's identity again, as it was.
    pub(in crate::drills) fn restore_factory(&self) -> Result<(), AdminError> {
        self.factory.add(&self.admin).map(drop)
    }

    /// Lets requests to the vault go wrong by `rule`, besides those that go wrong already; until [`Levers::lift_faults`].
    pub(in crate::drills) fn fault(&self, rule: &Value) -> Result<(), AdminError> {
        let held = self.admin.ask(Method::GET, "/admin/faults", None)?;
        let before = self.faults_before().get_or_insert_with(|| rules_left(&held)).clone();
        let mut rule = rule.clone();
        rule["vault"] = self.place.name.clone().into();
        let rules: Vec<Value> =
            std::iter::once(rule).chain(before["rules"].as_array().cloned().unwrap_or_default()).collect();
        let all = json!({"seed": before["seed"], "rules": rules});
        self.admin.ask(Method::PUT, "/admin/faults", Some(&all)).map(drop)
    }

    /// Lets requests go wrong as they did before.
    pub(in crate::drills) fn lift_faults(&self) -> Result<(), AdminError> {
        let Some(before) = self.faults_before().take() else { return Ok(()) };
        let none = before["rules"].as_array().is_none_or(Vec::is_empty);
        let (method, body) = if none { (Method::DELETE, None) } else { (Method::PUT, Some(&before)) };
        self.admin.ask(method, "/admin/faults", body).map(drop)
    }

    /// Puts everything back; tells what could not be.
    pub(super) fn put_back(&self) -> Vec<String> {
        if std::mem::replace(&mut *self.is_back.lock().unwrap_or_else(PoisonError::into_inner), true) {
            return Vec::new();
        }
        let made = self.place.own.as_ref().map(|_| &self.place.name);
        let made = made.into_iter().chain(self.place.second.as_ref().map(|(_, name)| name));
        let vaults = made.map(|name| self.admin.ask(Method::DELETE, &format!("/admin/vaults/{name}"), None).map(drop));
        let policies = if self.place.own.is_none() { self.put_policies(|_| {}) } else { Ok(()) };
        let people = [&self.factory, &self.operator].map(|person| person.remove(&self.admin));
        let all = [self.lift_faults(), policies].into_iter().chain(vaults).chain(people);
        // What is not there any more needs not be taken away.
        let failed = all.filter_map(Result::err).filter(|error| !error.0.contains(" is called "));
        failed.map(|error| format!("not put back: {error}")).collect()
    }

    /// Replaces the vaults' policies by those that are not ours and what `add` adds to them.
    fn put_policies(&self, add: impl Fn(&mut Vec<Value>)) -> Result<(), AdminError> {
        let all = self.admin.ask(Method::GET, "/admin/vaults", None)?;
        let names = std::iter::once(&self.place.name).chain(self.place.second.as_ref().map(|(_, name)| name));
        for name in names {
            let Some(vault) = named(&all, name) else { continue };
            let mut policies = vault["accessPolicies"].as_array().cloned().unwrap_or_default();
            policies.retain(|policy| !self.factory.has(policy) && !self.operator.has(policy));
            add(&mut policies);
            self.put(name, &json!({"accessPolicies": policies}))?;
        }
        Ok(())
    }

    fn put(&self, vault: &str, entry: &Value) -> Result<(), AdminError> {
        self.admin.ask(Method::PUT, &format!("/admin/vaults/{vault}"), Some(entry)).map(drop)
    }

    fn faults_before(&self) -> MutexGuard<'_, Option<Value>> {
        self.faults_before.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Levers {
    fn drop(&mut self) {
        self.put_back();
    }
}

impl Place {
    fn find(admin: &Admin, asked: &VaultUrl, run: &str) -> Result<Self, AdminError> {
        let all = admin.ask(Method::GET, "/admin/vaults", None)?;
        let host = asked.authority().split(':').next().unwrap_or_default();
        let label = host.split('.').next().unwrap_or_default();
        let is_alias =
            |vault: &&Value| vault["aliases"].as_array().is_some_and(|all| all.iter().any(|one| one == host));
        let found = named(&all, label).or_else(|| all["vaults"].as_array()?.iter().find(is_alias));
        let Some(vault) = found else { return Err(unknown(&all, asked)) };
        let name = vault["name"].as_str().unwrap_or_default().to_owned();
        // By an alias nobody finds the vaults beside it.
        let beside = |other: &str| sibling(asked, other).filter(|_| name.eq_ignore_ascii_case(label));
        let second = format!("{run}-second");
        let second = beside(&second).map(|url| (url, second));
        if vault["enablePurgeProtection"] == true {
            return Ok(Self { vault: asked.clone(), name, own: None, second });
        }
        let vault = beside(run).ok_or_else(|| unguarded(&name))?;
        let own = format!("a vault of this run's own: '{name}' has no purge protection, which a factory's key needs");
        Ok(Self { vault, name: run.to_owned(), own: Some(own), second })
    }
}

/// The URL of the vault `name` on the same server: names differ in their first label.
fn sibling(vault: &VaultUrl, name: &str) -> Option<VaultUrl> {
    let (_, domain) = vault.authority().split_once('.')?;
    format!("https://{name}.{domain}").parse().ok()
}

fn named<'v>(all: &'v Value, name: &str) -> Option<&'v Value> {
    let same = |vault: &&Value| vault["name"].as_str().is_some_and(|one| one.eq_ignore_ascii_case(name));
    all["vaults"].as_array()?.iter().find(same)
}

fn unknown(all: &Value, asked: &VaultUrl) -> AdminError {
    let names: Vec<&str> =
        all["vaults"].as_array().into_iter().flatten().filter_map(|vault| vault["name"].as_str()).collect();
    AdminError(format!(
        "--admin knows no vault at {asked}; it has {}: name one as https://NAME.vault.localhost:PORT",
        names.join(", ")
    ))
}

fn unguarded(name: &str) -> AdminError {
    let hint = "give its own URL, https://NAME.vault.localhost:PORT, so that one beside it can be made";
    AdminError(format!("the vault '{name}' has no purge protection, which a factory's key needs: {hint}"))
}

fn shown(clock: &Value) -> Result<Timestamp, AdminError> {
    let now = clock["now"].as_str().and_then(Timestamp::parse);
    now.ok_or_else(|| AdminError("the admin API shows no time".to_owned()))
}

/// The rules that `shown` tells of, as they would have to be given to go on: each without what it has done already.
fn rules_left(shown: &Value) -> Value {
    let left = |rule: &Value| {
        let mut rule = rule.clone();
        let hits = rule.as_object_mut()?.remove("hits").and_then(|hits| hits.as_u64()).unwrap_or_default();
        if let Some(times) = rule["times"].as_u64() {
            rule["times"] = times.checked_sub(hits).filter(|left| *left > 0)?.into();
        }
        Some(rule)
    };
    let rules: Vec<Value> = shown["rules"].as_array().into_iter().flatten().filter_map(left).collect();
    json!({"seed": shown["seed"].as_u64().unwrap_or_default(), "rules": rules})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_beside_another_differs_in_its_first_label() {
        let of = |url: &str| sibling(&url.parse().unwrap(), "x").map(|url| url.to_string());
        assert_eq!(of("https://a.vault.localhost:8443").as_deref(), Some("https://x.vault.localhost:8443"));
        assert_eq!(of("https://localhost:8443"), None);
    }

    #[test]
    fn faults_go_on_where_they_stood() {
        let shown = json!({"seed": 7, "rules": [
            {"operation": "KeyGet", "rate": 1.0, "times": 3, "then": {"status": 500}, "hits": 2},
            {"rate": 1.0, "times": 1, "then": {"status": 503}, "hits": 1},
            {"rate": 0.5, "then": {"cut": "after"}, "hits": 9},
        ]});
        let expected = json!({"seed": 7, "rules": [
            {"operation": "KeyGet", "rate": 1.0, "times": 1, "then": {"status": 500}},
            {"rate": 0.5, "then": {"cut": "after"}},
        ]});
        assert_eq!(rules_left(&shown), expected);
    }
}
