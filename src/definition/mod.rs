//! The user's definition: TOML in, a resolved [`Plan`] or all that is wrong with it out.
//!
//! Read in this order: [`raw`] lists every table and key; [`reader`] walks over the parsed TOML and collects problems;
//! [`scope`] replaces `${…}`; [`resolve`](self::resolve) turns what was read into a plan. A problem never ends the
//! walk, so that a person sees all of them at once. A definition with a [`matrix`] is walked over once for each of its [`builds`].
mod builds;
mod early;
mod files;
mod matrix;
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
pub use suggest::nearest as nearest_name;
pub use template::{TemplateKind, template};

use crate::{plan::Plan, value::Arch};
use files::{Files, HostFiles, NoFiles};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

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

/// What a definition comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Builds {
    /// Names of all builds, in the order of the definition, also of those that were not wanted.
    pub names: Vec<String>,
    /// The plans of those that were.
    pub plans: Vec<Plan>,
}

/// Reads the definition at `path`, and the var files and scripts that belong to it, and resolves it. It must be one build.
///
/// It touches nothing else: local files that the plan names are only checked to be there and readable.
pub fn load(path: &Path, inputs: &Inputs) -> Result<Plan, DefinitionError> {
    let (text, shown, absolute, inputs) = read(path, inputs)?;
    builds::only(Written { text: &text, shown: &shown, path: &absolute }, &inputs, &HostFiles)
}

/// The same for a definition that may have a `[matrix]`. Builds whose names are not `wanted` are not looked at.
pub fn load_all(
    path: &Path,
    inputs: &Inputs,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Builds, DefinitionError> {
    let (text, shown, absolute, inputs) = read(path, inputs)?;
    builds::all(Written { text: &text, shown: &shown, path: &absolute }, &inputs, &HostFiles, wanted)
}

/// The same for a definition that is in no file: `path` is where it would lie.
pub fn load_text(
    text: &str,
    path: &Path,
    inputs: &Inputs,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Builds, DefinitionError> {
    builds::all(Written { text, shown: &path.display().to_string(), path }, inputs, &HostFiles, wanted)
}

/// Resolves the text of a definition at `path` without touching any file. It must be one build.
///
/// Local files are not checked, and what would have to be read (a `script-file`, a var file) is a problem. Paths become
/// absolute only when `path` and [`Inputs::out_dir`] are.
pub fn resolve(text: &str, path: &Path, inputs: &Inputs) -> Result<Plan, DefinitionError> {
    builds::only(Written { text, shown: &path.display().to_string(), path }, inputs, &NoFiles)
}

/// The same for a definition that may have a `[matrix]`.
pub fn resolve_all(
    text: &str,
    path: &Path,
    inputs: &Inputs,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Builds, DefinitionError> {
    builds::all(Written { text, shown: &path.display().to_string(), path }, inputs, &NoFiles, wanted)
}

/// A definition before it is read.
#[derive(Debug, Clone, Copy)]
struct Written<'a> {
    text: &'a str,
    /// How people know the file.
    shown: &'a str,
    path: &'a Path,
}

fn read(path: &Path, inputs: &Inputs) -> Result<(String, String, PathBuf, Inputs), DefinitionError> {
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
    Ok((text, shown, absolute, inputs))
}

fn out_dir(inputs: &Inputs) -> PathBuf {
    inputs.out_dir.clone().unwrap_or_else(|| PathBuf::from("out"))
}
