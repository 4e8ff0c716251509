//! The user's definition: TOML in, a resolved [`Plan`] or all that is wrong with it out.
//!
//! Read in this order: [`raw`] lists every table and key; [`reader`] walks over the parsed TOML and collects problems;
//! [`scope`] replaces `${…}`; [`resolve`](self::resolve) turns what was read into a plan. A problem never ends the
//! walk, so that a person sees all of them at once.
mod early;
mod files;
mod problem;
mod raw;
mod reader;
mod resolve;
mod role;
mod scalar;
mod schema;
mod scope;
mod suggest;
mod table;
mod template;
#[cfg(test)]
mod tests;

pub use problem::{DefinitionError, Problem};
pub use role::built_in_roles;
pub use schema::json_schema;
pub use template::{TemplateKind, template};

use crate::{plan::Plan, value::Arch};
use files::{Files, HostFiles, NoFiles};
use problem::SourceFile;
use reader::{Raw, Reader};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use toml::de::{DeTable, DeValue};

/// What decides about a plan besides the definition itself.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// `--var NAME=VALUE`, in the order given; the last one of a name wins.
    pub vars: Vec<(String, String)>,
    /// `--var-file`: TOML tables of strings; the last one wins.
    pub var_files: Vec<PathBuf>,
    /// The environment, of which only `GOLDSMITH_VAR_*` is used.
    pub env: BTreeMap<String, String>,
    /// Where outputs go unless they say otherwise; `out` when not given.
    pub out_dir: Option<PathBuf>,
    /// The architecture when the definition names none.
    pub host_arch: Option<Arch>,
}

/// Reads the definition at `path`, and the var files and scripts that belong to it, and resolves it.
///
/// It touches nothing else: local files that the plan names are only checked to be there and readable.
pub fn load(path: &Path, inputs: &Inputs) -> Result<Plan, DefinitionError> {
    let shown = path.display().to_string();
    let unreadable = |error| {
        let mut problem = Problem::without_place(format!("cannot read the definition `{shown}`"));
        problem.cause(error);
        DefinitionError::new(&shown, vec![problem])
    };
    let text = HostFiles.read_text(path).map_err(unreadable)?;
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let out_dir = std::path::absolute(out_dir(inputs)).map_err(unreadable)?;
    let inputs = Inputs { out_dir: Some(out_dir), ..inputs.clone() };
    resolve_with(&text, &shown, &absolute, &inputs, &HostFiles)
}

/// Resolves the text of a definition at `path` without touching any file.
///
/// Local files are not checked, and what would have to be read (a `script-file`, a var file) is a problem. Paths become
/// absolute only when `path` and [`Inputs::out_dir`] are.
pub fn resolve(text: &str, path: &Path, inputs: &Inputs) -> Result<Plan, DefinitionError> {
    resolve_with(text, &path.display().to_string(), path, inputs, &NoFiles)
}

/// After a few, the parser mostly reports what follows from those before.
const MOST_SYNTAX_PROBLEMS: usize = 5;

fn out_dir(inputs: &Inputs) -> PathBuf {
    inputs.out_dir.clone().unwrap_or_else(|| PathBuf::from("out"))
}

fn resolve_with(
    text: &str,
    shown: &str,
    path: &Path,
    inputs: &Inputs,
    files: &dyn Files,
) -> Result<Plan, DefinitionError> {
    let file = SourceFile::new(shown, text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problems =
            errors.iter().take(MOST_SYNTAX_PROBLEMS).map(|error| syntax_problem(&file, error)).collect();
        return Err(DefinitionError::new(shown, problems));
    }
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut reader = Reader::new(file, inputs, files, folder);
    reader.scope.set_arch(inputs.host_arch);
    if !document.get_ref().contains_key("name") {
        reader.scope.set_name(None);
    }
    if let Some(secrets) = document.get_ref().get("secret").and_then(|secrets| secrets.get_ref().as_table()) {
        reader.scope.secrets = secrets.keys().map(|name| name.get_ref().to_string()).collect();
    }
    let root = toml::Spanned::new(document.span(), DeValue::Table(document.into_inner()));
    let plan = raw::Definition::decode(&root, &mut reader)
        .and_then(|definition| resolve::plan(definition, path, &mut reader));
    match plan {
        Some(plan) if reader.problems.is_empty() => Ok(plan),
        _ => {
            if reader.problems.is_empty() {
                // A plan is only missing after a problem; should that ever fail, it must not look like success.
                reader.push(Problem::without_place(format!("cannot resolve the definition `{shown}`")));
            }
            Err(DefinitionError::new(shown, reader.problems))
        }
    }
}

/// What the TOML parser found, in the words of people who meet TOML for the first time.
fn syntax_problem(file: &SourceFile, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or_default();
    let line =
        file.text().get(..span.start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    let mut problem = file.problem(span, format!("this is not TOML: {}", error.message()));
    if error.message().contains("leading zero") && line.contains("mode") {
        problem.help("permission bits are a string: `mode = \"0644\"`");
    }
    problem
}
