//! What `${…}` means: variables, secrets, and the image's own name and architecture.
use super::{matrix::Cell, suggest::nearest};
use crate::value::Arch;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    rc::Rc,
};

/// Where the value of a variable came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VariableOrigin {
    /// `--var`.
    Flag,
    /// `--var-file`.
    File(PathBuf),
    /// An environment variable, by this name.
    Environment(String),
    /// The definition itself.
    Default,
}

impl fmt::Display for VariableOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("by `--var`"),
            Self::File(path) => write!(f, "in the var file `{}`", path.display()),
            Self::Environment(name) => write!(f, "by the environment variable `{name}`"),
            Self::Default => f.write_str("by its default"),
        }
    }
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) origin: VariableOrigin,
}

/// A name that has a value only after a part of the definition was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Known {
    /// Not read yet: what is read now cannot depend on it.
    #[default]
    NotYet,
    /// Wrong in the definition, which is already reported.
    Failed,
    /// Read.
    Value(String),
}

/// Which combination of `[matrix]` a definition is read for.
#[derive(Debug, Clone, Default)]
pub(super) enum InMatrix {
    /// There is no matrix.
    #[default]
    None,
    /// It is being read.
    NotYet,
    /// It is wrong, which is already reported.
    Failed,
    /// This one; the keys are those of all combinations.
    Cell(Rc<Cell>, Rc<BTreeSet<String>>),
}

impl InMatrix {
    /// The values of the combination, for the plan.
    pub(super) fn values(&self) -> BTreeMap<String, String> {
        match self {
            Self::Cell(cell, _) => cell.values.clone(),
            Self::None | Self::NotYet | Self::Failed => BTreeMap::new(),
        }
    }
}

/// What may be used in a text, and what each of it is.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// `None`: there is no value, which is already reported.
    pub(super) variables: BTreeMap<String, Option<Value>>,
    pub(super) used: BTreeSet<String>,
    pub(super) matrix: InMatrix,
    /// Axes, and keys of `include`, that something refers to.
    pub(super) used_axes: BTreeSet<String>,
    pub(super) secrets: BTreeSet<String>,
    pub(super) name: Known,
    pub(super) arch: Known,
}

/// Which references a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// None: what is read here is needed to know the variables.
    Nothing,
    /// Variables.
    Variables,
    /// Variables, and secrets, which stay placeholders.
    Secrets,
}

/// A text in which every reference is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// Which variables are in it, and where each came from, for people.
    pub(super) variables: Vec<String>,
    /// How many secrets are in it.
    pub(super) placeholders: usize,
}

/// Why a text cannot be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The reference as written, empty for the whole text, and how many equal ones stand before it.
    pub(super) token: String,
    pub(super) nth: usize,
    /// Empty when the cause is already reported.
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// What marks a secret in a resolved text.
const SECRET_MARK: &str = "${secret.";

impl Scope {
    /// Replaces every `${…}` in `template`; all faults are found at once.
    pub(super) fn expand(&mut self, template: &str, allowed: Allowed) -> Result<Expanded, Vec<Fault>> {
        let mut expanded = Expanded::default();
        let mut faults = Vec::new();
        let mut rest = template;
        while let Some(at) = rest.find('$') {
            expanded.text.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$${") {
                let literal_secret = allowed == Allowed::Secrets && after.starts_with("secret.");
                if literal_secret {
                    let offset = template.len() - rest.len();
                    faults.push(fault(
                        template,
                        offset,
                        "$${secret.",
                        "a text that may hold secrets cannot hold `${secret.` itself",
                        "build it from two parts, such as a shell variable that holds the `$`",
                    ));
                }
                expanded.text.push_str("${");
                rest = after;
            } else if let Some(after) = rest.strip_prefix("${") {
                let offset = template.len() - rest.len();
                let Some(end) = after.find('}') else {
                    let help = "close it with `}`, or write `$${` where `${` itself is meant";
                    faults.push(fault(template, offset, "${", "a `${` is never closed", help));
                    expanded.text.push_str(rest);
                    return Err(faults);
                };
                let token = &rest[..end + 3];
                if let Err((message, help)) = self.reference(&after[..end], allowed, &mut expanded) {
                    faults.push(fault(template, offset, token, message, help));
                }
                rest = &after[end + 1..];
            } else {
                expanded.text.push('$');
                rest = &rest[1..];
            }
        }
        expanded.text.push_str(rest);
        let marks = expanded.text.matches(SECRET_MARK).count();
        if faults.is_empty() && allowed == Allowed::Secrets && marks != expanded.placeholders {
            faults.push(Fault {
                token: String::new(),
                nth: 0,
                message: "the parts of this text add up to `${secret.`, which is not written in it"
                    .to_owned(),
                help: Some("name the secret in this text itself, not in a variable".to_owned()),
            });
        }
        if faults.is_empty() { Ok(expanded) } else { Err(faults) }
    }

