//! Connection strings: which parts of them are secret, taken out and put back to the byte.
//!
//! `KEYWORD=VALUE;…` as ADO.NET, OLE DB, ODBC and Azure Storage read it: a value may be in `"` or `'`, in which a doubled quote is one,
//! or in `{}`, in which `}}` is a brace. A URI has its password before the `@` and its parameters after `?` or `;`. Where those readings
//! disagree, a part that is secret by one of them is taken.

use zeroize::Zeroizing;

use super::MASK;

/// The ends of keywords of secrets, in small letters without blanks and underscores: ADO.NET and ODBC drivers (Password, PWD, PSW, SSL
/// Password, Access Token), Azure Storage, Cosmos DB, Service Bus (AccountKey, SharedAccessKey, SharedAccessSignature), Couchbase
/// (CredString).
const ENDS: [&str; 16] = [
    "password",
    "pwd",
    "psw",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "accountkey",
    "accesskey",
    "secretkey",
    "apikey",
    "appkey",
    "applicationkey",
    "privatekey",
    "credstring",
];
/// Keywords of secrets that others end in.
const WHOLE: [&str; 4] = ["pass", "key", "sharedaccesssignature", "sig"];
/// The keyword of a reference to a credential that lies elsewhere.
const REFERENCE: &str = "encryptedcredential";
/// What a part is called that is the password in the authority of a URI.
const USER_INFO: &str = "userinfo";

/// A part that was taken out.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its keyword in small letters, numbered from the second of its name on.
    pub(super) name: String,
    /// `AT/OF TEXT`: which of how many parts it was, and the part. Putting it back takes all three.
    pub(super) kept: Zeroizing<String>,
}

/// A connection string without its secrets.
pub(super) struct Shown {
    /// What is left.
    pub(super) text: String,
    /// What was taken.
    pub(super) parts: Vec<Part>,
    /// The names of parts whose value was the mask.
    pub(super) masked: Vec<String>,
}

/// Takes the secrets out of `text`. `None` where it could not be put together again, so that all of it is the secret.
pub(super) fn take(text: &str) -> Option<Shown> {
    let (text_left, user_info) = without_user_info(text);
    let layout = Layout::of(&text_left);
    let mut shown = Shown { text: String::new(), parts: Vec::new(), masked: Vec::new() };
    shown.note(USER_INFO, user_info.as_deref().map(String::as_str), (0, 0));
    let (mut left, of) = (Vec::new(), layout.parts.len());
    for (at, part) in layout.parts.iter().enumerate() {
        match is_secret(part) {
            true if value(part) == MASK => shown.masked.push(shown.unique(&keyword(part))),
            true => shown.note(&keyword(part), Some(part), (at, of)),
            false => left.push(*part),
        }
    }
    shown.text = layout.joined(&left);
    let whole = shown.masked.is_empty().then(|| put(&shown.text, &shown.parts));
    whole.is_none_or(|whole| *whole == text).then_some(shown)
}

/// `text` with `parts` where they were, as far as `text` is still what they were taken out of.
pub(super) fn put(text: &str, parts: &[Part]) -> Zeroizing<String> {
    let layout = Layout::of(text);
    let mut taken: Vec<_> = parts.iter().filter(|part| part.name != USER_INFO).filter_map(Part::parsed).collect();
    taken.sort_by_key(|(at, ..)| *at);
    let mut all = layout.parts.clone();
    // Nothing is left of a text that was secrets alone; one that ended in a separator has an empty part left.
    if all == [""] && taken.first().is_some_and(|(_, of, _)| *of == taken.len()) {
        all.clear();
    }
    for (at, _, part) in taken {
        all.insert(at.min(all.len()), part);
    }
    let joined = Zeroizing::new(layout.joined(&all));
    match parts.iter().find(|part| part.name == USER_INFO).and_then(Part::parsed) {
        Some((.., password)) => with_user_info(&joined, password),
        None => joined,
    }
}

