//! What the expressions of a plan's configuration refer to. Values that are known after apply alone have no other trace in a plan.

use std::collections::BTreeSet;

use serde_json::Value;

/// Beginnings of references that may lead anywhere.
const NOT_FOLLOWED: [&str; 4] = ["var.", "local.", "module.", "each.value"];
/// The references to the index of the resource that they are in.
const OWN_INDEX: [&str; 2] = ["each.key", "count.index"];

/// The expressions that the configuration has for the resource at `address`; null where there are none.
pub(super) fn expressions_of<'a>(root: &'a Value, address: &str) -> &'a Value {
    let (module, resource) = split(parts(address));
    let below = |at: &'a Value, name: &&str| &at["module_calls"][name_of(name)]["module"];
    let at = module.iter().filter(|part| **part != "module").fold(root, below);
    let resource = resource.iter().map(name_of).collect::<Vec<_>>().join(".");
    let mut all = at["resources"].as_array().into_iter().flatten();
    all.find(|one| one["address"] == resource.as_str()).map_or(&Value::Null, |one| &one["expressions"])
}

/// Whether `expression` refers to something, and to nothing but what begins as one of `kinds`.
pub(super) fn are_all_of(expression: &Value, kinds: &[&str]) -> bool {
    let all: Vec<_> = expression["references"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    !all.is_empty() && all.iter().all(|one| kinds.iter().any(|kind| one.starts_with(kind)))
}

/// The address of a resource without the index of its instance.
pub(super) fn without_index(address: &str) -> &str {
    let index = parts(address).last().map_or(0, |last| index_of(last).len());
    &address[..address.len() - index]
}

/// Whether `expression` of the resource at `from` leads to the one at `to`, which is the only instance where `is_alone`; none where it
/// may: it refers to more than one resource, to a variable, a local value or a module as well, or to one of several instances by an
/// index that is not written out. What is reckoned with the own index leaves no trace: `count.index + 1` is `count.index` in a plan.
pub(super) fn leads_to(from: &str, expression: &Value, to: &str, is_alone: bool) -> Option<bool> {
    let references: Vec<_> =
        expression["references"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let ((module, own), to) = (split(parts(from)), parts(to));
    let may =
        references.is_empty() || references.iter().any(|one| NOT_FOLLOWED.iter().any(|begin| one.starts_with(begin)));
    let named = Named::in_module(&module, &references);
    let is_named = named.resources.contains(&to.iter().map(name_of).collect::<Vec<_>>());
    match is_named && named.modules_of(&to) {
        false => (!may).then_some(false),
        true if may || named.resources.len() > 1 => None,
        true => named.has_index(index_of(to.last()?), own.last().map(index_of).filter(|_| is_alone)),
    }
}

/// What the references of an expression name.
struct Named<'a> {
    /// The module that they are in, with its indices.
    module: &'a [&'a str],
    /// The resources, without their indices.
    resources: BTreeSet<Vec<&'a str>>,
    /// The indices that are written out.
    indices: BTreeSet<&'a str>,
    /// Whether an index is that of the resource with the expression.
    is_by_own_index: bool,
}

impl<'a> Named<'a> {
    fn in_module(module: &'a [&'a str], references: &[&'a str]) -> Self {
        let (mut resources, mut indices) = (BTreeSet::new(), BTreeSet::new());
        let is_own_index = |reference: &&str| OWN_INDEX.contains(reference);
        for reference in references.iter().filter(|one| !is_own_index(one)) {
            let parts = parts(reference);
            // A data source has one part more.
            let last = if parts[0] == "data" { 2 } else { 1 };
            let resource = &parts[..parts.len().min(last + 1)];
            resources.insert(module.iter().chain(resource).map(name_of).collect());
            indices.extend(resource.last().map(index_of).filter(|index| !index.is_empty()));
        }
        Self { module, resources, indices, is_by_own_index: references.iter().any(is_own_index) }
    }

    /// Whether a resource is in the same instance of the module.
    fn modules_of(&self, to: &[&str]) -> bool {
        to.starts_with(self.module)
    }

    /// Whether the instance with this index is named, if that can be read; `own` is the index that the resource with the expression
    /// has, where that can be no other's.
    fn has_index(&self, index: &str, own: Option<&str>) -> Option<bool> {
        match (self.indices.len(), self.is_by_own_index) {
            (0, true) => (own == Some(index)).then_some(true),
            (0, false) => index.is_empty().then_some(true),
            (1, false) => Some(self.indices.contains(index)),
            _ => None,
        }
    }
}

/// The parts of an address or a reference between its dots; those within an index are none.
fn parts(address: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted, mut depth) = (vec![], 0, false, 0_u32);
    for (at, c) in address.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                parts.push(&address[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&address[begin..]);
    parts
}

