//! Scaffold: what the command line needs of `definition`, until it is merged.
#![allow(missing_docs)]
use crate::{plan::Plan, value::Arch};
use std::{collections::BTreeMap, path::{Path, PathBuf}};
#[derive(Debug, Clone, Default)]
pub struct Inputs { pub vars: Vec<(String, String)>, pub var_files: Vec<PathBuf>, pub env: BTreeMap<String, String>, pub out_dir: Option<PathBuf>, pub host_arch: Option<Arch> }
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("scaffold")]
pub struct DefinitionError {}
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("scaffold")]
pub struct Problem {}
impl Problem {
    pub fn message(&self) -> &str { "" }
    pub fn advice(&self) -> Option<&str> { None }
    pub fn file(&self) -> Option<&str> { None }
    pub fn line(&self) -> Option<usize> { None }
    pub fn column(&self) -> Option<usize> { None }
}
impl DefinitionError { pub fn problems(&self) -> &[Problem] { &[] } }
#[derive(Debug, Clone, Copy)]
pub enum TemplateKind { Bootstrap, Disk }
pub fn load(_: &Path, _: &Inputs) -> Result<Plan, DefinitionError> { Err(DefinitionError {}) }
pub fn json_schema() -> serde_json::Value { serde_json::Value::Null }
pub fn template(_: TemplateKind) -> String { String::new() }
