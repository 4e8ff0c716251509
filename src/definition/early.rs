//! What is read first, because the rest refers to it: variables, the architecture, the image's name.
use super::{
    problem::{SourceFile, Span},
    raw::Variable,
    reader::{At, Raw, Reader, Sort, blame_variables},
    scalar::{Literal, Map, One, Text},
    scope::{InMatrix, Value, VariableOrigin},
    suggest::nearest,
};
use crate::value::Arch;
use schemars::{Schema, SchemaGenerator, json_schema};
use std::collections::BTreeMap;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// `[var.*]`: reading it gives every variable its value.
#[derive(Debug)]
pub(super) struct Variables {
    /// Where each is defined.
    pub(super) places: BTreeMap<String, Span>,
}

impl Raw for Variables {
    const EXPECTED: &'static str = Map::<Variable>::EXPECTED;
    const EXAMPLE: &'static str = Map::<Variable>::EXAMPLE;
    const SORT: Sort = Sort::Table;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        // A variable that is wrong is still defined: what uses it must not be told that it is not.
        for name in value.get_ref().as_table().into_iter().flat_map(DeTable::keys) {
            reader.scope.variables.insert(name.get_ref().to_string(), None);
        }
        let map = Map::<Variable>::decode(value, reader)?;
        let from_files = read_var_files(reader);
        let mut places = BTreeMap::new();
        for (name, entry) in map {
            places.insert(name.clone(), entry.key.clone());
            if !is_name(&name) {
                reader
                    .report(&entry.key, format!("`{}` cannot name a variable", name.escape_debug()))
                    .help("a name is made of letters, digits, `_` and `-`, and starts with a letter");
                continue;
            }
            let found = value_of(&name, &entry.value, &from_files, reader);
            reader.scope.variables.insert(name, found);
        }
        Some(Self { places })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Map::<Variable>::schema(generator)
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The environment variable that gives the variable `name` its value.
fn environment_name(name: &str) -> String {
    format!("GOLDSMITH_VAR_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The value from the strongest origin; a problem when there is none.
fn value_of(
    name: &str,
    variable: &At<Variable>,
    from_files: &BTreeMap<String, Value>,
    reader: &mut Reader<'_>,
) -> Option<Value> {
    let inputs = reader.inputs;
    let environment = environment_name(name);
    if let Some((_, text)) = inputs.vars.iter().rev().find(|(given, _)| given == name) {
        return Some(Value { text: text.clone(), origin: VariableOrigin::Flag });
    }
    if let Some(value) = from_files.get(name) {
        return Some(value.clone());
    }
    if let Some(text) = inputs.env.get(&environment) {
        return Some(Value { text: text.clone(), origin: VariableOrigin::Environment(environment) });
    }
    match &variable.value.default {
        super::reader::Field::Good(default) => {
            Some(Value { text: default.value.0.clone(), origin: VariableOrigin::Default })
        }
        super::reader::Field::Bad => None,
        super::reader::Field::Absent => {
            let description = match &variable.value.description {
                super::reader::Field::Good(At { value: Literal(text), .. }) => format!(": {text}"),
                _ => String::new(),
            };
            reader
                .report(&variable.span, format!("the variable `{name}` has no value{description}"))
                .label("it has no default, so it must be given")
                .help(format!("give it by `--var {name}=…`, in a var file, or by the environment variable `{environment}`"));
            None
        }
    }
}

/// All values from var files; the last file wins. Names that the definition does not have are left alone, because var
/// files are shared between definitions.
fn read_var_files(reader: &mut Reader<'_>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for path in &reader.inputs.var_files {
        let shown = path.display().to_string();
        let text = match reader.files.read_text(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot read the var file `{shown}`");
                reader.push(super::problem::Problem::without_place(message)).cause(error);
                continue;
            }
        };
        let file = SourceFile::new(&shown, &text);
        let table = match DeTable::parse(&text) {
            Ok(table) => table,
            Err(error) => {
                reader.push(file.problem(error.span().unwrap_or_default(), error.message()));
                continue;
            }
        };
        for (name, value) in table.get_ref() {
            let name = name.get_ref().to_string();
            if let Some(text) = value.get_ref().as_str() {
                let origin = VariableOrigin::File(path.clone());
                values.insert(name, Value { text: text.to_owned(), origin });
                continue;
            }
            let written = file.slice(&value.span()).to_owned();
            let message = format!("`{}` takes a string, because variables are texts", name.escape_debug());
            let mut problem = file.problem(value.span(), message);
            if !value.get_ref().is_table() && !value.get_ref().is_array() {
                problem.help(format!("put it in quotes: `{name} = \"{written}\"`"));
            }
            reader.push(problem);
        }
    }
    values
}

impl Reader<'_> {
    /// Reports values from `--var` that change nothing.
    pub(super) fn refuse_useless_variables(&mut self, places: &BTreeMap<String, Span>) {
        let inputs = self.inputs;
        for (name, value) in &inputs.vars {
            let is_defined = self.scope.variables.contains_key(name);
            // After other problems, a part of the definition may not have been read, and what is used is not known.
            let is_used = self.scope.used.contains(name) || !self.problems.is_empty();
            if is_defined && is_used {
                continue;
            }
            let line = format!("--var {name}={value}");
            let place = "--var ".len().."--var ".len() + name.len();
            let flag = SourceFile::new("command line", &line);
            let shown = name.escape_debug();
            if is_defined {
                let mut problem =
                    flag.problem(place, format!("the variable `{shown}` is given, but not used"));
                let line = places.get(name).map(|span| self.file.place(span.start)).unwrap_or_default();
                problem.help(format!("it is defined at {line}; nothing contains `${{var.{name}}}`"));
                self.push(problem);
                continue;
            }
            let mut problem = flag.problem(place, format!("the variable `{shown}` is not defined"));
            let known = self.scope.variables.keys().map(String::as_str);
            problem.help(match nearest(name, known) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None => format!("define it in the definition: `[var.{shown}]`"),
            });
            self.push(problem);
        }
    }
}

