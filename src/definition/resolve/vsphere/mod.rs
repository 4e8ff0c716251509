//! `driver = "vsphere"`.
mod image;
mod installer;
mod machine;
mod place;
mod source;

pub(super) use image::{image, nothing};
pub(super) use installer::{ends_off, typed};
pub(super) use machine::{guest_os, machine, only};
pub(super) use place::vcenter;
pub(super) use source::{seed, source};

use crate::definition::{
    problem::Span,
    raw::{Machine, Source},
    reader::{At, Field, Reader},
};

/// What the machine starts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Without anything on its disk.
    New,
    /// As a copy; `linked`: with the difference only.
    Copy { linked: bool },
    /// Not known, because the source is wrong.
    Unknown,
}

/// What a machine starts as that has this source.
pub(super) fn start(source: &Field<Source>) -> Start {
    let Field::Good(At { value: source, .. }) = source else { return Start::Unknown };
    match (&source.iso, &source.vsphere) {
        (Field::Good(_), _) => Start::New,
        (_, Field::Good(At { value, .. })) => {
            Start::Copy { linked: matches!(&value.linked, Field::Good(At { value: true, .. })) }
        }
        _ => Start::Unknown,
    }
}

/// Where the machine is spoken of, for what is missing there.
pub(super) fn header(machine: &Field<Machine>) -> Span {
    let inner = match machine {
        Field::Good(At { value, .. }) => value.vsphere.span().or(value.driver.span()),
        Field::Absent | Field::Bad => None,
    };
    inner.or(machine.span()).cloned().unwrap_or_default()
}

/// Reports what cannot be of a medium in a vCenter.
pub(super) fn fits(source: &Field<Source>, reader: &mut Reader<'_>) {
    if let Field::Good(At { value: source, .. }) = source
        && let Field::Good(At { value: iso, span }) = &source.iso
    {
        installer::fits(iso, span, reader);
    }
}
