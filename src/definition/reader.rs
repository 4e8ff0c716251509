//! Walks over parsed TOML: values with their places, and every problem that is met on the way.
use super::{
    Inputs,
    files::Files,
    problem::{Problem, SourceFile, Span},
    role::{Frame, Roles},
    scope::{Allowed, Expanded, Scope},
    suggest::{all_of, nearest},
};
use schemars::{Schema, SchemaGenerator};
use std::path::PathBuf;
use toml::{Spanned, de::DeTable, de::DeValue};

/// What a kind of value looks like, for hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Any text.
    Text,
    /// A text of a certain form, such as a URL.
    Form,
    /// A text with a number and a unit.
    Amount,
    /// A number without quotes.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list in brackets.
    List,
    /// `[key]` or `key = { … }`.
    Table,
    /// `[[key]]`.
    Tables,
}

/// What can be read from a TOML value. The schema stands beside the decoder, so that they are changed together.
pub(super) trait Raw: Sized {
    /// What a person would call it, with its article: `a whole number`.
    const EXPECTED: &'static str;
    /// A value as it would be written, for hints.
    const EXAMPLE: &'static str;
    /// What it looks like.
    const SORT: Sort;

    /// Reads `value`; `None` after problems were reported.
    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self>;

    /// What `decode` accepts.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// The value of a key.
#[derive(Debug, Clone)]
pub(super) enum Field<T> {
    /// The key is not there.
    Absent,
    /// Its value is wrong, or it is required and not there; this is already reported.
    Bad,
    /// Its value.
    Good(At<T>),
}

impl<T> Field<T> {
    /// The value or `default`; `None` when it is wrong.
    pub(super) fn or(self, default: T) -> Option<T> {
        self.maybe().map(|value| value.map_or(default, |at| at.value))
    }

    /// The value of a required key; `None` when it is wrong or not there.
    pub(super) fn required(self) -> Option<At<T>> {
        match self {
            Self::Good(at) => Some(at),
            Self::Absent | Self::Bad => None,
        }
    }

    /// The value, if there is one; `None` when it is wrong.
    #[allow(clippy::option_option, reason = "wrong and absent are different, and `?` is for what is wrong")]
    pub(super) fn maybe(self) -> Option<Option<At<T>>> {
        match self {
            Self::Absent => Some(None),
            Self::Bad => None,
            Self::Good(at) => Some(Some(at)),
        }
    }

    /// The place of the value, if there is one.
    pub(super) fn span(&self) -> Option<&Span> {
        match self {
            Self::Good(at) => Some(&at.span),
            Self::Absent | Self::Bad => None,
        }
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// One key of a table.
#[derive(Debug)]
pub(super) struct Key {
    /// The Rust field; the key has `-` for `_`.
    pub(super) field: &'static str,
    pub(super) required: bool,
    /// What it means: the doc comment of the field.
    pub(super) doc: &'static str,
}

impl Key {
    pub(super) fn name(&self) -> String {
        // Some keys are words of Rust, whose fields are written `r#match` or `type_`.
        self.field.trim_start_matches("r#").trim_end_matches('_').replace('_', "-")
    }

    /// The first sentence of what it means.
    fn summary(&self) -> &'static str {
        let doc = self.doc.trim();
        doc.split_once(". ").map_or(doc, |(first, _)| first).trim_end_matches('.')
    }
}

/// What people call the table that has no header.
pub(super) const TOP_LEVEL: &str = "the top level";

/// A table with fixed keys; see [`super::table`].
pub(super) trait Table {
    /// How people find it in a definition.
    const HEADER: &'static str;
    /// All keys that it accepts.
    const KEYS: &'static [Key];
}

/// The state of reading one definition.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) file: SourceFile,
    pub(super) inputs: &'a Inputs,
    /// Looks at local files that the definition names.
    pub(super) files: &'a dyn Files,
    /// The definition's folder: relative paths start here.
    pub(super) folder: PathBuf,
    pub(super) scope: Scope,
    pub(super) problems: Vec<Problem>,
    /// The roles in use so far, and the one that is being read.
    pub(super) roles: Roles,
    /// Texts may be templates, whose values are not known yet.
    pub(super) templated: bool,
    path: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: SourceFile, inputs: &'a Inputs, files: &'a dyn Files, folder: PathBuf) -> Self {
        Self {
            file,
            inputs,
            files,
            folder,
            scope: Scope::default(),
            problems: Vec::new(),
            roles: Roles::default(),
            templated: false,
            path: Vec::new(),
        }
    }

