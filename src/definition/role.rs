//! Roles: where they come from, and how one becomes steps of the plan.
use super::{
    problem::{SourceFile, Span},
    raw::{Parameter, RoleFile},
    reader::{At, Field, Raw, Reader},
    resolve,
    scalar::{Entry, Json, Map, Text},
    scope::Expanded,
    suggest::{all_of, nearest},
};
use crate::plan::{ListedRole, Param, ParamKind, RoleUse, Step, listed_roles};
use include_dir::{Dir, include_dir};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};
use toml::{Spanned, de::DeTable, de::DeValue};

/// The roles that are part of goldsmith.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/provisioners");

/// What a role's folder must have.
const ROLE_FILE: &str = "role.toml";

/// Names of the roles that are built in, in order.
pub fn built_in_roles() -> Vec<String> {
    fn walk(dir: &Dir<'_>, into: &mut Vec<String>) {
        if dir.contains(dir.path().join(ROLE_FILE)) {
            into.push(dir.path().display().to_string());
        }
        dir.dirs().for_each(|inner| walk(inner, into));
    }
    let mut names = Vec::new();
    walk(&BUILT_IN, &mut names);
    names.sort();
    names
}

/// The roles that a definition uses, and the one that is being read.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// The user's own folders, in the order in which they are searched.
    pub(super) folders: Vec<PathBuf>,
    /// All uses so far.
    pub(super) uses: Vec<RoleUse>,
    inside: Vec<Frame>,
}

/// A role that is being read.
#[derive(Debug)]
pub(super) struct Frame {
    name: String,
    home: Home,
    index: Option<usize>,
}

/// Where a role's files are.
#[derive(Debug, Clone)]
enum Home {
    BuiltIn(String),
    Folder(PathBuf),
}

impl Roles {
    /// Whether a role is being read.
    pub(super) fn inside(&self) -> bool {
        !self.inside.is_empty()
    }

    /// The use that is being read.
    pub(super) fn current(&self) -> Option<usize> {
        self.inside.last().and_then(|frame| frame.index)
    }

    pub(super) fn enter(&mut self, frame: Frame) {
        self.inside.push(frame);
    }

    pub(super) fn leave(&mut self) {
        self.inside.pop();
    }
}

impl Reader<'_> {
    /// Where what is being read has its files: the definition's folder, or the role's. A built-in role has none on this host.
    pub(super) fn home(&self) -> Option<PathBuf> {
        match self.roles.inside.last().map(|frame| &frame.home) {
            Some(Home::BuiltIn(_)) => None,
            Some(Home::Folder(folder)) => Some(folder.clone()),
            None => Some(self.folder.clone()),
        }
    }

    /// The text of a file beside what is being read: in the definition's folder, or in the role's.
    pub(super) fn neighbour(&self, name: &str) -> (PathBuf, io::Result<String>) {
        match self.roles.inside.last().map(|frame| &frame.home) {
            Some(Home::BuiltIn(role)) => {
                let path = Path::new(role).join(name);
                let text = BUILT_IN.get_file(&path).and_then(|file| file.contents_utf8());
                let missing = || io::Error::new(io::ErrorKind::NotFound, "the role has no such file");
                (Path::new("provisioners").join(path), text.map(str::to_owned).ok_or_else(missing))
            }
            Some(Home::Folder(folder)) => {
                let path = folder.join(name);
                let text = self.files.read_text(&path);
                (path, text)
            }
            None => {
                let path = self.folder.join(name);
                let text = self.files.read_text(&path);
                (path, text)
            }
        }
    }
}

/// A role's file.
struct Found {
    home: Home,
    shown: String,
    text: String,
}

/// Finds `role`; reports when it is nowhere.
fn find(role: &At<Text>, reader: &mut Reader<'_>) -> Option<Found> {
    let name = &role.value.0.text;
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !name.split('/').all(is_part) {
        let help = "it is the name of a folder with a `role.toml`, such as `containerd` or `providers/aws`";
        reader.report(&role.span, format!("`{}` cannot name a role", name.escape_debug())).help(help);
        return None;
    }
    for folder in reader.roles.folders.clone() {
        let home = folder.join(name);
        let path = home.join(ROLE_FILE);
        match reader.files.read_text(&path) {
            Ok(text) => {
                return Some(Found { home: Home::Folder(home), shown: path.display().to_string(), text });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                reader.report(&role.span, format!("cannot read the role `{}`", path.display())).cause(error);
                return None;
            }
        }
    }
    let path = Path::new(name).join(ROLE_FILE);
    if let Some(text) = BUILT_IN.get_file(&path).and_then(|file| file.contents_utf8()) {
        let shown = Path::new("provisioners").join(&path).display().to_string();
        return Some(Found { home: Home::BuiltIn(name.clone()), shown, text: text.to_owned() });
    }
    let known = built_in_roles();
    let names = || known.iter().map(String::as_str);
    let help = match nearest(name, names()) {
        Some(guess) => format!("did you mean `{guess}`?"),
        None if known.is_empty() => "name a folder with roles of your own in `roles`".to_owned(),
        None => format!("built in are {}; name folders with roles of your own in `roles`", all_of(names())),
    };
    reader.report(&role.span, format!("no role is called `{}`", name.escape_debug())).help(help);
    None
}

