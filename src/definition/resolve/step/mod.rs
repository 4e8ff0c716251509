//! `[[provision]]`: what is done in the guest. Each kind of step has a file.
mod file;
mod package;
mod service;
mod shell;
mod user;

use super::{check, label, machine::timeout};
use crate::{
    definition::{
        problem::Span,
        raw::Provision,
        reader::{At, Field, Reader},
        scalar::List,
    },
    plan::{RebootStep, Step, StepKind},
    value::HumanDuration,
};

/// Long enough for a distribution upgrade over a slow line.
const DEFAULT_TIMEOUT: HumanDuration = HumanDuration::seconds(30 * 60);
/// Mirrors fail now and then; scripts that fail once fail again.
const NETWORK_RETRIES: u32 = 3;
/// More is a loop, not a retry.
const MOST_RETRIES: u32 = 100;

pub(super) fn steps(steps: Field<List<Provision>>, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let steps: Vec<Option<Step>> = steps.or(List::new())?.into_iter().map(|at| step(at, reader)).collect();
    steps.into_iter().collect()
}

/// Makes a step of what was read.
type Resolve<'r, 'a> = Box<dyn FnOnce(&mut Reader<'a>) -> Option<StepKind> + 'r>;

/// The kinds that a `[[provision]]` names, of which there must be one.
#[derive(Default)]
struct Kinds<'r, 'a> {
    names: Vec<(&'static str, Option<Span>)>,
    any_bad: bool,
    chosen: Option<(&'static str, Resolve<'r, 'a>)>,
}

impl<'r, 'a> Kinds<'r, 'a> {
    /// Takes the key `name`, from which `resolve` makes a step.
    fn offer<T: 'r>(
        &mut self,
        name: &'static str,
        field: Field<T>,
        resolve: impl FnOnce(At<T>, &mut Reader<'a>) -> Option<StepKind> + 'r,
    ) {
        self.names.push((name, field.span().cloned()));
        match field {
            Field::Absent => {}
            Field::Bad => self.any_bad = true,
            Field::Good(at) => {
                self.chosen.get_or_insert((name, Box::new(move |reader| resolve(at, reader))));
            }
        }
    }

    /// The one that is there; reports when it is none or several.
    fn one(self, place: &Span, reader: &mut Reader<'_>) -> Option<(&'static str, Resolve<'r, 'a>)> {
        let given: Vec<_> = self.names.iter().map(|(name, span)| (*name, span.as_ref())).collect();
        if self.any_bad || !check::exactly_one(place, "a `[[provision]]`", &given, reader) {
            return None;
        }
        self.chosen
    }
}

fn step<'a>(At { value: raw, span }: At<Provision>, reader: &mut Reader<'a>) -> Option<Step> {
    let Provision { name, timeout: limit, retries, shell, file, package, service, user, reboot, role, with } =
        raw;
    let role_given = !role.is_absent();
    // A script's file name says more than its first line, but is no longer known later.
    let mut script_name = None;
    let mut kinds = Kinds::default();
    kinds.offer("shell", shell, |at, reader: &mut Reader<'a>| {
        shell::resolve(at, &mut script_name, reader).map(StepKind::Shell)
    });
    kinds.offer("file", file, |at, reader| file::resolve(at, reader).map(StepKind::File));
    kinds.offer("package", package, |at, reader| package::resolve(at, reader).map(StepKind::Package));
    kinds.offer("service", service, |at, reader| service::resolve(at, reader).map(StepKind::Service));
    kinds.offer("user", user, |at, reader| user::resolve(at.value, reader).map(StepKind::User));
    kinds.offer("reboot", reboot, |At { value, span }, reader| {
        check::holds(&span, value, reader, || {
            "`reboot = false` is no step: write `true`, or remove the step".to_owned()
        })?;
        Some(StepKind::Reboot(RebootStep {}))
    });
    kinds.offer("role", role, |role, reader| {
        let message = format!("no role is called `{}`", role.value.0.text.escape_debug());
        reader
            .report(&role.span, message)
            .label("this version of goldsmith has no roles built in")
            .help("write its steps here: `shell`, `file`, `package`, `service`, `user` or `reboot`");
        None
    });
    let chosen = kinds.one(&span, reader);
    if let (Some(with), false) = (with.span(), role_given) {
        reader.report(with, "`with` gives parameters to a `role`, but this step has none");
    }
    let name = match name.maybe() {
        Some(None) => Some(None),
        Some(Some(name)) => {
            let right = |name: &str| !name.trim().is_empty() && check::is_line(name);
            check::text(name, reader, right, "cannot be the name of a step", "write one line").map(Some)
        }
        None => None,
    };
    let limit = timeout(limit, DEFAULT_TIMEOUT, reader);
    let uses_network = chosen.as_ref().is_some_and(|(kind, _)| uses_network(kind));
    let retries_place = retries.span().cloned().unwrap_or_default();
    let retries = retries.or(if uses_network { NETWORK_RETRIES } else { 0 }).and_then(|retries| {
        check::holds(&retries_place, retries <= MOST_RETRIES, reader, || {
            format!("{retries} retries are too many: at most {MOST_RETRIES}")
        })
        .map(|()| retries)
    });
    let kind = chosen.and_then(|(_, resolve)| resolve(reader))?;
    let label = name?.unwrap_or_else(|| label::of(&kind, script_name.as_deref()));
    Some(Step { label, kind, timeout: limit?, retries: retries?, at: reader.file.place(span.start) })
}

/// Whether steps of this kind fail now and then through no fault of theirs.
fn uses_network(kind: &str) -> bool {
    kind == "package"
}