    /// Notes a problem with what stands at `span`; the caller may say more about it.
    pub(super) fn report(&mut self, span: &Span, message: impl Into<String>) -> &mut Problem {
        let problem = self.file.problem(span.clone(), message);
        self.push(problem)
    }

    /// Notes a problem.
    pub(super) fn push(&mut self, problem: Problem) -> &mut Problem {
        let index = self.problems.len();
        self.problems.push(problem);
        &mut self.problems[index]
    }

    /// Does `work` as in the role `frame`, whose file is `file`.
    pub(super) fn inside_role<R>(
        &mut self,
        frame: Frame,
        file: SourceFile,
        work: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let file = std::mem::replace(&mut self.file, file);
        let path = std::mem::take(&mut self.path);
        let templated = std::mem::replace(&mut self.templated, true);
        self.roles.enter(frame);
        let done = work(self);
        self.roles.leave();
        self.templated = templated;
        self.path = path;
        self.file = file;
        done
    }

    /// Whether `text` is a template, so that what it will be cannot be looked at yet.
    pub(super) fn is_template(&self, text: &str) -> bool {
        self.templated && (text.contains("{{") || text.contains("{%"))
    }

    /// Where the reader is: `machine.memory`.
    pub(super) fn path(&self) -> String {
        self.path.join(".")
    }

    /// The last key on the way, for hints.
    fn key(&self) -> &str {
        self.path.last().map_or("key", String::as_str)
    }

    /// Decodes the value of `key`, which is a part of where the reader is now.
    pub(super) fn enter<T: Raw>(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Field<T> {
        self.path.push(key.to_owned());
        let decoded = T::decode(value, self);
        self.path.pop();
        decoded.map_or(Field::Bad, |decoded| Field::Good(At { value: decoded, span: value.span() }))
    }

    /// Decodes one key of a table of the kind `K`, whose header is at `header`.
    pub(super) fn field<T: Raw, K: Table>(
        &mut self,
        table: &DeTable<'_>,
        header: &Span,
        key: &Key,
    ) -> Field<T> {
        let name = key.name();
        if let Some(value) = table.get(name.as_str()) {
            return self.enter(&name, value);
        }
        if !key.required {
            return Field::Absent;
        }
        // A slip in its name is already reported, with this name as the suggestion.
        let is_slip = |other: &str| {
            K::KEYS.iter().all(|key| key.name() != other) && guess::<K>(other).as_ref() == Some(&name)
        };
        if !table.keys().any(|other| is_slip(other.get_ref())) {
            let line = match T::SORT {
                Sort::Table => format!("[{name}]"),
                Sort::Tables => format!("[[{name}]]"),
                _ => format!("{name} = {}", T::EXAMPLE),
            };
            let preposition = if K::HEADER == TOP_LEVEL { "at" } else { "in" };
            self.report(header, format!("`{name}` is missing {preposition} {}", K::HEADER))
                .label(format!("add `{line}`"))
                .help(format!("`{name}` is required: {}", key.summary()));
        }
        Field::Bad
    }

    /// The table in `value`.
    pub(super) fn table<'v, 'i, T: Raw + Table>(
        &mut self,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Option<&'v DeTable<'i>> {
        let Some(table) = value.get_ref().as_table() else {
            self.mismatch::<T>(value);
            return None;
        };
        self.refuse_unknown_keys::<T>(table);
        Some(table)
    }

    /// Reports keys that the table does not have.
    fn refuse_unknown_keys<K: Table>(&mut self, table: &DeTable<'_>) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if K::KEYS.iter().any(|known| known.name() == name) {
                continue;
            }
            let names = || K::KEYS.iter().map(Key::name).collect::<Vec<_>>();
            let help = if let Some(guess) = guess::<K>(name) {
                format!("did you mean `{guess}`?")
            } else if let Some(home) = super::raw::home_of(name) {
                format!("`{name}` is a key of {home}")
            } else {
                format!("its keys are {}", all_of(names().iter().map(String::as_str)))
            };
            let message = format!("`{}` is not a key of {}", name.escape_debug(), K::HEADER);
            self.report(&key.span(), message).label("unknown key").help(help);
        }
    }