    /// Appends what `${name}` stands for; else a message and a help.
    fn reference(
        &mut self,
        name: &str,
        allowed: Allowed,
        into: &mut Expanded,
    ) -> Result<(), (String, String)> {
        if allowed == Allowed::Nothing {
            return Err((
                format!("`${{{name}}}` cannot be used here, because variables are read first"),
                "write `$${` where `${` itself is meant".to_owned(),
            ));
        }
        let known = match name {
            "name" => Some(&self.name),
            "arch" => Some(&self.arch),
            _ => None,
        };
        if let Some(known) = known {
            return match known {
                Known::Value(text) => {
                    into.text.push_str(text);
                    Ok(())
                }
                Known::Failed => Err(already_reported()),
                Known::NotYet => Err((
                    format!("`${{{name}}}` is not known yet where this is read"),
                    "variables and `[matrix]` are read before `arch`, `arch` before `name`, and `name` before all the rest".to_owned(),
                )),
            };
        }
        if let Some(variable) = name.strip_prefix("var.") {
            let Some(value) = self.variables.get(variable) else {
                return Err(self.unknown(name, format!("the variable `{variable}` is not defined")));
            };
            self.used.insert(variable.to_owned());
            let Some(value) = value else { return Err(already_reported()) };
            into.text.push_str(&value.text);
            into.variables.push(format!("`${{{name}}}`, which is set {}", value.origin));
            return Ok(());
        }
        if let Some(key) = name.strip_prefix("matrix.") {
            let (text, blame) = self.of_matrix(name, key)?;
            into.text.push_str(&text);
            into.variables.push(blame);
            return Ok(());
        }
        if let Some(secret) = name.strip_prefix("secret.") {
            if !self.secrets.contains(secret) {
                return Err(self.unknown(name, format!("the secret `{secret}` is not defined")));
            }
            if allowed != Allowed::Secrets {
                return Err((
                    format!("`${{{name}}}` cannot be used here"),
                    "secrets may be used in `shell.run`, in the values of `shell.env` and in `file.content`"
                        .to_owned(),
                ));
            }
            into.text.push_str(&format!("${{{name}}}"));
            into.placeholders += 1;
            return Ok(());
        }
        Err(self.unknown(name, format!("`${{{name}}}` is not defined")))
    }

    /// What `${matrix.KEY}` stands for in this build, and where it comes from, for people.
    fn of_matrix(&mut self, name: &str, key: &str) -> Result<(String, String), (String, String)> {
        let axis = key.split('.').next().unwrap_or_default();
        self.used_axes.insert(axis.to_owned());
        let (cell, known) = match &self.matrix {
            InMatrix::Failed => return Err(already_reported()),
            InMatrix::NotYet => {
                return Err((
                    format!("`${{{name}}}` is not known yet where this is read"),
                    "`[matrix]` is read after the variables and before all the rest".to_owned(),
                ));
            }
            InMatrix::None => return Err(self.unknown(name, format!("`${{{name}}}` is not defined"))),
            InMatrix::Cell(cell, known) => (cell, known),
        };
        if let Some(value) = cell.values.get(key) {
            return Ok((value.clone(), format!("`${{{name}}}`, which is set by `[matrix]`")));
        }
        if known.contains(key) {
            return Err((
                format!("`${{{name}}}` has no value in the build with {}", cell.shown()),
                "other builds of `[matrix]` have one: an `include` can give it to this one".to_owned(),
            ));
        }
        Err(self.unknown(name, format!("`${{{name}}}` is not defined")))
    }

    fn unknown(&self, name: &str, message: String) -> (String, String) {
        let known: Vec<String> = ["name", "arch"]
            .map(str::to_owned)
            .into_iter()
            .chain(self.variables.keys().map(|variable| format!("var.{variable}")))
            .chain(self.secrets.iter().map(|secret| format!("secret.{secret}")))
            .chain(self.matrix_keys().map(|key| format!("matrix.{key}")))
            .collect();
        // `${memory}` for `${var.memory}` is the usual slip, and far away by letters.
        let bare = |known: &&str| known.split_once('.').is_some_and(|(_, last)| last == name);
        let guess = known.iter().map(String::as_str).find(bare);
        let help = match guess.or_else(|| nearest(name, known.iter().map(String::as_str))) {
            Some(guess) => format!("did you mean `${{{guess}}}`?"),
            None if name.starts_with("var.") => {
                format!("define it with `[{name}]`, or write `$${{` where `${{` itself is meant")
            }
            None if name.starts_with("secret.") => format!("define it with `[{name}]`"),
            None if name.starts_with("matrix.") => {
                let axis = name.trim_start_matches("matrix.").split('.').next().unwrap_or_default();
                format!("define it in `[matrix]`, such as `{axis} = [\"…\"]`")
            }
            None => format!("write `$${{{name}}}` where `${{{name}}}` itself is meant, as in a shell script"),
        };
        (message, help)
    }
}

