//! The values of a template's expressions, as far as they follow from parameters and variables: the rest is not evaluated.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::super::tree::{member, unknown, why, words};
use super::budget::{Budget, MAX_BYTES};
use super::expression::{Expression, parse};

/// How far values and expressions may lie in each other, or refer to others: a template that goes in a circle ends here.
const DEPTH: usize = 64;

/// What the expressions of a template, or of one within it, refer to.
#[derive(Clone, Debug)]
pub(super) struct Scope<'a> {
    /// The parameters as they are declared.
    parameters: Option<&'a Value>,
    /// The values that they are given, with unknown ones.
    given: Rc<Map<String, Value>>,
    /// The variables.
    variables: Option<&'a Value>,
    /// What is left for expressions.
    budget: &'a Budget,
    /// Where the template is in the file; empty for the outer one. The same expression has another value elsewhere.
    pointer: Rc<str>,
    /// How often the loops run that this is in.
    loops: Rc<str>,
}

impl<'a> Scope<'a> {
    /// The scope of `template`, whose parameters are `given` these values.
    pub(super) fn of(template: &'a Value, given: Map<String, Value>, budget: &'a Budget) -> Self {
        let (parameters, variables) = (member(template, "parameters"), member(template, "variables"));
        let (pointer, loops) = (Rc::default(), Rc::default());
        Self { parameters, given: Rc::new(given), variables, budget, pointer, loops }
    }

    /// The scope of a `template` within this one, at `pointer`.
    pub(super) fn within(&self, template: &'a Value, given: Map<String, Value>, pointer: &str) -> Self {
        Self { pointer: pointer.into(), ..Self::of(template, given, self.budget) }
    }

    /// The scope of what a loop makes so many times.
    pub(super) fn in_loop(&self, times: &Value) -> Self {
        let before = if self.loops.is_empty() { String::new() } else { format!("{}, ", self.loops) };
        Self { loops: format!("{before}{}", words(times)).into(), ..self.clone() }
    }

    /// `value` with every expression in it replaced by its value, or by an unknown one.
    pub(super) fn evaluated(&self, value: &Value) -> Value {
        self.value(value, 0)
    }

    /// Texts and numbers one after the other.
    pub(super) fn joined(&self, pieces: &[&Value]) -> Value {
        self.concatenated(pieces.iter().copied()).unwrap_or_else(|| self.refused())
    }

