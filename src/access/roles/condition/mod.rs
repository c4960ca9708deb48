//! Conditions of a role assignment, version 2.0, for those who may assign roles: which role, to which principal, to which type
//! of principal. The grammar is that of the documentation ("Azure role assignment condition format") as far as these three
//! attributes and the two actions need it; anything else is refused, never ignored.

mod parser;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most bytes of a condition, as in the service.
const MAX_LENGTH: usize = 8192;
/// The deepest nesting of a condition.
const MAX_DEPTH: usize = 32;
/// The action of assigning a role.
pub(crate) const WRITE: &str = "Microsoft.Authorization/roleAssignments/write";
/// The action of removing an assignment.
pub(crate) const DELETE: &str = "Microsoft.Authorization/roleAssignments/delete";
/// Where the attributes of a role assignment begin.
const ATTRIBUTES: &str = "Microsoft.Authorization/roleAssignments:";

/// A condition that was parsed. It is written as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Condition {
    text: String,
    expression: Expression,
}

/// The assignment that is made or removed, as a condition looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssignedRole<'a> {
    /// [`WRITE`] or [`DELETE`].
    pub action: &'a str,
    /// The role's id.
    pub role: Uuid,
    /// The principal's object id.
    pub principal: Uuid,
    /// `User`, `Group` or `ServicePrincipal`.
    pub principal_type: &'a str,
}

/// Why a text is no condition, or none that is understood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidCondition(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    ActionMatches(String),
    Compare { source: Source, attribute: Attribute, operator: Operator, values: Vec<String> },
}

/// Whose attribute: that of the assignment to be made, or of the one that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Request,
    Resource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    RoleDefinitionId,
    PrincipalId,
    PrincipalType,
}

/// How values are compared. Every attribute here has one value, so that "any of any" and "all of any" say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal { ignore_case: bool },
    NotEqual { ignore_case: bool },
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// What is not understood, and where; a condition over 8,192 bytes.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidCondition> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidCondition(format!("is longer than {MAX_LENGTH} bytes")));
        }
        Ok(Self { text: text.to_owned(), expression: parser::parse(text)? })
    }

    /// Whether it lets `action` be done, which neither makes nor removes an assignment.
    pub(crate) fn allows_action(&self, action: &str) -> bool {
        self.allows(AssignedRole { action, role: Uuid::nil(), principal: Uuid::nil(), principal_type: "" })
    }

    /// Whether it lets this assignment be made or removed.
    pub(crate) fn allows(&self, assigned: AssignedRole<'_>) -> bool {
        self.expression.holds(assigned)
    }
}

impl TryFrom<String> for Condition {
    type Error = InvalidCondition;

    fn try_from(text: String) -> Result<Self, InvalidCondition> {
        Self::parse(&text)
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.text
    }
}

impl Expression {
    fn holds(&self, assigned: AssignedRole<'_>) -> bool {
        match self {
            Self::And(left, right) => left.holds(assigned) && right.holds(assigned),
            Self::Or(left, right) => left.holds(assigned) || right.holds(assigned),
            Self::Not(inner) => !inner.holds(assigned),
            Self::ActionMatches(action) => action.eq_ignore_ascii_case(assigned.action),
            Self::Compare { source, attribute, operator, values } => {
                // An attribute that there is not equals nothing and differs from nothing.
                source.exists(assigned.action) && operator.holds(&attribute.of(assigned), values)
            }
        }
    }
}

impl Source {
    fn exists(self, action: &str) -> bool {
        match self {
            Self::Request => action.eq_ignore_ascii_case(WRITE),
            Self::Resource => action.eq_ignore_ascii_case(DELETE),
        }
    }
}

impl Attribute {
    fn of(self, assigned: AssignedRole<'_>) -> String {
        match self {
            Self::RoleDefinitionId => assigned.role.to_string(),
            Self::PrincipalId => assigned.principal.to_string(),
            Self::PrincipalType => assigned.principal_type.to_owned(),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [
            ("RoleDefinitionId", Self::RoleDefinitionId),
            ("PrincipalId", Self::PrincipalId),
            ("PrincipalType", Self::PrincipalType),
        ]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, attribute)| attribute)
    }
}

impl Operator {
    fn holds(self, value: &str, values: &[String]) -> bool {
        let (Self::Equal { ignore_case } | Self::NotEqual { ignore_case }) = self;
        let same = |other: &String| match ignore_case {
            true => value.eq_ignore_ascii_case(other),
            false => value == other,
        };
        let found = values.iter().any(same);
        match self {
            Self::Equal { .. } => found,
            Self::NotEqual { .. } => !found,
        }
    }

