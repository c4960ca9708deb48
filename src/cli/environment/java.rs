//! `JAVA_TOOL_OPTIONS`: what every Java program of the environment reads besides its own command line.

/// The user's own options with `ours` behind them, less those that say the same thing: handing the variable over twice
/// changes nothing.
pub(super) fn with_options(own: &str, ours: &str) -> String {
    let name = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    let set: Vec<String> = ours.split_whitespace().map(name).collect();
    let kept = options(own).into_iter().filter(|option| !set.contains(&name(option)));
    kept.chain(ours.split_whitespace()).collect::<Vec<_>>().join(" ")
}

/// The user's own options less those that say the same thing as `ours`: those of a variable that wins over ours.
pub(super) fn without(own: &str, ours: &str) -> String {
    with_options(own, ours).trim_end_matches(ours).trim_end().to_owned()
}

/// The options in `text`, divided at blanks that stand outside quotes, as the JVM divides them.
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
        let ours = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=1";
        let expected = r#"-Xmx1g "-Dname=a b" -Dx='c d' -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=1"#;
        assert_eq!(with_options(own, ours), expected);
        assert_eq!(with_options(expected, ours), expected, "twice is once");
        assert_eq!(with_options("", ours), ours);
        assert_eq!(without(own, ours), r#"-Xmx1g "-Dname=a b" -Dx='c d'"#);
        assert_eq!(without("-Dhttp.proxyPort=2", ours), "");
    }
}