    fn value(&self, value: &Value, depth: usize) -> Value {
        let length = value.as_str().map_or(0, str::len);
        if depth > DEPTH || !self.budget.take(length) {
            return self.refused();
        }
        if let Some(why) = why(value) {
            return unknown(why, words(value));
        }
        match value {
            Value::String(text) => self.text(text, depth),
            Value::Array(items) => items.iter().map(|item| self.value(item, depth + 1)).collect(),
            Value::Object(members) => {
                let mut made: Map<_, _> =
                    members.iter().map(|(name, value)| (name.clone(), self.value(value, depth + 1))).collect();
                made.extend(self.looped(members));
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
            Some(inner) => self.expression(inner.trim(), depth),
            None => text.into(),
        }
    }

    fn expression(&self, source: &str, depth: usize) -> Value {
        if depth > DEPTH || !self.budget.take(source.len()) {
            return self.refused();
        }
        match parse(source) {
            Expression::Text(text) => text.into(),
            Expression::Number(number) => number.into(),
            Expression::Call { name, arguments, members } => {
                let found = self.call(name, &arguments, depth).unwrap_or_else(|| self.without_value(source));
                members.iter().fold(found, |found, name| below(found, name))
            }
            Expression::Other => self.unevaluated(source),
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
            ("format", [_, ..]) => self.format(&all()),
            ("concat", [_, ..]) => self.concatenated(all().iter()),
            ("resourceid", [_, _, ..]) => self.resource_id(&all()),
            _ => None,
        }
    }

    fn parameter(&self, name: &str, depth: usize) -> Value {
        let given = self.given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some((_, value)) = given {
            return if self.budget.take_copy(value) { value.clone() } else { self.refused() };
        }
        let default = self.parameters.and_then(|all| member(member(all, name)?, "defaultValue"));
        let none = || unknown(format!("the parameter '{name}' has no value (--parameters FILE)"), self.in_braces(name));
        default.map_or_else(none, |value| self.value(value, depth + 1))
    }

    /// The members that a loop makes: none of them can be read.
    fn looped(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let loops = members.iter().filter(|(name, _)| name.eq_ignore_ascii_case("copy"));
        let loops = loops.flat_map(|(_, loops)| loops.as_array().into_iter().flatten());
        let name = |one: &Value| Some(member(one, "name")?.as_str()?.to_owned());
        loops.filter_map(name).map(|name| (name.clone(), unknown("a loop makes it", self.in_braces(&name)))).collect()
    }

    /// An unknown value for a call that gives nothing: it is not known, or the budget is at its end.
    fn without_value(&self, source: &str) -> Value {
        if self.budget.take(0) { self.unevaluated(source) } else { self.refused() }
    }

    fn unevaluated(&self, source: &str) -> Value {
        unknown(format!("[{source}] is not evaluated"), self.in_braces(source))
    }

    /// An unknown value that is equal to no other: what it is for is not looked at.
    fn refused(&self) -> Value {
        let why =
            format!("the template's expressions go more than {DEPTH} deep, or through more than {MAX_BYTES} bytes");
        unknown(why, format!("{{not evaluated {}}}", self.budget.next_refused()))
    }

    /// The words of an expression: equal ones are of the same place and, where they count a loop, of loops that run as often.
    fn in_braces(&self, source: &str) -> String {
        let counts = !self.loops.is_empty() && source.to_ascii_lowercase().contains("copyindex");
        let of = if counts { format!(" of {}", self.loops) } else { String::new() };
        let place = if self.pointer.is_empty() { String::new() } else { format!(" in {}", self.pointer) };
        format!("{{{source}{of}{place}}}")
    }

    /// `format('{0}/{1}', …)`, where nothing but the numbers of arguments is in braces.
    fn format(&self, arguments: &[Value]) -> Option<Value> {
        let (pattern, values) = arguments.split_first()?;
        let mut joined = Joined::of(self.budget);
        for (index, part) in pattern.as_str()?.split('{').enumerate() {
            match (index, part.split_once('}')) {
                (0, None) => joined.push_text(part)?,
                (1.., Some((number, rest))) => {
                    joined.push(values.get(number.parse::<usize>().ok()?)?)?;
                    joined.push_text(rest)?;
                }
                _ => return None,
            }
        }
        Some(joined.value())
    }

    /// Texts and numbers one after the other; an unknown value with all of them where one is an unknown value.
    fn concatenated<'v>(&self, pieces: impl Iterator<Item = &'v Value>) -> Option<Value> {
        let mut joined = Joined::of(self.budget);
        for piece in pieces {
            joined.push(piece)?;
        }
        Some(joined.value())
    }

    /// The id from its type on: `Microsoft.KeyVault/vaults/NAME`.
    fn resource_id(&self, arguments: &[Value]) -> Option<Value> {
        let is_type = |value: &Value| value.as_str().is_some_and(|text| text.contains('/'));
        let at = arguments.iter().position(is_type)?;
        let mut segments = arguments[at].as_str()?.split('/');
        let mut joined = Joined::of(self.budget);
        joined.push_text(segments.next()?)?;
        let mut names = arguments[at + 1..].iter();
        for segment in segments {
            ["/", segment, "/"].into_iter().try_for_each(|text| joined.push_text(text))?;
            joined.push(names.next()?)?;
        }
        Some(joined.value())
    }
}

/// What is one after the other, as far as the budget goes.
struct Joined<'b> {
    budget: &'b Budget,
    text: String,
    /// Why it cannot be read, if one of its pieces cannot.
    why: Option<String>,
}

impl<'b> Joined<'b> {
    const fn of(budget: &'b Budget) -> Self {
        Self { budget, text: String::new(), why: None }
    }

    /// Adds a text, a number or an unknown value; none where it is something else, or too much.
    fn push(&mut self, piece: &Value) -> Option<()> {
        if !(piece.is_string() || piece.is_number() || why(piece).is_some()) {
            return None;
        }
        self.why = self.why.take().or_else(|| why(piece).map(str::to_owned));
        self.push_text(&words(piece))
    }

    fn push_text(&mut self, text: &str) -> Option<()> {
        self.budget.take(text.len()).then(|| self.text.push_str(text))
    }

    fn value(self) -> Value {
        match self.why {
            Some(why) => unknown(why, self.text),
            None => self.text.into(),
        }
    }
}

fn below(value: Value, name: &str) -> Value {
    match (why(&value), member(&value, name)) {
        (Some(why), _) => unknown(why, format!("{}.{name}", words(&value))),
        (None, Some(found)) => found.clone(),
        (None, None) => Value::Null,
    }
}