    /// The text in `value` with all references replaced; `None` after problems were reported.
    pub(super) fn text<T: Raw>(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        allowed: Allowed,
    ) -> Option<Expanded> {
        let Some(template) = value.get_ref().as_str() else {
            self.mismatch::<T>(value);
            return None;
        };
        let span = value.span();
        if template.contains('\0') {
            let message = format!("`{}` holds a NUL character, which no program takes", self.path());
            self.report(&span, message);
            return None;
        }
        if self.roles.inside() {
            // `$` has no meaning in a role: its texts are templates.
            return Some(Expanded { text: template.to_owned(), ..Expanded::default() });
        }
        match self.scope.expand(template, allowed) {
            Ok(expanded) => Some(expanded),
            Err(faults) => {
                for fault in faults.into_iter().filter(|fault| !fault.message.is_empty()) {
                    // A reference has no escapes in it, so that it stands in the file as it stands in the text.
                    let inside = self.file.slice(&span).match_indices(&fault.token).nth(fault.nth);
                    let place = match inside {
                        Some((at, token)) if !token.is_empty() => {
                            span.start + at..span.start + at + token.len()
                        }
                        _ => span.clone(),
                    };
                    let problem = self.report(&place, fault.message);
                    if let Some(help) = fault.help {
                        problem.help(help);
                    }
                }
                None
            }
        }
    }

    /// The value of a text that `parse` understands.
    pub(super) fn parsed<T: Raw, E: std::fmt::Display>(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let expanded = self.text::<T>(value, Allowed::Variables)?;
        match parse(&expanded.text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let label = format!("`{}` takes {}", self.path(), T::EXPECTED);
                let problem = self.report(&value.span(), error.to_string());
                problem.label(label);
                blame_variables(problem, &expanded);
                None
            }
        }
    }

    /// Reports a value of the wrong type.
    pub(super) fn mismatch<T: Raw>(&mut self, value: &Spanned<DeValue<'_>>) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let key = self.key();
        let message = format!("`{}` takes {}, but this is {found}", self.path(), T::EXPECTED);
        let written = self.file.slice(&value.span()).to_owned();
        let help = hint::<T>(key, value.get_ref(), &written);
        self.report(&value.span(), message).label(found).help(help);
    }
}

/// The key that was probably meant.
fn guess<K: Table>(name: &str) -> Option<String> {
    let names: Vec<String> = K::KEYS.iter().map(Key::name).collect();
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// Says which variables a wrong text came from.
pub(super) fn blame_variables(problem: &mut Problem, expanded: &Expanded) {
    for variable in &expanded.variables {
        problem.help(format!("the value comes from {variable}"));
    }
}

/// How a value of the wrong type would be right.
fn hint<T: Raw>(key: &str, value: &DeValue<'_>, written: &str) -> String {
    let is_bare = !matches!(value, DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_));
    match (T::SORT, value) {
        (Sort::Text, DeValue::Float(_)) if written.ends_with('0') => {
            let short = written.trim_end_matches('0').trim_end_matches('.');
            format!("put it in quotes: `{key} = \"{written}\"`; as a number, {written} would become {short}")
        }
        (Sort::Text, _) if is_bare => format!("put it in quotes: `{key} = \"{written}\"`"),
        (Sort::Amount, DeValue::Integer(_) | DeValue::Float(_)) => {
            format!("write a number and a unit in quotes, like `{key} = {}`", T::EXAMPLE)
        }
        (Sort::Number | Sort::Boolean, DeValue::String(text)) if is_value_of(T::SORT, text) => {
            format!("write it without quotes: `{key} = {text}`")
        }
        (Sort::List, DeValue::String(_)) => format!("put it in brackets: `{key} = [{written}]`"),
        // A table's place is its header.
        (Sort::Table, DeValue::Array(_)) if written.starts_with("[[") => {
            format!("there can be only one: write `[{key}]`, not `[[{key}]]`")
        }
        (Sort::Tables, DeValue::Table(_)) if written.starts_with('[') => {
            format!("there can be several: write `[[{key}]]`, not `[{key}]`")
        }
        (Sort::Table, _) => format!("write it as `[{key}]`, with a key on each line below"),
        (Sort::Tables, _) => format!("write it as `[[{key}]]`, with a key on each line below"),
        _ => format!("write it like `{key} = {}`", T::EXAMPLE),
    }
}

fn is_value_of(sort: Sort, text: &str) -> bool {
    match sort {
        Sort::Number => text.parse::<u32>().is_ok(),
        Sort::Boolean => text.parse::<bool>().is_ok(),
        _ => false,
    }
}