/// The reference to a credential in `text`, if it has one.
pub(super) fn reference(text: &str) -> Option<&str> {
    let found = Layout::of(text).parts.into_iter().find(|part| keyword(part) == REFERENCE)?;
    Some(value(found)).filter(|value| !value.is_empty())
}

/// `text` without the reference to a credential.
pub(super) fn without_reference(text: &str) -> String {
    let layout = Layout::of(text);
    let left: Vec<_> = layout.parts.iter().copied().filter(|part| keyword(part) != REFERENCE).collect();
    layout.joined(&left)
}

impl Shown {
    fn note(&mut self, keyword: &str, part: Option<&str>, (at, of): (usize, usize)) {
        let Some(part) = part else { return };
        let name = self.unique(keyword);
        if part == MASK {
            return self.masked.push(name);
        }
        self.parts.push(Part { name, kept: Zeroizing::new(format!("{at}/{of} {part}")) });
    }

    fn unique(&self, keyword: &str) -> String {
        let is_taken =
            |name: &str| self.masked.iter().any(|one| one == name) || self.parts.iter().any(|one| one.name == name);
        let numbered = (2..).map(|number| format!("{keyword} {number}"));
        std::iter::once(keyword.to_owned()).chain(numbered).find(|name| !is_taken(name)).unwrap_or_default()
    }
}

impl Part {
    fn parsed(&self) -> Option<(usize, usize, &str)> {
        let (place, text) = self.kept.split_once(' ')?;
        let (at, of) = place.split_once('/')?;
        Some((at.parse().ok()?, of.parse().ok()?, text))
    }
}

/// A connection string as what is before its parts, and its parts.
struct Layout<'t> {
    head: &'t str,
    separator: char,
    parts: Vec<&'t str>,
}

impl<'t> Layout<'t> {
    fn of(text: &'t str) -> Self {
        if scheme_end(text).is_none() {
            return Self { head: "", separator: ';', parts: split(text) };
        }
        let Some(begin) = text.find(['?', ';']).map(|at| at + 1) else {
            return Self { head: text, separator: '&', parts: Vec::new() };
        };
        let separator = if text.as_bytes()[begin - 1] == b'?' { '&' } else { ';' };
        let (head, parameters) = text.split_at(begin);
        Self { head, separator, parts: parameters.split(separator).collect() }
    }

    fn joined(&self, parts: &[&str]) -> String {
        let mut joined =
            String::with_capacity(self.head.len() + parts.iter().map(|part| part.len() + 1).sum::<usize>());
        joined.push_str(self.head);
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                joined.push(self.separator);
            }
            joined.push_str(part);
        }
        joined
    }
}

/// The parts of `KEYWORD=VALUE;…`.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let (part, more) = rest.split_at(length(rest));
        parts.push(part);
        match more.strip_prefix(';') {
            Some(more) => rest = more,
            None => return parts,
        }
    }
}

/// The length of the first part, whose value may be quoted.
fn length(rest: &str) -> usize {
    let plain = rest.find(';').unwrap_or(rest.len());
    let Some(equals) = rest.find('=').filter(|equals| *equals < plain) else { return plain };
    let given = &rest[equals + 1..];
    let quoted = given.trim_start();
    let begin = rest.len() - quoted.len();
    let end = match quoted.chars().next() {
        Some(quote @ ('"' | '\'')) => closed(&quoted[1..], quote),
        Some('{') => closed(&quoted[1..], '}'),
        Some('[') => json(quoted).map(|length| length - 1),
        _ => return plain,
    };
    let end = end.map(|end| rest[begin + 1 + end..].find(';').map_or(rest.len(), |more| begin + 1 + end + more));
    match end {
        Some(end) if is_secret_keyword(&rest[..equals]) || !hides_a_secret(&rest[..end]) => end,
        // A reader without these quotes finds a secret in it: all that follows may be of that.
        Some(_) => rest.len(),
        // A secret that begins with a quote and does not end with one: the same.
        None if is_secret_keyword(&rest[..equals]) => rest.len(),
        None => plain,
    }
}