    /// The operator of this name, for an attribute that is a GUID or a text.
    fn parse(name: &str, attribute: Attribute) -> Option<Self> {
        let is_guid = attribute != Attribute::PrincipalType;
        let bare = match name.split_once(':') {
            None => name,
            Some((quantifier, bare)) => {
                let known = ["ForAnyOfAnyValues", "ForAllOfAnyValues", "ForAnyOfAllValues", "ForAllOfAllValues"];
                // "Any of all" and "all of all" with several values ask one value to equal each: of use with "not equals" alone.
                let negative = bare.to_ascii_lowercase().contains("not");
                let fits = |one: &&&str| one.eq_ignore_ascii_case(quantifier) && one.ends_with("AllValues") == negative;
                known.iter().find(fits)?;
                bare
            }
        };
        let operators = [
            ("GuidEquals", true, Self::Equal { ignore_case: true }),
            ("GuidNotEquals", true, Self::NotEqual { ignore_case: true }),
            ("StringEquals", false, Self::Equal { ignore_case: false }),
            ("StringNotEquals", false, Self::NotEqual { ignore_case: false }),
            ("StringEqualsIgnoreCase", false, Self::Equal { ignore_case: true }),
            ("StringNotEqualsIgnoreCase", false, Self::NotEqual { ignore_case: true }),
        ];
        let fits = |(known, guid, _): &(&str, bool, Self)| known.eq_ignore_ascii_case(bare) && *guid == is_guid;
        operators.into_iter().find(fits).map(|(_, _, operator)| operator)
    }
}

impl fmt::Display for InvalidCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRETS_USER: Uuid = Uuid::from_u128(0x4633458b_17de_408a_b874_0445c86b69e6);

    /// As the portal writes it for "only this role, to service principals alone".
    const PORTAL: &str = "
        ( ( !(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) ) OR
          ( @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {4633458b-17de-408a-b874-0445c86b69e6}
            AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'ServicePrincipal'} ) )
        AND
        ( ( !(ActionMatches{'Microsoft.Authorization/roleAssignments/delete'}) ) OR
          ( @Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {4633458b-17de-408a-b874-0445c86b69e6} ) )";

    fn assigned<'a>(action: &'a str, role: Uuid, principal_type: &'a str) -> AssignedRole<'a> {
        AssignedRole { action, role, principal: Uuid::from_u128(7), principal_type }
    }

    #[test]
    fn the_portals_form_restricts_role_and_type() {
        let condition = Condition::parse(PORTAL).unwrap();
        for (action, role, kind, expected) in [
            (WRITE, SECRETS_USER, "ServicePrincipal", true),
            (WRITE, SECRETS_USER, "serviceprincipal", true),
            (WRITE, SECRETS_USER, "User", false),
            (WRITE, Uuid::from_u128(1), "ServicePrincipal", false),
            (DELETE, SECRETS_USER, "User", true),
            (DELETE, Uuid::from_u128(1), "User", false),
        ] {
            assert_eq!(condition.allows(assigned(action, role, kind)), expected, "{action} {role} {kind}");
        }
    }

    #[test]
    fn principals_may_be_taken_out() {
        let text = "@Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidNotEquals {00000000-0000-0000-0000-000000000007}";
        let condition = Condition::parse(text).unwrap();
        assert!(!condition.allows(assigned(WRITE, SECRETS_USER, "User")));
        let other = AssignedRole { principal: Uuid::from_u128(8), ..assigned(WRITE, SECRETS_USER, "User") };
        assert!(condition.allows(other));
        assert!(!condition.allows(AssignedRole { action: DELETE, ..other }), "there is no request of a removal");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, expected) in [
            ("", "ends too early"),
            ("(", "ends too early"),
            ("ActionMatches{'Microsoft.Storage/blobs/read'}", "'Microsoft.Storage/blobs/read' is no action"),
            ("@Principal[x] GuidEquals {1}", "'@Principal' is not known"),
            (
                "@Request[Microsoft.Storage/x:Name] StringEquals {'a'}",
                "the attribute 'Microsoft.Storage/x:Name' is not known",
            ),
            (
                "@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringLike {'a'}",
                "the operator 'StringLike' is not known",
            ),
            (
                "@Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidEquals {1, 2}",
                "the operator 'ForAnyOfAllValues:GuidEquals' is not known",
            ),
            (
                "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] StringEquals {'a'}",
                "the operator 'StringEquals' is not known",
            ),
            ("ActionMatches{'Microsoft.Authorization/roleAssignments/write'", "ends too early"),
            ("'a", "has a quote without its end"),
            ("a = b", "has an unexpected '='"),
        ] {
            let refused = Condition::parse(text).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{text}: {refused}");
        }
        assert!(Condition::parse(&"(".repeat(100)).unwrap_err().to_string().contains("nested"));
        assert!(Condition::parse(&"a".repeat(9000)).unwrap_err().to_string().contains("longer"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[(){}!@,'A-Za-z\\[\\]: ]{0,80}") {
            let _ = Condition::parse(&text);
        }
    }
}
