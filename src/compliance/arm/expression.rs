//! The form of a template's expressions: texts, numbers, calls of functions. Anything else has no meaning here.

/// An expression, with its parts as they are written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expression<'a> {
    /// `'text'`
    Text(String),
    /// `7`
    Number(i64),
    /// `name(argument, argument).member`
    Call {
        /// The function.
        name: &'a str,
        /// Its arguments, each an expression.
        arguments: Vec<&'a str>,
        /// The members that are taken of what it gives.
        members: Vec<&'a str>,
    },
    /// Something else.
    Other,
}

/// Parses an expression without its brackets.
pub(super) fn parse(source: &str) -> Expression<'_> {
    if let Ok(number) = source.parse() {
        return Expression::Number(number);
    }
    literal(source).map(Expression::Text).or_else(|| call(source)).unwrap_or(Expression::Other)
}

/// A text in quotes; two quotes within are one.
fn literal(source: &str) -> Option<String> {
    let inner = source.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "\0");
    (!inner.contains('\'')).then(|| inner.replace('\0', "'"))
}

fn call(source: &str) -> Option<Expression<'_>> {
    let open = source.find('(')?;
    let name = &source[..open];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || ".:_".contains(c));
    let (arguments, rest) = arguments(&source[open + 1..])?;
    let is_member = |member: &&str| member.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !member.is_empty();
    let members: Vec<_> = match rest.strip_prefix('.') {
        Some(chain) => chain.split('.').collect(),
        None if rest.is_empty() => vec![],
        None => return None,
    };
    (is_name && members.iter().all(is_member)).then_some(Expression::Call { name, arguments, members })
}

/// The arguments before the parenthesis that closes, and what follows it.
fn arguments(source: &str) -> Option<(Vec<&str>, &str)> {
    let (mut all, mut begin, mut depth, mut quoted) = (Vec::new(), 0, 0_usize, false);
    for (at, c) in source.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            ')' | ']' if depth > 0 => depth -= 1,
            ')' => {
                let last = &source[begin..at];
                if !(last.trim().is_empty() && all.is_empty()) {
                    all.push(last);
                }
                return Some((all, &source[at + 1..]));
            }
            '(' | '[' => depth += 1,
            ',' if depth == 0 => {
                all.push(&source[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_texts_and_numbers_are_parsed_and_the_rest_is_something_else() {
        let call = |name, arguments: &[&'static str], members: &[&'static str]| Expression::Call {
            name,
            arguments: arguments.to_vec(),
            members: members.to_vec(),
        };
        for (source, expected) in [
            ("'it''s'", Expression::Text("it's".to_owned())),
            ("7", Expression::Number(7)),
            ("parameters('a')", call("parameters", &["'a'"], &[])),
            ("f()", call("f", &[], &[])),
            ("f(g(1, 'x,)'), [2])", call("f", &["g(1, 'x,)')", " [2]"], &[])),
            ("parameters('a').b.c", call("parameters", &["'a'"], &["b", "c"])),
            ("variables('names')[copyIndex()]", Expression::Other),
            ("'a' and 'b'", Expression::Other),
            ("f(1", Expression::Other),
            ("", Expression::Other),
        ] {
            assert_eq!(parse(source), expected, "{source}");
        }
    }
}
