//! `[[provision]]`: what is done in the guest. Each kind of step has a file.
mod file;
mod package;
mod service;
mod shell;
mod template;
mod user;

use super::{check, label, machine::timeout};
use crate::{
    definition::{
        problem::Span,
        raw::Provision,
        reader::{At, Field, Reader},
        role::expand,
        scalar::{ForEachChoice, List, Text},
    },
    plan::{ForEach, RebootStep, Rules, Step, StepKind},
    value::HumanDuration,
};

/// Long enough for a distribution upgrade over a slow line.
const DEFAULT_TIMEOUT: HumanDuration = HumanDuration::seconds(30 * 60);
/// Mirrors fail now and then; scripts that fail once fail again.
const NETWORK_RETRIES: u32 = 3;
/// More is a loop, not a retry.
const MOST_RETRIES: u32 = 100;

/// The steps of a list, those of roles in their places.
pub(in crate::definition) fn steps(
    steps: Field<List<Provision>>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Step>> {
    let steps: Vec<Option<Vec<Step>>> =
        steps.or(List::new())?.into_iter().map(|at| step(at, reader)).collect();
    Some(steps.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
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

fn step(At { value: raw, span }: At<Provision>, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    // What a text of a repeated step will be is known only when it runs.
    let outside = reader.templated;
    reader.templated |= !raw.for_each.is_absent();
    let steps = if raw.role.is_absent() {
        one(At { value: raw, span }, reader).map(|step| vec![step])
    } else {
        role(At { value: raw, span }, reader)
    };
    reader.templated = outside;
    steps
}

/// The steps of a role.
fn role(At { value: raw, .. }: At<Provision>, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let Provision { name, timeout, retries, when, for_each, finally, role, with, .. } = raw;
    let others = [
        ("name", name.span()),
        ("timeout", timeout.span()),
        ("retries", retries.span()),
        ("for-each", for_each.span()),
        ("finally", finally.span()),
    ];
    let mut all_right = true;
    for (key, other) in others {
        if let Some(other) = other {
            reader.report(other, format!("a `role` has no `{key}` of its own: its steps have theirs"));
            all_right = false;
        }
    }

    let when = expression(when, reader)?;
    let steps = expand(role.required()?, with, when, reader);
    steps.filter(|_| all_right)
}

/// The text of an expression, if there is one.
#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
fn expression(when: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = when.maybe()? else { return Some(None) };
    let help = "write an expression such as `os.family == \"debian\"`";
    let right = |text: &str| !text.trim().is_empty() && !text.contains("{{");
    let text = at.value.0.text;
    if !right(&text) {
        reader.report(&at.span, format!("`{}` is no expression", text.escape_debug())).help(help);
        return None;
    }
    Some(Some(text))
}

fn one<'a>(At { value: raw, span }: At<Provision>, reader: &mut Reader<'a>) -> Option<Step> {
    let Provision {
        name,
        timeout: limit,
        retries,
        when,
        for_each,
        finally,
        shell,
        file,
        template,
        package,
        service,
        user,
        reboot,
        role,
        with,
    } = raw;
    // A script's file name says more than its first line, but is no longer known later.
    let mut script_name = None;
    let mut kinds = Kinds::default();
    kinds.offer("shell", shell, |at, reader: &mut Reader<'a>| {
        shell::resolve(at, &mut script_name, reader).map(StepKind::Shell)
    });
    kinds.offer("file", file, |at, reader| file::resolve(at, reader).map(StepKind::File));
    kinds.offer("template", template, |at, reader| template::resolve(at, reader).map(StepKind::Template));
    kinds.offer("package", package, |at, reader| package::resolve(at, reader).map(StepKind::Package));
    kinds.offer("service", service, |at, reader| service::resolve(at, reader).map(StepKind::Service));
    kinds.offer("user", user, |at, reader| user::resolve(at.value, reader).map(StepKind::User));
    kinds.offer("reboot", reboot, |At { value, span }, reader| {
        check::holds(&span, value, reader, || {
            "`reboot = false` is no step: write `true`, or remove the step".to_owned()
        })?;
        Some(StepKind::Reboot(RebootStep {}))
    });
    kinds.offer("role", role, |_, _| None);
    let chosen = kinds.one(&span, reader);
    if let Some(with) = with.span() {
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
    let when = expression(when, reader);
    let for_each = for_each.maybe().map(|at| {
        at.map(|at| match at.value {
            ForEachChoice::Expression(text) => ForEach::Expression(text.0.text),
            ForEachChoice::List(items) => ForEach::List(items.into_iter().map(|at| at.value.0).collect()),
        })
    });
    let finally = finally.or(false);
    let kind = chosen.and_then(|(_, resolve)| resolve(reader))?;
    let label = name?.unwrap_or_else(|| label::of(&kind, script_name.as_deref()));
    let rules = Rules {
        when: when?,
        for_each: for_each?,
        finally: finally?,
        templated: reader.templated,
        role: reader.roles.current(),
    };
    Some(Step { label, kind, timeout: limit?, retries: retries?, at: reader.file.place(span.start), rules })
}

/// Whether steps of this kind fail now and then through no fault of theirs.
fn uses_network(kind: &str) -> bool {
    kind == "package"
}
