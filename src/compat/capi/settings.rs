//! The variables of one target: the user's over image-builder's, with their functions carried out.
use super::{
    CompatError, SecretPlace, Variables,
    functions::{self, Names},
    known,
    variables::is_secret,
};
use crate::definition;
use jiff::Timestamp;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// How deep variables may be made of variables.
const DEEPEST: usize = 32;

/// Where variables are asked for; who asked is remembered.
#[derive(Debug)]
pub(super) struct Settings {
    given: Variables,
    defaults: BTreeMap<&'static str, &'static str>,
    used: RefCell<BTreeSet<String>>,
    depth: RefCell<usize>,
}

impl Settings {
    /// `defaults`: of several for one name, the last counts.
    pub(super) fn new(
        given: &Variables,
        defaults: Vec<(&'static str, &'static str)>,
    ) -> Result<Self, CompatError> {
        let mut settings = Self {
            given: given.clone(),
            defaults: defaults.into_iter().collect(),
            used: RefCell::default(),
            depth: RefCell::default(),
        };
        // Ansible's variables win over Packer's, the user's over those of the system.
        for name in ["ansible_extra_vars", "ansible_user_vars"] {
            if let Some(text) = settings.given(name)? {
                let from = settings.from(name);
                for (name, text) in ansible(name, &text)? {
                    settings.given.set(name, text, from.clone());
                }
            }
        }
        Ok(settings)
    }

