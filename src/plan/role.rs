//! Roles in use: whose steps they are, and what they were given.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One use of a role. Its steps are in the plan's list and name it by its index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RoleUse {
    /// Its name: `containerd`, `providers/vmware`.
    pub name: String,
    /// What it does, in a line.
    pub description: String,
    /// The use of the role that it is a part of, by index; always a smaller one.
    pub parent: Option<usize>,
    /// Its steps are left out unless this expression holds, in the names of the parent.
    pub when: Option<String>,
    /// What it takes.
    pub params: Vec<Param>,
    /// What it was given, by parameter. Texts are templates in the names of the parent, if there is one.
    pub given: BTreeMap<String, Value>,
    /// Names that it computes for itself, in this order; texts are templates.
    pub lets: Vec<(String, Value)>,
    /// Where it is used, as `file:line`.
    pub at: String,
}

/// A parameter of a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Param {
    /// As it is written in `with`: `containerd-version`.
    pub name: String,
    /// What kind of value it takes.
    pub kind: ParamKind,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when not given; a text is a template. Without a default it is nothing (`none` in expressions).
    pub default: Option<Value>,
    /// All values that a text may have; empty for any.
    pub choices: Vec<String>,
    /// What it is, for people.
    pub description: String,
}

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParamKind {
    /// A text.
    String,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A list.
    List,
    /// A table.
    Map,
    /// A list of roles, each by its name or as `{ role, with }`. One text has the names of several, with blanks.
    Roles,
}

/// A role that a parameter names.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRole {
    /// Its name.
    pub name: String,
    /// What it is given.
    pub with: serde_json::Map<String, Value>,
}

/// The roles in the value of a parameter of the kind [`ParamKind::Roles`]; `None` if it is not a list of such.
pub fn listed_roles(value: &Value) -> Option<Vec<ListedRole>> {
    let role = |item: &Value| match item {
        Value::String(name) => Some(ListedRole { name: name.clone(), with: serde_json::Map::new() }),
        Value::Object(keys) if keys.keys().all(|key| key == "role" || key == "with") => Some(ListedRole {
            name: keys.get("role")?.as_str()?.to_owned(),
            with: match keys.get("with") {
                None => serde_json::Map::new(),
                Some(with) => with.as_object()?.clone(),
            },
        }),
        _ => None,
    };
    value.as_array()?.iter().map(role).collect()
}

impl Param {
    /// The name in expressions, which know no `-`.
    pub fn variable(&self) -> String {
        variable(&self.name)
    }

    /// `value` as this parameter takes it. Variables of a definition are texts, so texts of numbers and booleans are taken too.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence: "takes a list, but this is a text".
    pub fn accept(&self, value: Value) -> Result<Value, String> {
        let accepted = match (self.kind, value) {
            (_, Value::Null) if !self.required => Value::Null,
            (ParamKind::String, Value::String(text)) => {
                if !self.choices.is_empty() && !self.choices.contains(&text) {
                    return Err(format!("is one of {}, not `{text}`", self.choices.join(", ")));
                }
                Value::String(text)
            }
            (ParamKind::Bool, Value::String(text)) if text == "true" || text == "false" => {
                Value::Bool(text == "true")
            }
            (ParamKind::Int, Value::String(text)) if text.trim().parse::<i64>().is_ok() => {
                text.trim().parse::<i64>().map(Value::from).unwrap_or_default()
            }
            (ParamKind::Roles, Value::String(names)) => {
                names.split_whitespace().map(|name| Value::String(name.to_owned())).collect()
            }
            (ParamKind::Roles, value) if listed_roles(&value).is_some() => value,
            (ParamKind::Bool, value @ Value::Bool(_))
            | (ParamKind::List, value @ Value::Array(_))
            | (ParamKind::Map, value @ Value::Object(_)) => value,
            (ParamKind::Int, Value::Number(number)) if number.is_i64() => Value::Number(number),
            (kind, other) => return Err(format!("takes {}, but this is {}", kind.article(), found(&other))),
        };
        Ok(accepted)
    }
}

/// A name with `-` as expressions write it.
pub fn variable(name: &str) -> String {
    name.replace('-', "_")
}

impl ParamKind {
    fn article(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Bool => "`true` or `false`",
            Self::Int => "a whole number",
            Self::List => "a list",
            Self::Map => "a table",
            Self::Roles => "a list of roles, each by its name or as `{ role = …, with = … }`",
        }
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use test_case::test_case;

    fn param(kind: ParamKind) -> Param {
        Param {
            name: "p-q".into(),
            kind,
            required: true,
            default: None,
            choices: vec![],
            description: String::new(),
        }
    }

    #[test_case(ParamKind::Bool, json!("true") => Ok(json!(true)))]
    #[test_case(ParamKind::Int, json!("42") => Ok(json!(42)))]
    #[test_case(ParamKind::String, json!(1.3) => Err("takes a text, but this is a number".to_owned()))]
    #[test_case(ParamKind::List, json!("a") => Err("takes a list, but this is a text".to_owned()))]
    #[test_case(ParamKind::String, json!(null) => Err("takes a text, but this is nothing".to_owned()))]
    fn values_are_taken_as_their_kind(kind: ParamKind, value: Value) -> Result<Value, String> {
        param(kind).accept(value)
    }

    #[test_case(json!(["a", { "role": "b", "with": { "x": 1 } }]), &["a", "b"])]
    #[test_case(json!("a  b/c"), &["a", "b/c"]; "as one text")]
    #[test_case(json!(""), &[]; "none")]
    fn roles_are_listed_by_name(value: Value, names: &[&str]) {
        let accepted = param(ParamKind::Roles).accept(value).unwrap();
        let roles = listed_roles(&accepted).unwrap();
        assert_eq!(roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), names);
    }

    #[test_case(json!([1]))]
    #[test_case(json!([{ "role": "a", "when": "x" }]); "a key too much")]
    #[test_case(json!([{ "with": {} }]); "no name")]
    fn what_is_no_role_is_refused(value: Value) {
        assert!(param(ParamKind::Roles).accept(value).unwrap_err().starts_with("takes a list of roles"));
    }

    #[test]
    fn a_choice_is_one_of_the_list() {
        let param = Param { choices: vec!["http".into(), "packages".into()], ..param(ParamKind::String) };
        assert!(param.accept(json!("http")).is_ok());
        assert_eq!(param.accept(json!("htp")).unwrap_err(), "is one of http, packages, not `htp`");
    }
}