impl Scope {
    fn matrix_keys(&self) -> impl Iterator<Item = &String> {
        let keys = match &self.matrix {
            InMatrix::Cell(_, known) => Some(known.iter()),
            _ => None,
        };
        keys.into_iter().flatten()
    }
}

/// An empty message says that nothing more is to be said.
fn already_reported() -> (String, String) {
    (String::new(), String::new())
}

fn fault(
    template: &str,
    offset: usize,
    token: &str,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Fault {
    Fault {
        token: token.to_owned(),
        nth: template[..offset].matches(token).count(),
        message: message.into(),
        help: Some(help.into()),
    }
}

impl Scope {
    /// Makes the architecture known.
    pub(super) fn set_arch(&mut self, arch: Option<Arch>) {
        self.arch = arch.map_or(Known::Failed, |arch| Known::Value(arch.to_string()));
    }

    /// Makes the image's name known.
    pub(super) fn set_name(&mut self, name: Option<&str>) {
        self.name = name.map_or(Known::Failed, |name| Known::Value(name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn scope() -> Scope {
        let value = Value { text: "bookworm".to_owned(), origin: VariableOrigin::Flag };
        Scope {
            variables: [("suite".to_owned(), Some(value)), ("lost".to_owned(), None)].into(),
            secrets: ["token".to_owned()].into(),
            name: Known::Value("image".to_owned()),
            arch: Known::NotYet,
            ..Scope::default()
        }
    }

    #[test_case("plain $HOME $", "plain $HOME $" ; "no reference")]
    #[test_case("a ${var.suite} b ${name}", "a bookworm b image")]
    #[test_case("$${HOME} $$${var.suite}", "${HOME} $${var.suite}" ; "escapes")]
    #[test_case("${secret.token}", "${secret.token}" ; "a secret stays a placeholder")]
    fn references_are_replaced(template: &str, expected: &str) {
        assert_eq!(scope().expand(template, Allowed::Secrets).unwrap().text, expected);
    }

    #[test_case("${", "never closed" ; "open")]
    #[test_case("${HOME}", "`${HOME}` is not defined")]
    #[test_case("${arch}", "not known yet")]
    #[test_case("${var.siute}", "the variable `siute` is not defined")]
    #[test_case("${secret.tokn}", "the secret `tokn` is not defined")]
    #[test_case("$${secret.token}", "cannot hold `${secret.` itself" ; "literal secret mark")]
    fn wrong_references_are_faults(template: &str, message: &str) {
        let faults = scope().expand(template, Allowed::Secrets).unwrap_err();
        assert!(faults[0].message.contains(message), "{faults:?}");
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_name() {
        let help = |template: &str| {
            let faults = scope().expand(template, Allowed::Secrets).unwrap_err();
            faults[0].help.clone().unwrap()
        };
        assert_eq!(help("${var.siute}"), "did you mean `${var.suite}`?");
        assert_eq!(help("${suite}"), "did you mean `${var.suite}`?");
        assert!(help("${PATH}").contains("$${PATH}"));
    }

    #[test]
    fn a_variable_without_value_is_not_reported_twice() {
        let faults = scope().expand("${var.lost}", Allowed::Variables).unwrap_err();
        assert_eq!(faults[0].message, "");
    }

    #[test]
    fn a_secret_cannot_be_smuggled_in_by_a_variable() {
        for (value, text) in [("${secret.token}", "${var.suite}"), ("$", "${var.suite}{secret.token}")] {
            let mut scope = scope();
            let value = Value { text: value.to_owned(), origin: VariableOrigin::Flag };
            scope.variables.insert("suite".to_owned(), Some(value));
            assert!(scope.expand(text, Allowed::Secrets).is_err(), "{text}");
        }
    }

    #[test]
    fn the_nth_of_equal_references_is_found_again() {
        let faults = scope().expand("$${X} ${X}", Allowed::Variables).unwrap_err();
        assert_eq!((faults[0].token.as_str(), faults[0].nth), ("${X}", 1));
    }
}