/// `arch`: reading it makes `${arch}` known.
#[derive(Debug)]
pub(super) struct ImageArch(pub(super) Arch);

impl Raw for ImageArch {
    const EXPECTED: &'static str = One::<Arch>::EXPECTED;
    const EXAMPLE: &'static str = "\"x86_64\"";
    const SORT: Sort = One::<Arch>::SORT;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.scope.arch = super::scope::Known::NotYet;
        let arch = One::<Arch>::decode(value, reader);
        reader.scope.set_arch(arch.map(|One(arch)| arch));
        arch.map(|One(arch)| Self(arch))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        One::<Arch>::schema(generator)
    }
}

/// `name`: reading it makes `${name}` known.
#[derive(Debug)]
pub(super) struct ImageName(pub(super) String);

impl Raw for ImageName {
    const EXPECTED: &'static str = "a string";
    const EXAMPLE: &'static str = "\"debian-12\"";
    const SORT: Sort = Sort::Text;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        let name = checked_name(value, reader);
        reader.scope.set_name(name.as_deref());
        name.map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[A-Za-z0-9._-]+$|\$\{" })
    }
}

/// Longer names would not fit in file names with an extension and a temporary suffix.
const LONGEST_NAME: usize = 128;

fn checked_name(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<String> {
    let used = std::mem::take(&mut reader.scope.used_axes);
    let read = Text::decode(value, reader);
    let says_matrix = !reader.scope.used_axes.is_empty();
    reader.scope.used_axes.extend(used);
    let Text(mut expanded) = read?;
    if let InMatrix::Cell(cell, _) = &reader.scope.matrix
        && !says_matrix
    {
        // A name of one's own says which build it is; otherwise the values do.
        expanded.text = [std::slice::from_ref(&expanded.text), &cell.words].concat().join("-");
        expanded.variables.push("`name` and the values of `[matrix]`".to_owned());
    }
    let name = &expanded.text;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let help = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST_NAME {
        "it is longer than 128 characters"
    } else if !name.bytes().all(allowed) {
        "a name is made of letters, digits, `.`, `_` and `-`"
    } else if name.starts_with(['.', '-']) {
        "a name starts with a letter, a digit or `_`, because files are named after it"
    } else {
        return Some(expanded.text);
    };
    let problem =
        reader.report(&value.span(), format!("`{}` cannot be the name of an image", name.escape_debug()));
    problem.help(help);
    blame_variables(problem, &expanded);
    None
}
