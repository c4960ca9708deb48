//! The values of a template's expressions, as far as they follow from parameters and variables: the rest is not evaluated.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::super::tree::{mark, member, why, words};
use super::expression::{Expression, parse};

/// How far expressions may refer to others: a template that goes in a circle ends here.
const DEPTH: usize = 32;
/// The most expressions that are evaluated: each can refer to another twice, and that again.
const MOST: usize = 1_000_000;

/// What the expressions of a template, or of one within it, refer to.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// The parameters as they are declared.
    parameters: Option<&'a Value>,
    /// The values that they are given, each with its marks.
    given: Map<String, Value>,
    /// The variables.
    variables: Option<&'a Value>,
    /// How many expressions were evaluated.
    count: Cell<usize>,
}

impl<'a> Scope<'a> {
    /// The scope of `template`, whose parameters are `given` these values.
    pub(super) fn of(template: &'a Value, given: Map<String, Value>) -> Self {
        let (parameters, variables) = (template.get("parameters"), template.get("variables"));
        Self { parameters, given, variables, count: Cell::new(0) }
    }

    /// `value` with every expression in it replaced by its value, or by a mark.
    pub(super) fn evaluated(&self, value: &Value) -> Value {
        self.value(value, 0)
    }

    fn value(&self, value: &Value, depth: usize) -> Value {
        match value {
            Value::String(text) => self.text(text, depth),
            Value::Array(items) => items.iter().map(|item| self.value(item, depth)).collect(),
            Value::Object(members) => {
                let mut made: Map<_, _> =
                    members.iter().map(|(name, value)| (name.clone(), self.value(value, depth))).collect();
                made.extend(looped(members));
                Value::Object(made)
            }
            other => other.clone(),
        }
    }

    fn text(&self, text: &str, depth: usize) -> Value {
        // A text that begins with two brackets is no expression.
        if text.starts_with("[[") {
            return text.get(1..).unwrap_or_default().into();
        }
        match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) if depth < DEPTH && self.count.get() < MOST => self.expression(inner.trim(), depth),
            Some(inner) => unevaluated(inner),
            None => text.into(),
        }
    }

    fn expression(&self, source: &str, depth: usize) -> Value {
        self.count.set(self.count.get() + 1);
        match parse(source) {
            Expression::Text(text) => text.into(),
            Expression::Number(number) => number.into(),
            Expression::Call { name, arguments, members } => {
                let found = self.call(name, &arguments, depth).unwrap_or_else(|| unevaluated(source));
                members.iter().fold(found, |found, name| below(found, name))
            }
            Expression::Other => unevaluated(source),
        }
    }

    fn call(&self, name: &str, arguments: &[&str], depth: usize) -> Option<Value> {
        let all = || arguments.iter().map(|argument| self.expression(argument.trim(), depth + 1)).collect::<Vec<_>>();
        match (name.to_ascii_lowercase().as_str(), arguments) {
            ("parameters", [_]) => Some(self.parameter(all()[0].as_str()?, depth)),
            ("variables", [_]) => {
                let name = all()[0].as_str()?.to_owned();
                self.variables.and_then(|all| member(all, &name)).map(|value| self.value(value, depth + 1))
            }
            ("format", [_, ..]) => format(&all()),
            ("concat", [_, ..]) => concatenated(&all()),
            ("resourceid", [_, _, ..]) => resource_id(&all()),
            _ => None,
        }
    }

    fn parameter(&self, name: &str, depth: usize) -> Value {
        let given = self.given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some((_, value)) = given {
            return value.clone();
        }
        let default = self.parameters.and_then(|all| member(all, name)?.get("defaultValue"));
        let none = || mark(format!("the parameter '{name}' has no value (--parameters FILE)"), in_braces(name));
        default.map_or_else(none, |value| self.value(value, depth + 1))
    }
}

/// The members that a loop makes: none of them can be read.
fn looped(members: &Map<String, Value>) -> Map<String, Value> {
    let loops = members.get("copy").and_then(Value::as_array).into_iter().flatten();
    let name = |one: &Value| Some(one.get("name")?.as_str()?.to_owned());
    loops.filter_map(name).map(|name| (name.clone(), mark("a loop makes it", in_braces(&name)))).collect()
}

fn unevaluated(source: &str) -> Value {
    mark(format!("[{source}] is not evaluated"), in_braces(source))
}

fn in_braces(source: &str) -> String {
    format!("{{{source}}}")
}

fn below(value: Value, name: &str) -> Value {
    match (why(&value), member(&value, name)) {
        (Some(why), _) => mark(why, format!("{}.{name}", words(&value))),
        (None, Some(found)) => found.clone(),
        (None, None) => Value::Null,
    }
}

/// `format('{0}/{1}', …)`, where nothing but the numbers of arguments is in braces.
fn format(arguments: &[Value]) -> Option<Value> {
    let (pattern, values) = arguments.split_first()?;
    let mut pieces = Vec::new();
    for (index, part) in pattern.as_str()?.split('{').enumerate() {
        match (index, part.split_once('}')) {
            (0, None) => pieces.push(Value::from(part)),
            (1.., Some((number, rest))) => {
                pieces.extend([values.get(number.parse::<usize>().ok()?)?.clone(), rest.into()])
            }
            _ => return None,
        }
    }
    concatenated(&pieces)
}

/// Texts and numbers one after the other; a mark with all of them where one is a mark.
fn concatenated(pieces: &[Value]) -> Option<Value> {
    let is_plain = |piece: &Value| piece.is_string() || piece.is_number() || why(piece).is_some();
    if !pieces.iter().all(is_plain) {
        return None;
    }
    let text: String = pieces.iter().map(words).collect();
    let unknown = pieces.iter().find_map(why);
    Some(unknown.map_or_else(|| text.clone().into(), |why| mark(why, text.clone())))
}

/// The id from its type on: `Microsoft.KeyVault/vaults/NAME`.
fn resource_id(arguments: &[Value]) -> Option<Value> {
    let is_type = |value: &Value| value.as_str().is_some_and(|text| text.contains('/'));
    let at = arguments.iter().position(is_type)?;
    let mut segments = arguments[at].as_str()?.split('/');
    let mut pieces = vec![Value::from(segments.next()?)];
    let mut names = arguments[at + 1..].iter();
    for segment in segments {
        pieces.extend(["/".into(), segment.into(), "/".into(), names.next()?.clone()]);
    }
    concatenated(&pieces)
}
