//! Which texts of a record can be names. Others were refused, or the record is forged: none of them is granted anything.

/// Whether `text` can be the name of a key or a secret.
pub(super) fn is_object(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(is_plain)
}

/// Whether `id` can be that of a vault: its type, its name and its group are as Azure has them.
pub(super) fn is_vault(id: &str) -> bool {
    let segments: Vec<_> = id.split('/').collect();
    match segments[..] {
        ["", _, _, _, group, _, "Microsoft.KeyVault", "vaults", name] => is_group(group) && is_vault_name(name),
        _ => false,
    }
}

/// Whether `text` can be the name of an identity in a configuration.
pub(super) fn is_identity(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn is_vault_name(text: &str) -> bool {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let hyphens = text.contains("--") || text.ends_with('-');
    (3..=24).contains(&text.len()) && starts && !hyphens && text.bytes().all(is_plain)
}

fn is_group(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    (1..=90).contains(&text.chars().count()) && text.chars().all(fits) && !text.ends_with('.')
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_azure_has() {
        assert!(is_object("Api-key-1") && is_object(&"a".repeat(127)));
        for text in ["", "a_b", "a b", "x';id>pwned;'", "a\nb", "${file(\"x\")}", "é", &"a".repeat(128)] {
            assert!(!is_object(text), "{text}");
        }
        let id = |group: &str, kind: &str, name: &str| {
            format!("/subscriptions/5/resourceGroups/{group}/providers/{kind}/{name}")
        };
        let vaults = "Microsoft.KeyVault/vaults";
        assert!(is_vault(&id("my_shop.(ö)", vaults, "acme-2")));
        for name in ["ab", "2ab", "a--b", "ab-", "a'b", "a b", "acme.x", "acme/keys", &"a".repeat(25)] {
            assert!(!is_vault(&id("shop", vaults, name)), "{name}");
        }
        for group in ["", "shop.", "a'b", "a b", "a\"b", "a$b", "a\nb", &"a".repeat(91)] {
            assert!(!is_vault(&id(group, vaults, "acme")), "{group}");
        }
        assert!(!is_vault(&id("shop", "Microsoft.KeyVault/managedHSMs", "acme")) && !is_vault("/subscriptions/5"));
        assert!(is_identity("it's") && !is_identity("") && !is_identity("a b") && !is_identity("a\u{7}"));
    }
}
