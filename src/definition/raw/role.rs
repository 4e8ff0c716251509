//! The tables of a role's file.
use super::step::Provision;
use crate::{
    definition::{
        scalar::{Json, List, Map, One, Text},
        table::table,
    },
    plan::ParamKind,
};

table! {
    /// A role: steps with parameters.
    "the top level", RoleFile {
        /// What it does, in a line.
        description: required Text,
        /// What it takes.
        param: optional Map<Parameter>,
        /// Names that it computes for itself, in the order in which they are written.
        let_: optional Map<Json>,
        /// What it does, in order.
        step: optional List<Provision>,
    }
}

table! {
    /// A parameter of a role.
    "a `[param.NAME]`", Parameter {
        /// What kind of value it takes: `string`, `bool`, `int`, `list`, `map` or `roles`, which is a list of
        /// roles. Default: `string`.
        type_: optional One<ParamKind>,
        /// Whether it must be given. Default: false.
        required: optional bool,
        /// What it is when not given. A text may be a template.
        default: optional Json,
        /// All values that a text may have.
        choices: optional List<Text>,
        /// What it is.
        description: optional Text,
    }
}