/// The steps of `role` with the parameters `with`.
pub(super) fn expand(
    role: At<Text>,
    with: Field<Map<Json>>,
    when: Option<String>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Step>> {
    let name = role.value.0.text.clone();
    let circle = reader.roles.inside.iter().any(|frame| frame.name == name);
    resolve::holds(&role.span, !circle, reader, || format!("the role `{name}` is a part of itself"))?;
    let found = find(&role, reader)?;
    let file = SourceFile::new(&found.shown, &found.text);
    let frame = |index| Frame { name: name.clone(), home: found.home.clone(), index };
    let raw = reader.inside_role(frame(None), file.clone(), |reader| read(&found.text, reader))?;
    let RoleFile { description, param, let_, step } = raw;
    let params = reader.inside_role(frame(None), file.clone(), |reader| params(param, reader))?;
    let given = given(with, &role, &params, reader)?;
    let lets = ordered(let_.or(Map::new())?);
    let description = description.required()?.value.0.text;
    let index = reader.roles.uses.len();
    let at = reader.file.place(role.span.start);
    let parent = reader.roles.current();
    reader.roles.uses.push(RoleUse {
        name: name.clone(),
        description,
        parent,
        when,
        params,
        given,
        lets,
        at,
    });
    reader.inside_role(frame(Some(index)), file, |reader| resolve::steps(step, reader))
}

/// The steps of all roles that the parameter `parameter` of the role that is being read lists.
pub(super) fn expand_listed(
    parameter: &At<Text>,
    when: Option<&str>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Step>> {
    let span = &parameter.span;
    let (roles, is_literal) = listed(parameter, reader)?;
    let mut steps = Some(Vec::new());
    for ListedRole { name, with } in roles {
        let entry = |value| Entry { key: span.clone(), value: At { value: Json(value), span: span.clone() } };
        let as_written = |value| if is_literal { literals(value) } else { value };
        let with = with.into_iter().map(|(key, value)| (key, entry(as_written(value)))).collect();
        let with = Field::Good(At { value: with, span: span.clone() });
        let more = expand(name_at(name, span), with, when.map(str::to_owned), reader);
        steps = steps.zip(more).map(|(mut steps, more)| {
            steps.extend(more);
            steps
        });
    }
    steps
}

fn name_at(name: String, span: &Span) -> At<Text> {
    At { value: Text(Expanded { text: name, ..Expanded::default() }), span: span.clone() }
}

/// `value` with every text in it as a template that gives it as it is.
fn literals(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(resolve::literal(text)),
        Value::Array(items) => items.into_iter().map(literals).collect(),
        Value::Object(keys) => keys.into_iter().map(|(key, value)| (key, literals(value))).collect(),
        other => other,
    }
}

/// The roles that a parameter of the role that is being read lists, and whether the definition itself lists them, in which nothing is a template. A
/// role may pass its own parameter on.
fn listed(parameter: &At<Text>, reader: &mut Reader<'_>) -> Option<(Vec<ListedRole>, bool)> {
    let wrong = |message: String, reader: &mut Reader<'_>| {
        let help = "`roles-from` names a parameter of the kind `roles`";
        reader.report(&parameter.span, message).help(help);
        None
    };
    let mut name = parameter.value.0.text.clone();
    let mut index = reader.roles.current();
    loop {
        let Some(role) = index.and_then(|index| reader.roles.uses.get(index)) else {
            return wrong("only a role has parameters that list roles".to_owned(), reader);
        };
        let Some(param) =
            role.params.iter().find(|param| param.name == name && param.kind == ParamKind::Roles)
        else {
            let message = format!("the role `{}` has no parameter `{name}` that lists roles", role.name);
            return wrong(message, reader);
        };
        match role.given.get(&name).or(param.default.as_ref()) {
            None | Some(Value::Null) => return Some((Vec::new(), false)),
            Some(Value::String(text)) => {
                let inner = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
                let outer = role.parent.and_then(|parent| reader.roles.uses.get(parent));
                let passed = inner.zip(outer).and_then(|(inner, outer)| {
                    outer.params.iter().find(|param| param.variable() == inner.trim())
                });
                let Some(passed) = passed else {
                    let message = format!("which roles `{text}` lists is known too late");
                    return wrong(message, reader);
                };
                (name, index) = (passed.name.clone(), role.parent);
            }
            Some(value) => return Some((listed_roles(value).unwrap_or_default(), role.parent.is_none())),
        }
    }
}

