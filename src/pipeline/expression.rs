//! Expressions: `@pipeline().parameters.N`, `@pipeline().RunId`, `@activity('N').output.PATH`, alone or in `@{…}` within text. Everything
//! else of the language is refused when a run is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::refusal::NotRunnable;

/// What expressions get their values from. Deliberately no `Debug`: a parameter may be secret.
#[derive(Clone, Default)]
pub(crate) struct Values {
    /// The id of the run.
    pub run_id: String,
    /// The parameters of the run, with defaults.
    pub parameters: Map<String, Value>,
    /// The outputs of the activities that have ended.
    pub outputs: BTreeMap<String, Arc<Value>>,
}

/// A part of a definition whose texts may have expressions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Template {
    /// Itself.
    Literal(Value),
    /// What an expression gives.
    Whole(Expression),
    /// Text with expressions in it.
    Text(Vec<Piece>),
    /// An array of templates.
    Array(Vec<Self>),
    /// An object of templates.
    Object(Vec<(String, Self)>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Itself.
    Literal(String),
    /// `@{…}`
    Expression(Expression),
}

/// An expression that can be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// `pipeline().parameters.NAME`
    Parameter(String, Vec<Member>),
    /// `pipeline().RunId`
    RunId,
    /// `activity('NAME').output.PATH`
    Output(String, Vec<Member>),
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// `.NAME` or `['NAME']`
    Name(String),
    /// `[NUMBER]`
    Index(usize),
}

/// Why an expression gave nothing: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed(pub String);

impl Template {
    /// The template in `value`, which is at `at`.
    ///
    /// # Errors
    /// For an expression that is none of those known.
    pub(super) fn parse(at: &str, value: &Value) -> Result<Self, NotRunnable> {
        match value {
            Value::String(text) => text_template(at, text),
            Value::Array(all) => all.iter().map(|one| Self::parse(at, one)).collect::<Result<_, _>>().map(Self::Array),
            Value::Object(members) => match expression_object(members) {
                Some(text) => text_template(at, text),
                None => members
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), Self::parse(at, value)?)))
                    .collect::<Result<_, _>>()
                    .map(Self::Object),
            },
            other => Ok(Self::Literal(other.clone())),
        }
    }

    /// The names of the activities whose output it has.
    pub(super) fn activities(&self) -> Vec<&str> {
        match self {
            Self::Literal(_) => vec![],
            Self::Whole(expression) => expression.activity().into_iter().collect(),
            Self::Text(pieces) => pieces.iter().filter_map(Piece::activity).collect(),
            Self::Array(all) => all.iter().flat_map(Self::activities).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, one)| one.activities()).collect(),
        }
    }

    /// The names of the parameters that it has.
    pub(super) fn parameters(&self) -> Vec<&str> {
        match self {
            Self::Literal(_) => vec![],
            Self::Whole(expression) => expression.parameter().into_iter().collect(),
            Self::Text(pieces) => pieces.iter().filter_map(Piece::parameter).collect(),
            Self::Array(all) => all.iter().flat_map(Self::parameters).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, one)| one.parameters()).collect(),
        }
    }

    /// What it is with `values`.
    ///
    /// # Errors
    /// When an output has no such member.
    pub(crate) fn evaluate(&self, values: &Values) -> Result<Value, Failed> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Whole(expression) => expression.evaluate(values),
            Self::Text(pieces) => {
                let texts = pieces.iter().map(|piece| piece.evaluate(values));
                Ok(Value::String(texts.collect::<Result<String, _>>()?))
            }
            Self::Array(all) => all.iter().map(|one| one.evaluate(values)).collect(),
            Self::Object(members) => {
                let all = members.iter().map(|(name, one)| Ok((name.clone(), one.evaluate(values)?)));
                all.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }
}

impl Piece {
    fn evaluate(&self, values: &Values) -> Result<String, Failed> {
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::Expression(expression) => expression.evaluate(values).map(|value| as_text(&value)),
        }
    }

    fn activity(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Expression(expression) => expression.activity(),
        }
    }

    fn parameter(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Expression(expression) => expression.parameter(),
        }
    }
}

