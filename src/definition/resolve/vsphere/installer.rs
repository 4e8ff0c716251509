//! `[source.iso]` in a vCenter: the machine starts from its CD drive, keys are typed, and it is off when the installer is done.
use super::super::check;
use crate::{
    definition::{
        problem::Span,
        raw::Iso,
        reader::{At, Field, Reader},
    },
    plan::{AnswersPlan, InstallEnd, InstallSystem, InstallerBoot, IsoPlan, typed::parse},
};

/// Reports what cannot be of a medium.
pub(super) fn fits(iso: &Iso, header: &Span, reader: &mut Reader<'_>) {
    let installs = !iso.install.is_absent();
    if !installs && iso.r#type.is_absent() {
        reader
            .report(header, "a kernel cannot be started directly in a vCenter")
            .label("nothing starts the installer")
            .help("say what to type in `[[source.iso.type]]`, or let `[source.iso.install]` do it");
    }
    if let Field::Good(At { value: true, span }) = &iso.menu_arguments
        && installs
    {
        reader
            .report(
                span,
                "the arguments of the medium's boot menu cannot be kept where the kernel is started by keys",
            )
            .help("say what is needed of them in `arguments`");
    }
    if let Field::Good(At { value: steps, .. }) = &iso.r#type {
        for At { value: step, .. } in steps {
            for (key, span) in [("serial", step.serial.span()), ("screen", step.screen.span())] {
                if let Some(span) = span {
                    reader
                        .report(span, format!("`{key}` cannot be read of a machine in a vCenter"))
                        .help("wait for some time, with `after`");
                }
            }
        }
    }
    if let Field::Good(At { value: answers, .. }) = &iso.answers
        && !installs
        && let Field::Good(At { value: true, span }) = &answers.serve
    {
        reader
            .report(span, "this host serves no answers to machines in a vCenter")
            .help("leave `serve` out: they are on a CD, whose label `volume` says");
    }
}

/// Lets the installer end with a machine that is off, if it can be told so.
pub(in super::super) fn ends_off(
    plan: &mut AnswersPlan,
    header: &Span,
    reader: &mut Reader<'_>,
) -> Option<()> {
    if plan.system == InstallSystem::Photon {
        reader
            .report(header, "the installer of photon restarts the machine, and in a vCenter only one that is off is known to be installed")
            .help("start from Photon's OVA in `[source.vsphere]`; or install it here under KVM, make an `ova`, and `goldsmith publish vsphere`");
        return None;
    }
    plan.end = InstallEnd::PowerOff;
    Some(())
}

/// Starts the installer by keys instead of directly.
pub(in super::super) fn typed(
    plan: &AnswersPlan,
    iso: &mut IsoPlan,
    header: &Span,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let boot = match plan.typed(&iso.boot) {
        Ok(boot) => boot,
        Err(problem) => {
            reader.report(header, problem.to_string()).help(problem.advice());
            return None;
        }
    };
    if let InstallerBoot::Typed { steps } = &boot {
        for step in steps {
            if let Err(error) = parse(&step.keys) {
                check::holds(header, false, reader, || {
                    format!("what starts the kernel cannot be typed: {error}")
                })?;
            }
        }
    }
    iso.boot = boot;
    Some(())
}