fn read(text: &str, reader: &mut Reader<'_>) -> Option<RoleFile> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors.iter().take(super::builds::MOST_SYNTAX_PROBLEMS) {
            let problem = super::builds::syntax_problem(&reader.file, error);
            reader.push(problem);
        }
        return None;
    }
    let root = Spanned::new(document.span(), DeValue::Table(document.into_inner()));
    RoleFile::decode(&root, reader)
}

fn params(params: Field<Map<Parameter>>, reader: &mut Reader<'_>) -> Option<Vec<Param>> {
    let mut entries: Vec<_> = params.or(Map::new())?.into_iter().collect();
    entries.sort_by_key(|(_, entry)| entry.key.start);
    let params: Vec<Option<Param>> = entries
        .into_iter()
        .map(|(name, entry)| {
            let Parameter { type_, required, default, choices, description } = entry.value.value;
            let kind = type_.maybe()?.map_or(ParamKind::String, |at| at.value.0);
            let required = required.or(false)?;
            let default = default.maybe()?;
            let choices = choices.or(Vec::new())?.into_iter().map(|at| at.value.0.text).collect();
            let description = description.maybe()?.map(|at| at.value.0.text).unwrap_or_default();
            let param = Param { name, kind, required, default: None, choices, description };
            let default = match default {
                None => None,
                Some(at) => Some(check(&param, at.value.0, &at.span, reader)?),
            };
            resolve::holds(&entry.key, !(required && default.is_some()), reader, || {
                format!("`{}` is required, so that its default is never used", param.name)
            })?;
            Some(Param { default, ..param })
        })
        .collect();
    params.into_iter().collect()
}

/// `value` as `param` takes it, unless it is a template, of which that is not known yet.
fn check(
    param: &Param,
    value: serde_json::Value,
    span: &Span,
    reader: &mut Reader<'_>,
) -> Option<serde_json::Value> {
    if value.as_str().is_some_and(|text| reader.is_template(text)) {
        return Some(value);
    }
    match param.accept(value) {
        Ok(value) => {
            // Here it is known where its name is written.
            let named = if param.kind == ParamKind::Roles { listed_roles(&value) } else { None };
            let there: Vec<Option<Found>> =
                named.into_iter().flatten().map(|role| find(&name_at(role.name, span), reader)).collect();
            there.iter().all(Option::is_some).then_some(value)
        }
        Err(wrong) => {
            reader.report(span, format!("`{}` {wrong}", param.name));
            None
        }
    }
}

fn given(
    with: Field<Map<Json>>,
    role: &At<Text>,
    params: &[Param],
    reader: &mut Reader<'_>,
) -> Option<BTreeMap<String, serde_json::Value>> {
    let mut given = BTreeMap::new();
    let mut all_right = true;
    for (name, entry) in with.or(Map::new())? {
        let Some(param) = params.iter().find(|param| param.name == name) else {
            let names = || params.iter().map(|param| param.name.as_str());
            let help = match nearest(&name, names()) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None if params.is_empty() => "it takes none".to_owned(),
                None => format!("it takes {}", all_of(names())),
            };
            let message =
                format!("the role `{}` has no parameter `{}`", role.value.0.text, name.escape_debug());
            reader.report(&entry.key, message).help(help);
            all_right = false;
            continue;
        };
        match check(param, entry.value.value.0, &entry.value.span, reader) {
            Some(value) => drop(given.insert(name, value)),
            None => all_right = false,
        }
    }
    for param in params.iter().filter(|param| param.required && !given.contains_key(&param.name)) {
        // What was given wrongly is reported already.
        if all_right {
            let message = format!("the role `{}` needs the parameter `{}`", role.value.0.text, param.name);
            reader
                .report(&role.span, message)
                .help(format!("add `with.{} = …`: {}", param.name, param.description));
        }
        all_right = false;
    }
    all_right.then_some(given)
}

/// The entries of a table in the order in which they are written.
fn ordered(table: Map<Json>) -> Vec<(String, serde_json::Value)> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(_, entry)| entry.key.start);
    entries.into_iter().map(|(name, entry)| (name, entry.value.value.0)).collect()
}