/// Whether another part with a secret is in this one, for who does not know its quotes.
fn hides_a_secret(part: &str) -> bool {
    part.split(';').skip(1).any(|piece| is_secret_keyword(piece) && !value(piece).is_empty())
}

/// Where the value ends that `close` closes, which is doubled inside of it.
fn closed(text: &str, close: char) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text[at..].find(close)? + 1;
        match text[at..].starts_with(close) {
            true => at += 1,
            false => return Some(at),
        }
    }
}

/// The length of the JSON at the begin of `text`, such as a CredString's.
fn json(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

/// Whether a part holds a secret, by any reading.
fn is_secret(part: &str) -> bool {
    let is_named = |piece: &str| is_secret_keyword(piece) && !value(piece).is_empty();
    is_named(part)
        || part.split([';', '&', '?']).any(is_named)
        || without_user_info(&part[value_begin(part)..]).1.is_some()
}

fn is_secret_keyword(part: &str) -> bool {
    let keyword = keyword(part);
    WHOLE.contains(&keyword.as_str()) || ENDS.iter().any(|end| keyword.ends_with(end))
}

/// The keyword of a part, in small letters without blanks and underscores.
fn keyword(part: &str) -> String {
    let written = part.split_once('=').map_or(part, |(keyword, _)| keyword);
    let kept = written.chars().filter(|c| !c.is_whitespace() && *c != '_' && *c != '-');
    kept.flat_map(char::to_lowercase).collect()
}

fn value(part: &str) -> &str {
    part[value_begin(part)..].trim()
}

fn value_begin(part: &str) -> usize {
    part.find('=').map_or(part.len(), |at| at + 1)
}

/// Where the authority of a URI begins.
fn scheme_end(text: &str) -> Option<usize> {
    let at = text.find("://")?;
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | ':' | '-');
    (at > 0 && text[..at].chars().all(is_scheme)).then_some(at + 3)
}

/// A URI without the password before its `@`, and that password.
fn without_user_info(text: &str) -> (String, Option<Zeroizing<String>>) {
    let found = user_info(text).and_then(|(begin, end)| {
        let colon = begin + text[begin..end].find(':')?;
        (colon + 1 < end).then(|| (colon, &text[colon + 1..end], end))
    });
    match found {
        Some((colon, password, end)) => {
            (format!("{}{}", &text[..colon], &text[end..]), Some(Zeroizing::new(password.to_owned())))
        }
        None => (text.to_owned(), None),
    }
}

fn with_user_info(text: &str, password: &str) -> Zeroizing<String> {
    let end = user_info(text).map_or(text.len(), |(_, end)| end);
    Zeroizing::new(format!("{}:{password}{}", &text[..end], &text[end..]))
}

/// Where the user information of a URI begins and ends. A password may hold a slash or a question mark that is not escaped.
fn user_info(text: &str) -> Option<(usize, usize)> {
    let begin = scheme_end(text)?;
    let parameters = text[begin..].find(['?', ';']).map_or(text.len(), |at| begin + at);
    let before = text[begin..parameters].rfind('@');
    let end = before.or_else(|| text[begin..].rfind('@').filter(|_| !text[begin..parameters].contains('/')))?;
    Some((begin, begin + end))
}

/// Takes the secrets out of any text, and puts them back; what is left must hold none.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = (reference(text), without_reference(text));
    let Some(shown) = take(text).filter(|shown| shown.masked.is_empty()) else { return };
    assert_eq!(*put(&shown.text, &shown.parts), text);
    let again = take(&shown.text);
    assert!(again.is_some_and(|again| again.parts.is_empty() && again.masked.is_empty()), "a secret is left");
}

#[cfg(test)]
mod tests;