    /// The value of a variable; `None` if there is none, or an empty one.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, CompatError> {
        let text = self.value(name).map_err(|why| self.wrong(name, &why))?;
        Ok(text.filter(|text| !text.trim().is_empty()).map(|text| text.trim().to_owned()))
    }

    /// The same only if the user gave it.
    pub(super) fn given(&self, name: &str) -> Result<Option<String>, CompatError> {
        if self.given.get(name).is_none() {
            return Ok(None);
        }
        self.text(name)
    }

    /// Whether the user set it to nothing.
    pub(super) fn is_emptied(&self, name: &str) -> bool {
        self.mark(name);
        self.given.get(name).is_some_and(|value| value.secret.is_none() && value.text.trim().is_empty())
    }

    /// A variable that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<String, CompatError> {
        self.text(name)?.ok_or_else(|| {
            CompatError::new(format!("the variable `{name}` is needed"))
                .hint(format!("set it in a var file, or by `--var '{name}=…'`"))
        })
    }

    /// A yes or no.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, CompatError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" | "on" => Ok(Some(true)),
            "false" | "no" | "0" | "off" => Ok(Some(false)),
            _ => Err(self.wrong(name, &format!("`{text}` is neither `true` nor `false`"))),
        }
    }

    /// The same, no when it is not said.
    pub(super) fn is_on(&self, name: &str) -> Result<bool, CompatError> {
        Ok(self.flag(name)?.unwrap_or(false))
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, CompatError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(name, &format!("`{text}` is not a whole number")))
    }

    /// Words, with blanks between.
    pub(super) fn words(&self, name: &str) -> Result<Vec<String>, CompatError> {
        Ok(self
            .text(name)?
            .map(|text| text.split_whitespace().map(str::to_owned).collect())
            .unwrap_or_default())
    }

    /// Words, with commas between.
    pub(super) fn commas(&self, name: &str) -> Result<Vec<String>, CompatError> {
        let text = self.text(name)?.unwrap_or_default();
        Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    /// Where a secret is; `None` if the user said nothing.
    pub(super) fn secret(&self, name: &str) -> Option<SecretPlace> {
        self.mark(name);
        self.given.get(name)?.secret.clone()
    }

    /// The file or flag that a variable is from.
    pub(super) fn from(&self, name: &str) -> String {
        self.given
            .get(name)
            .map_or_else(|| "image-builder's own files".to_owned(), |value| value.from.clone())
    }

    /// A variable of the environment.
    pub(super) fn env(&self, name: &str) -> Option<&str> {
        self.given.env(name)
    }

    /// The user's variables.
    pub(super) fn variables(&self) -> &Variables {
        &self.given
    }

    /// Something is wrong with a variable.
    pub(super) fn wrong(&self, name: &str, why: &str) -> CompatError {
        CompatError::new(format!("the variable `{name}` (from {}) cannot be used: {why}", self.from(name)))
    }

    /// What nobody asked for: why it has no meaning, and what is not known at all.
    pub(super) fn left(&self, target: &str) -> (Vec<String>, Vec<(String, String)>) {
        let used = self.used.borrow();
        let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let (mut elsewhere, mut unknown) = (Vec::new(), Vec::new());
        for (name, value) in self.given.iter().filter(|(name, _)| !used.contains(*name)) {
            let empty = value.text.trim().is_empty() && value.secret.is_none();
            if let Some(why) = known::without(name) {
                if !empty {
                    by_reason.entry(why).or_default().push(name.to_owned());
                }
            } else if known::USED.contains(&name) {
                if !empty {
                    elsewhere.push(name.to_owned());
                }
            } else {
                let guess = definition::nearest_name(name, known::names());
                let guess = guess.map(|guess| format!(" (did you mean `{guess}`?)")).unwrap_or_default();
                unknown.push((name.to_owned(), format!("{}{guess}", value.from)));
            }
        }
        let mut notes: Vec<String> = by_reason
            .into_iter()
            .map(|(why, names)| format!("{} without effect: {why}", list(&names)))
            .collect();
        if !elsewhere.is_empty() {
            notes.push(format!("{} without effect for `{target}`", list(&elsewhere)));
        }
        (notes, unknown)
    }

    fn mark(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    fn value(&self, name: &str) -> Result<Option<String>, String> {
        self.mark(name);
        let text = match (self.given.get(name), self.defaults.get(name)) {
            (Some(value), _) => value.text.as_str(),
            (None, Some(text)) => text,
            (None, None) => return Ok(None),
        };
        if *self.depth.borrow() > DEEPEST {
            return Err(format!("it is made of itself, by way of `{name}`"));
        }
        *self.depth.borrow_mut() += 1;
        let filled = functions::fill(text, self);
        *self.depth.borrow_mut() -= 1;
        filled.map(Some)
    }
}

impl Names for Settings {
    fn user(&self, name: &str) -> Result<String, String> {
        if is_secret(name) {
            return Err(format!("`{name}` is a secret, which is no part of another variable"));
        }
        self.value(name)?.ok_or_else(|| format!("there is no variable `{name}`"))
    }

    fn env(&self, name: &str) -> String {
        let usual = match name {
            "FLATCAR_CHANNEL" => "stable",
            "FLATCAR_VERSION" => "current",
            _ => "",
        };
        self.given.env(name).unwrap_or(usual).to_owned()
    }

    fn started(&self) -> Timestamp {
        self.given.started()
    }
}

/// `` `a` and `b` are ``.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => format!("{last} is"),
        Some((last, others)) => format!("{} and {last} are", others.join(", ")),
        None => String::new(),
    }
}

/// What Ansible's `--extra-vars` takes: `key=value` with blanks between, or an object of JSON.
fn ansible(name: &str, text: &str) -> Result<Vec<(String, String)>, CompatError> {
    let wrong = |why: &str| {
        CompatError::new(format!("`{name}` cannot be used: {why}"))
            .hint("write `key=value key='other value'`, or an object of JSON")
    };
    if text.starts_with('@') {
        return Err(wrong(&format!("`{text}` is a file of Ansible's, which goldsmith does not read")));
    }
    if text.starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|_| wrong("it begins as JSON and is none"))?;
        return object
            .into_iter()
            .map(|(key, value)| match value {
                serde_json::Value::String(text) => Ok((key, text)),
                serde_json::Value::Bool(flag) => Ok((key, flag.to_string())),
                serde_json::Value::Number(number) => Ok((key, number.to_string())),
                serde_json::Value::Null => Ok((key, String::new())),
                serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                    Err(wrong(&format!("`{key}` in it is no single value")))
                }
            })
            .collect();
    }
    let pairs = words(text).ok_or_else(|| wrong("a quote has no end"))?.into_iter();
    pairs
        .map(|word| match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(wrong(&format!("`{word}` is not key=value"))),
        })
        .collect()
}

/// Words as a shell has them, with quotes and backslashes; `None` when a quote has no end.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}