/// The modules of an address, and the resource in them.
fn split(mut parts: Vec<&str>) -> (Vec<&str>, Vec<&str>) {
    let count = parts.chunks(2).take_while(|pair| pair[0] == "module").count() * 2;
    let resource = parts.split_off(count.min(parts.len()));
    (parts, resource)
}

/// A part without its index.
fn name_of<'p>(part: &&'p str) -> &'p str {
    part.split('[').next().unwrap_or(part)
}

/// The index of a part, with its brackets.
fn index_of<'p>(part: &&'p str) -> &'p str {
    part.find('[').map_or("", |at| &part[at..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reference_leads_to_the_instance_that_it_names() {
        let vault = "module.kv[\"a.b\"].azurerm_key_vault.main";
        let endpoint = "module.kv[\"a.b\"].azurerm_private_endpoint.pe";
        for (own, index, references, expected) in [
            ("", "", &["azurerm_key_vault.main.id", "azurerm_key_vault.main"][..], Some(true)),
            ("", "", &["azurerm_key_vault.main2.id", "azurerm_key_vault.main2"], Some(false)),
            ("", "[0]", &["azurerm_key_vault.main[0].id"], Some(true)),
            ("", "[1]", &["azurerm_key_vault.main[0].id", "azurerm_key_vault.main[0]"], Some(false)),
            ("[\"x\"]", "[\"x\"]", &["azurerm_key_vault.main", "each.key"], Some(true)),
            ("[\"y\"]", "[\"x\"]", &["azurerm_key_vault.main", "each.key"], None),
            ("[0]", "[0]", &["azurerm_key_vault.main", "count.index"], Some(true)),
            ("", "[0]", &["azurerm_key_vault.main"], None),
            (
                "",
                "[1]",
                &["azurerm_key_vault.main[1].id", "azurerm_key_vault.main[1]", "azurerm_key_vault.main"],
                Some(true),
            ),
            ("[0]", "[0]", &["azurerm_key_vault.main", "each.value"], None),
            ("[0]", "[0]", &["azurerm_key_vault.main", "count.index", "azurerm_key_vault.main[0].id"], None),
            (
                "",
                "",
                &[
                    "azurerm_key_vault.main.id",
                    "azurerm_key_vault.main",
                    "azurerm_key_vault.b.id",
                    "azurerm_key_vault.b",
                ],
                None,
            ),
            ("", "[0]", &["azurerm_key_vault.main[0].id", "azurerm_key_vault.main[1].id"], None),
            ("", "", &["var.id", "azurerm_key_vault.main.id", "azurerm_key_vault.main"], None),
            ("", "", &["local.on", "azurerm_key_vault.main.id"], None),
            ("", "", &["data.azurerm_key_vault.main.id", "azurerm_key_vault.main.id"], None),
            ("", "", &["var.vault_id"], None),
            ("", "", &["each.value.id", "each.value"], None),
            ("", "", &["azurerm_storage_account.s.id"], Some(false)),
            ("", "", &[], None),
        ] {
            let (from, to) = (format!("{endpoint}{own}"), format!("{vault}{index}"));
            assert_eq!(
                leads_to(&from, &json!({"references": references}), &to, true),
                expected,
                "{own} {index} {references:?}"
            );
            let is_own_index = references.iter().any(|one| OWN_INDEX.contains(one));
            let of_several = leads_to(&from, &json!({"references": references}), &to, false);
            assert_eq!(of_several, expected.filter(|_| !is_own_index), "{own} {index} {references:?}");
        }
        let elsewhere = "module.kv[\"c\"].azurerm_private_endpoint.pe";
        assert_eq!(leads_to(elsewhere, &json!({"references": ["azurerm_key_vault.main"]}), vault, true), Some(false));
        for address in
            ["module.kv[\"a.b\"].azurerm_key_vault.main[\"x.y\"]", "module.kv[\"a.b\"].azurerm_key_vault.main"]
        {
            assert_eq!(without_index(address), vault);
        }
    }

    #[test]
    fn the_configuration_of_a_resource_is_found_through_its_modules() {
        let one = json!({"address": "azurerm_key_vault.main", "expressions": {"x": 1}});
        let inner = json!({"module": {"resources": [one]}});
        let root = json!({"module_calls": {"a": {"module": {"module_calls": {"b": inner}}}}});
        let expressions = |address| expressions_of(&root, address);
        assert_eq!(expressions("module.a[0].module.b[\"x.y\"].azurerm_key_vault.main[\"k\"]"), &json!({"x": 1}));
        assert_eq!(expressions("module.a.azurerm_key_vault.main"), &Value::Null);
    }
}
