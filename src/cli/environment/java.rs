//! Merges `JAVA_TOOL_OPTIONS`, the options that every Java program reads besides its command line.

/// The user's options, then `added`, which replaces options of the same name. Idempotent.
pub(super) fn merge_options(own: &str, added: &str) -> String {
    let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    let set: Vec<String> = added.split_whitespace().map(name).collect();
    let kept = options(own).into_iter().filter(|option| !set.contains(&name(option)));
    kept.chain(added.split_whitespace()).collect::<Vec<_>>().join(" ")
}

/// The user's options without those that `added` replaces, for a variable that overrides JAVA_TOOL_OPTIONS.
pub(super) fn remove_options(own: &str, added: &str) -> String {
    merge_options(own, added).trim_end_matches(added).trim_end().to_owned()
}

/// The value of a system property (`-DNAME=VALUE`): the last one counts. Quotes are removed, as the JVM does.
pub(crate) fn property(text: &str, name: &str) -> Option<String> {
    let value = |option: &str| {
        let plain = option.replace(['"', '\''], "");
        plain.strip_prefix("-D")?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    };
    options(text).into_iter().rev().find_map(value)
}

/// Splits options at blanks outside quotes, as the JVM does.
fn options(text: &str) -> Vec<&str> {
    let mut quote = None;
    let outside = text.split(move |c: char| {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            _ => {}
        }
        quote.is_none() && c.is_whitespace()
    });
    outside.filter(|option| !option.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_options_stay_and_ours_come_last() {
        let own = r#"-Xmx1g -Dhttp.proxyHost=corp "-Dname=a b" -Dx='c d'"#;
        let added = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=1";
        let expected = r#"-Xmx1g "-Dname=a b" -Dx='c d' -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=1"#;
        assert_eq!(merge_options(own, added), expected);
        assert_eq!(property(expected, "http.proxyHost").as_deref(), Some("127.0.0.1"));
        assert_eq!(property(expected, "name").as_deref(), Some("a b"));
        assert_eq!(property(expected, "http.proxy"), None);
        assert_eq!(merge_options(expected, added), expected, "twice is once");
        assert_eq!(merge_options("", added), added);
        assert_eq!(remove_options(own, added), r#"-Xmx1g "-Dname=a b" -Dx='c d'"#);
        assert_eq!(remove_options("-Dhttp.proxyPort=2", added), "");
    }
}
