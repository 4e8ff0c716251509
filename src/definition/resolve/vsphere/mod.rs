//! `driver = "vsphere"`: whether it is meant, and what a build in a vCenter cannot have.
mod image;
mod installer;
mod machine;
mod place;
mod source;

pub(super) use image::{image, nothing};
pub(super) use installer::{ends_off, typed};
pub(super) use machine::{Hardware, guest_os, machine, only};
pub(super) use place::vcenter;
pub(super) use source::{seed, source};

use crate::definition::{
    problem::Span,
    raw::{Machine, Output, Source, Verify},
    reader::{At, Field, Reader},
    scalar::{Delivery, Driver, List, One},
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

/// Whether the definition is for a vCenter.
pub(super) fn is_meant(machine: &Field<Machine>) -> bool {
    let Field::Good(At { value: machine, .. }) = machine else { return false };
    match &machine.driver {
        Field::Good(At { value: One(driver), .. }) => *driver == Driver::Vsphere,
        Field::Absent => machine.vsphere.span().is_some() && machine.ec2.span().is_none(),
        Field::Bad => false,
    }
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

/// Reports what is of no use in a vCenter, and what is of no use without one.
pub(super) fn fits(
    there: bool,
    source: &Field<Source>,
    output: &Field<List<Output>>,
    verify: &Field<Verify>,
    reader: &mut Reader<'_>,
) {
    if let Field::Good(At { value: source, .. }) = source {
        fitting_source(there, source, reader);
    }
    if let Field::Good(At { value: outputs, .. }) = output {
        fitting_outputs(there, outputs, reader);
    }
    if there
        && let Field::Good(At { value: verify, .. }) = verify
        && let Some(span) = verify.firmware.span()
    {
        reader
            .report(span, "what is made in a vCenter boots with the firmware of its own machine")
            .help("leave `firmware` out; `firmware` in `[machine]` says what a new machine has");
    }
}

fn fitting_source(there: bool, source: &Source, reader: &mut Reader<'_>) {
    if !there {
        if let Some(span) = source.vsphere.span() {
            reader
                .report(span, "a build from a machine or an image in a vCenter runs there")
                .help("add `driver = \"vsphere\"` to `[machine]`");
        }
        return;
    }
    let others =
        [("bootstrap", source.bootstrap.span()), ("disk", source.disk.span()), ("ami", source.ami.span())];
    for (name, span) in others {
        if let Some(span) = span {
            reader
                .report(span, format!("a machine in a vCenter does not start from a `[source.{name}]`"))
                .help(
                    "name a machine, an item of a library or an OVA in `[source.vsphere]`, or a medium in `[source.iso]`; what is \
                     built here comes there by `goldsmith publish vsphere`",
                );
        }
    }
    if let Field::Good(At { value: iso, span }) = &source.iso {
        installer::fits(iso, span, reader);
    }
}

fn fitting_outputs(there: bool, outputs: &[At<Output>], reader: &mut Reader<'_>) {
    let mut first: Option<Span> = None;
    for At { value: raw, span } in outputs {
        let Field::Good(At { value: One(delivery), span: format }) = &raw.format else { continue };
        match (there, delivery) {
            (true, Delivery::Ami) => {
                reader
                    .report(format, "`driver = \"vsphere\"` makes no `ami`")
                    .help("make a file, and `goldsmith publish ami` makes an AMI of it; or write `format = \"vsphere\"`");
            }
            (false, Delivery::Vsphere) => {
                reader
                    .report(format, "what was not built in a vCenter cannot stay there: this needs `driver = \"vsphere\"`")
                    .help("make an `ova`, then `goldsmith publish vsphere` brings it there");
            }
            (true, Delivery::Vsphere) => {
                if let Some(first) = &first {
                    let first = first.clone();
                    reader
                        .report(span, "a machine becomes one thing in its vCenter")
                        .label("the second one")
                        .also(first, "the first one");
                }
                first.get_or_insert_with(|| span.clone());
            }
            (_, Delivery::File(_) | Delivery::InstanceStore) | (false, Delivery::Ami) => {}
        }
    }
}