impl Expression {
    fn activity(&self) -> Option<&str> {
        match self {
            Self::Output(name, _) => Some(name),
            Self::Parameter(..) | Self::RunId => None,
        }
    }

    fn parameter(&self) -> Option<&str> {
        match self {
            Self::Parameter(name, _) => Some(name),
            Self::Output(..) | Self::RunId => None,
        }
    }

    fn evaluate(&self, values: &Values) -> Result<Value, Failed> {
        match self {
            Self::RunId => Ok(Value::String(values.run_id.clone())),
            Self::Parameter(name, path) => {
                let value = values.parameters.get(name);
                follow(value.ok_or_else(|| Failed(format!("there is no parameter '{name}'")))?, path)
            }
            Self::Output(name, path) => {
                let output = values.outputs.get(name);
                follow(output.ok_or_else(|| Failed(format!("the activity '{name}' has no output")))?, path)
            }
        }
    }
}

/// As .NET's template language has it: text as it is, everything else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn follow(value: &Value, path: &[Member]) -> Result<Value, Failed> {
    let step = |value: Option<_>, member: &Member| match member {
        Member::Name(name) => <Option<&Value>>::and_then(value, |value: &Value| value.get(name)),
        Member::Index(index) => value.and_then(|value: &Value| value.get(index)),
    };
    let mut at = Some(value);
    for member in path {
        at = step(at, member);
        if at.is_none() {
            return Err(Failed(match member {
                Member::Name(name) => format!("property '{name}' doesn't exist"),
                Member::Index(index) => format!("there is no element {index}"),
            }));
        }
    }
    Ok(at.unwrap_or(&Value::Null).clone())
}

/// The text of `{"value": TEXT, "type": "Expression"}`.
fn expression_object(members: &Map<String, Value>) -> Option<&str> {
    let is_expression = members.get("type").and_then(Value::as_str) == Some("Expression") && members.len() == 2;
    members.get("value").and_then(Value::as_str).filter(|_| is_expression)
}

fn text_template(at: &str, text: &str) -> Result<Template, NotRunnable> {
    match text.strip_prefix('@') {
        Some(rest) if rest.starts_with('@') => Ok(Template::Literal(rest.into())),
        Some(rest) if !rest.starts_with('{') => expression(at, rest).map(Template::Whole),
        _ if text.contains("@{") => pieces(at, text).map(Template::Text),
        _ => Ok(Template::Literal(text.into())),
    }
}

fn pieces(at: &str, text: &str) -> Result<Vec<Piece>, NotRunnable> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find("@{") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        // `@@{` is `@{` itself.
        if let Some(before) = before.strip_suffix('@') {
            found.push(Piece::Literal(format!("{before}@{{")));
            rest = after;
            continue;
        }
        let end =
            after.find('}').ok_or_else(|| NotRunnable::new(at, format!("'{text}' has an '@{{' without its '}}'")))?;
        found.push(Piece::Literal(before.to_owned()));
        found.push(Piece::Expression(expression(at, &after[..end])?));
        rest = &after[end + 1..];
    }
    found.push(Piece::Literal(rest.to_owned()));
    Ok(found)
}

fn expression(at: &str, text: &str) -> Result<Expression, NotRunnable> {
    let known = "known are @pipeline().parameters.N, @pipeline().RunId and @activity('N').output.PATH";
    parse(text.trim())
        .ok_or_else(|| NotRunnable::new(at, format!("the expression '@{text}' is not evaluated here; {known}")))
}

fn parse(text: &str) -> Option<Expression> {
    if let Some(rest) = without_prefix(text, "pipeline()") {
        if rest.eq_ignore_ascii_case(".RunId") {
            return Some(Expression::RunId);
        }
        let mut path = path(without_prefix(rest, ".parameters")?)?.into_iter();
        let Member::Name(name) = path.next()? else { return None };
        return Some(Expression::Parameter(name, path.collect()));
    }
    let (name, rest) = quoted(without_prefix(text, "activity(")?)?;
    Some(Expression::Output(name, path(without_prefix(rest, ").output")?)?))
}

