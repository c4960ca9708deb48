//! The text of a condition, taken apart. The grammar is that of the documentation ("Azure role assignment condition format") as far as
//! its attributes and actions are known here.

use super::{ATTRIBUTES, Attribute, DELETE, Expression, InvalidCondition, MAX_DEPTH, Operator, Source, WRITE};

/// The expression that `text` is.
///
/// # Errors
/// What is not understood.
pub(super) fn parse(text: &str) -> Result<Expression, InvalidCondition> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let expression = parser.or()?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) => Err(unexpected(token)),
    }
}

/// A piece of a condition's text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// `(`, `)`, `{`, `}`, `[`, `]`, `,`, `!`, `@`.
    Sign(char),
    /// A word, colons and slashes among its letters; a text in quotes without them.
    Word(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, InvalidCondition> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '(' | ')' | '{' | '}' | '[' | ']' | ',' | '!' | '@' => (Token::Sign(first), 1),
            '\'' => {
                let length =
                    rest[1..].find('\'').ok_or_else(|| InvalidCondition("has a quote without its end".into()))?;
                (Token::Word(rest[1..=length].to_owned()), length + 2)
            }
            _ => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.:/*".contains(c);
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                if length == 0 {
                    return Err(InvalidCondition(format!("has an unexpected '{first}'")));
                }
                (Token::Word(rest[..length].to_owned()), length)
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Result<Token, InvalidCondition> {
        let token = self.peek().cloned().ok_or_else(|| InvalidCondition("ends too early".into()))?;
        self.next += 1;
        Ok(token)
    }

    fn expect(&mut self, sign: char) -> Result<(), InvalidCondition> {
        match self.take()? {
            Token::Sign(found) if found == sign => Ok(()),
            token => Err(InvalidCondition(format!("'{sign}' is missing before {}", shown(&token)))),
        }
    }

    fn word(&mut self) -> Result<String, InvalidCondition> {
        match self.take()? {
            Token::Word(word) => Ok(word),
            token @ Token::Sign(_) => Err(unexpected(&token)),
        }
    }

    /// Whether the next word is one of these; takes it if so.
    fn takes_word(&mut self, spellings: &[&str]) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Word(word)) if spellings.iter().any(|one| one.eq_ignore_ascii_case(word)));
        self.next += usize::from(is_it);
        is_it
    }

    fn or(&mut self) -> Result<Expression, InvalidCondition> {
        let mut left = self.and()?;
        while self.takes_word(&["OR"]) {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, InvalidCondition> {
        let mut left = self.term()?;
        while self.takes_word(&["AND"]) {
            left = Expression::And(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Expression, InvalidCondition> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(InvalidCondition(format!("is nested more than {MAX_DEPTH} deep")));
        }
        let term = match self.take()? {
            Token::Sign('(') => self.or().and_then(|inner| self.expect(')').map(|()| inner)),
            Token::Sign('!') => self.term().map(|inner| Expression::Not(Box::new(inner))),
            Token::Sign('@') => self.comparison(),
            Token::Word(word) if word.eq_ignore_ascii_case("ActionMatches") => self.action(),
            Token::Word(word) if word.eq_ignore_ascii_case("NOT") => {
                self.term().map(|inner| Expression::Not(Box::new(inner)))
            }
            token => Err(unexpected(&token)),
        };
        self.depth -= 1;
        term
    }

    /// `{'Microsoft.Authorization/roleAssignments/write'}`
    fn action(&mut self) -> Result<Expression, InvalidCondition> {
        self.expect('{')?;
        let action = self.word()?;
        self.expect('}')?;
        match [WRITE, DELETE].into_iter().find(|known| known.eq_ignore_ascii_case(&action)) {
            Some(_) => Ok(Expression::ActionMatches(action)),
            None => Err(InvalidCondition(format!(
                "'{action}' is no action that a condition is for here: {WRITE}, {DELETE}"
            ))),
        }
    }

    /// `Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {ID, ID}`
    fn comparison(&mut self) -> Result<Expression, InvalidCondition> {
        let source = match self.word()? {
            word if word.eq_ignore_ascii_case("Request") => Source::Request,
            word if word.eq_ignore_ascii_case("Resource") => Source::Resource,
            word => return Err(InvalidCondition(format!("'@{word}' is not known; @Request and @Resource are"))),
        };
        self.expect('[')?;
        let name = self.word()?;
        self.expect(']')?;
        let known = name.get(..ATTRIBUTES.len()).filter(|start| start.eq_ignore_ascii_case(ATTRIBUTES));
        let attribute = known.and_then(|_| Attribute::parse(&name[ATTRIBUTES.len()..])).ok_or_else(|| {
            InvalidCondition(format!(
                "the attribute '{name}' is not known; {ATTRIBUTES}RoleDefinitionId, PrincipalId and PrincipalType are"
            ))
        })?;
        let operator = self.word()?;
        let operator = Operator::parse(&operator, attribute)
            .ok_or_else(|| InvalidCondition(format!("the operator '{operator}' is not known for '{name}'")))?;
        Ok(Expression::Compare { source, attribute, operator, values: self.values()? })
    }

    fn values(&mut self) -> Result<Vec<String>, InvalidCondition> {
        if let Some(Token::Word(_)) = self.peek() {
            return Ok(vec![self.word()?]);
        }
        self.expect('{')?;
        let mut values = vec![self.word()?];
        while self.peek() == Some(&Token::Sign(',')) {
            self.expect(',')?;
            values.push(self.word()?);
        }
        self.expect('}')?;
        Ok(values)
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Sign(sign) => format!("'{sign}'"),
        Token::Word(word) => format!("'{word}'"),
    }
}

fn unexpected(token: &Token) -> InvalidCondition {
    InvalidCondition(format!("has an unexpected {}", shown(token)))
}
