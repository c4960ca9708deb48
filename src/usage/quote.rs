//! Texts in quotes, for what reads them: a shell, Bicep, Terraform. Each stays on its line.

/// A word of a shell.
pub(super) fn sh(text: &str) -> String {
    format!("'{}'", on_one_line(text).replace('\'', r"'\''"))
}

/// A string of Bicep.
pub(super) fn bicep(text: &str) -> String {
    let text = on_one_line(text).replace('\\', r"\\").replace('\'', r"\'");
    format!("'{}'", text.replace("${", r"\${"))
}

/// A string of Terraform.
pub(super) fn hcl(text: &str) -> String {
    format!("\"{}\"", within_hcl(text))
}

/// What is within the quotes of a string of Terraform: no template begins there.
pub(super) fn within_hcl(text: &str) -> String {
    let text = on_one_line(text).replace('\\', r"\\").replace('"', "\\\"");
    text.replace("${", r"$\u007b").replace("%{", r"%\u007b")
}

/// A text in a comment, which it cannot end, and whose look it cannot change.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || "\u{2028}\u{2029}".contains(c) { '?' } else { c }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The words of a line, by a shell's rules; none where it is more than one plain command.
    pub(crate) fn words(line: &str) -> Option<Vec<String>> {
        let (mut words, mut word, mut rest) = (Vec::new(), None::<String>, line.chars());
        while let Some(next) = rest.next() {
            match next {
                ' ' => words.extend(word.take()),
                '\'' => {
                    let word = word.get_or_insert_default();
                    loop {
                        match rest.next()? {
                            '\'' => break,
                            within => word.push(within),
                        }
                    }
                }
                '\\' => word.get_or_insert_default().push(rest.next()?),
                c if c.is_ascii_alphanumeric() || "-_./:@".contains(c) => word.get_or_insert_default().push(c),
                _ => return None,
            }
        }
        words.extend(word);
        Some(words)
    }

    /// The text of a string without its quotes; none where the string ends earlier, or where a template begins.
    fn unquoted(quoted: &str, quote: char, templates: &[&str]) -> Option<String> {
        let mut rest = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
        let mut text = String::new();
        while let Some(next) = rest.chars().next() {
            if next == quote || templates.iter().any(|begin| rest.starts_with(begin)) {
                return None;
            }
            let (plain, used) = match next {
                '\\' if rest.starts_with(r"\u007b") => ('{', 6),
                '\\' => (rest.chars().nth(1)?, 2),
                _ => (next, next.len_utf8()),
            };
            text.push(plain);
            rest = rest.get(used..)?;
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_one_text_to_its_reader(text in r#"([ -~]|[$%]\{|[\\'"$]|\$\(|`|é){0,20}"#) {
            prop_assert_eq!(words(&sh(&text)), Some(vec![text.clone()]));
            prop_assert_eq!(unquoted(&bicep(&text), '\'', &["${"]), Some(text.clone()));
            prop_assert_eq!(unquoted(&hcl(&text), '"', &["${", "%{"]), Some(text));
        }

        #[test]
        fn what_is_quoted_or_a_comment_stays_on_its_line(text in any::<String>()) {
            for printed in [sh(&text), bicep(&text), hcl(&text), comment(&text)] {
                prop_assert!(!printed.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c)), "{:?}", printed);
            }
        }
    }
}
