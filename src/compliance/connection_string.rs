//! Connection strings as texts: what they contain, without the values of their secrets.

/// What is in the place of a secret.
pub(super) const HIDDEN: &str = "(secret)";

/// Keywords whose values are secrets.
const SECRET: [&str; 10] = [
    "AccountKey",
    "SharedAccessKey",
    "SharedAccessSignature",
    "PWD",
    "Password",
    "CredString",
    "EncryptedCredential",
    "AccessToken",
    "ClientSecret",
    "Secret",
];

/// Whether `text` contains `words`, whatever their case.
pub(super) fn contains(text: &str, words: &str) -> bool {
    text.to_ascii_lowercase().contains(&words.to_ascii_lowercase())
}

/// The value of the keyword `name`, if it is there.
pub(super) fn keyword<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let pair = |part: &'t str| part.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
    text.split(';').filter_map(pair).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// `text` with [`HIDDEN`] in the place of secrets. What comes from the arguments of an expression stays.
pub(super) fn without_secrets(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (mut made, mut at) = (String::new(), 0);
    while let Some((begin, length)) = next_secret(text, &lower, at) {
        made += &text[at..begin];
        if length > 0 {
            made += HIDDEN;
        }
        at = begin + length;
    }
    made + &text[at..]
}

/// Where the next value of a secret begins, and its length.
fn next_secret(text: &str, lower: &str, from: usize) -> Option<(usize, usize)> {
    let of = |name: &&str| {
        let name = format!("{}=", name.to_ascii_lowercase());
        let begin = from + lower[from..].find(&name)? + name.len();
        Some((begin, length_of_value(&text[begin..], text.starts_with('['))))
    };
    SECRET.iter().filter_map(of).chain(password_of_url(lower, from)).min()
}

/// The password before the host of the next URL.
fn password_of_url(text: &str, from: usize) -> Option<(usize, usize)> {
    let user = from + text[from..].find("://")? + 3;
    let end = text[user..].find(['/', '?', ';', '\'', '"']).map_or(text.len(), |end| user + end);
    let host = user + text[user..end].rfind('@')?;
    let begin = user + text[user..host].find(':')? + 1;
    Some((begin, host - begin))
}

/// The bytes of the value that `text` begins with: to the end of its quotes, else to a separator, and within an expression to the end of
/// a text or to an argument.
fn length_of_value(text: &str, is_expression: bool) -> usize {
    match text.chars().next() {
        Some('"') => text[1..].find('"').map_or(text.len(), |end| end + 2),
        Some('\'') if !is_expression => text[1..].find('\'').map_or(text.len(), |end| end + 2),
        Some('{') if is_expression && is_argument(text) => 0,
        Some('{') => text.find('}').map_or(text.len(), |end| end + 1),
        _ if is_expression => text.find([';', '\'', '{']).unwrap_or(text.len()),
        _ => text.find(';').unwrap_or(text.len()),
    }
}

/// Whether `text` begins with `{7}`, an argument of `format`.
fn is_argument(text: &str) -> bool {
    let inner = text[1..].split_once('}').map(|(inner, _)| inner);
    inner.is_some_and(|inner| !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_of_connection_strings_and_of_expressions_that_make_them() {
        for (text, expected) in [
            ("Server=s;Password=hush;Encrypt=true", "Server=s;Password=(secret);Encrypt=true"),
            ("Server=s;pwd=\"hu;sh\";Encrypt=true", "Server=s;pwd=(secret);Encrypt=true"),
            ("Driver={x};PWD={hu;sh};y=z", "Driver={x};PWD=(secret);y=z"),
            (
                "AccountName=a;AccountKey=aHVzaA==;EndpointSuffix=e",
                "AccountName=a;AccountKey=(secret);EndpointSuffix=e",
            ),
            (
                "[concat('Server=', parameters('s'), ';Password=hush')]",
                "[concat('Server=', parameters('s'), ';Password=(secret)')]",
            ),
            (
                "[format('Password={0};x={1}', parameters('p'), 'y')]",
                "[format('Password={0};x={1}', parameters('p'), 'y')]",
            ),
            ("mongodb+srv://u:hush@host/db", "mongodb+srv://u:(secret)@host/db"),
            ("Server=tcp:s,1433;User ID=u", "Server=tcp:s,1433;User ID=u"),
            ("Password=it's @hush;x=y", "Password=(secret);x=y"),
            ("Password=", "Password="),
        ] {
            assert_eq!(without_secrets(text), expected, "{text}");
        }
    }

    #[test]
    fn a_keyword_is_found_whatever_its_case() {
        assert_eq!(keyword("Server = s ;ENCRYPT=True", "encrypt"), Some("True"));
        assert_eq!(keyword("Server=s", "encrypt"), None);
        assert!(contains("a;pwd=x", "PWD="));
    }
}