/// Names of functions and members of the language have no case.
fn without_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// A text in single quotes, with doubled ones in it, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut found = String::new();
    loop {
        let (before, after) = rest.split_once('\'')?;
        found.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                found.push('\'');
                rest = after;
            }
            None => return Some((found, after)),
        }
    }
}

fn path(mut text: &str) -> Option<Vec<Member>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let (member, rest) = member(text)?;
        found.push(member);
        text = rest;
    }
    Some(found)
}

fn member(text: &str) -> Option<(Member, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        return (!name.is_empty()).then(|| (Member::Name(name.to_owned()), rest));
    }
    let inner = text.strip_prefix('[')?;
    if let Some((name, rest)) = quoted(inner) {
        return Some((Member::Name(name), rest.strip_prefix(']')?));
    }
    let (index, rest) = inner.split_once(']')?;
    Some((Member::Index(index.parse().ok()?), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values() -> Values {
        Values {
            run_id: "run-1".to_owned(),
            parameters: json!({"n": "x", "list": [1, {"a b": true}]}).as_object().unwrap().clone(),
            outputs: BTreeMap::from([("it's".to_owned(), Arc::new(json!({"rows": [{"id": 7}], "ok": null})))]),
        }
    }

    #[test]
    fn expressions_give_what_the_run_has() {
        for (text, expected) in [
            ("plain", json!("plain")),
            ("a@b.c", json!("a@b.c")),
            ("@@pipeline()", json!("@pipeline()")),
            ("@pipeline().RunId", json!("run-1")),
            ("@Pipeline().runid", json!("run-1")),
            ("@pipeline().parameters.n", json!("x")),
            ("@pipeline().parameters['list'][1]['a b']", json!(true)),
            ("@activity('it''s').output.rows[0].id", json!(7)),
            ("@activity('it''s').output", json!({"rows": [{"id": 7}], "ok": null})),
            ("https://h/@{pipeline().RunId}/@{activity('it''s').output.rows}", json!("https://h/run-1/[{\"id\":7}]")),
            ("@{pipeline().parameters.n}", json!("x")),
            ("a@@{b", json!("a@{b")),
            ("[@{activity('it''s').output.ok}]", json!("[]")),
        ] {
            let template = Template::parse("x", &json!(text)).unwrap();
            assert_eq!(template.evaluate(&values()), Ok(expected.clone()), "{text}");
            let object = json!({"a": [{"value": text, "type": "Expression"}]});
            let template = Template::parse("x", &object).unwrap();
            assert_eq!(template.evaluate(&values()), Ok(json!({"a": [expected]})), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "@concat('a')",
            "@pipeline().Pipeline",
            "@pipeline().parameters",
            "@pipeline().parameters.",
            "@pipeline().parameters.n.",
            "@pipeline().parameters[0]",
            "@activity('a').error",
            "@activity(a).output",
            "@activity('a').output.x[",
            "@activity('a').output x",
            "@{pipeline().RunId",
            "@",
            "@{}",
            "@variables('a')",
        ] {
            let refused = Template::parse("at", &json!(text)).unwrap_err();
            assert_eq!(refused.at, "at", "{text}: {refused}");
        }
    }

    #[test]
    fn what_an_output_does_not_have_fails() {
        for (text, expected) in [
            ("@activity('none').output.a", "the activity 'none' has no output"),
            ("@activity('it''s').output.a", "property 'a' doesn't exist"),
            ("@activity('it''s').output.rows[1]", "there is no element 1"),
            ("@activity('it''s').output.ok.x", "property 'x' doesn't exist"),
        ] {
            let template = Template::parse("x", &json!(text)).unwrap();
            assert_eq!(template.evaluate(&values()), Err(Failed(expected.to_owned())), "{text}");
        }
    }
}
