//! The kinds of steps, one file each. Where a kind is a script, the script is made by a pure function.
pub(super) mod file;
pub(super) mod package;
pub(super) mod service;
pub(super) mod shell;
pub(super) mod user;
