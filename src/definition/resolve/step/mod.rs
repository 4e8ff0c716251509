//! `[[provision]]`: what is done in the guest. Each kind of step has a file.
mod ansible;
mod archive;
mod assertion;
mod directory;
mod download;
mod file;
mod group;
mod hosts;
mod image;
mod line;
mod link;
mod module;
mod mount;
mod package;
mod repository;
mod service;
mod shell;
mod sudoers;
mod swap;
mod sysctl;
mod template;
mod transfer;
mod unit;
mod user;
mod wait_for;

pub(in crate::definition) use file::literal;

use super::{check, label, machine::timeout};
use crate::{
    definition::{
        problem::Span,
        raw::Provision,
        reader::{At, Field, Reader},
        role::{expand, expand_listed},
        scalar::{ForEachChoice, List, Text},
        suggest::one_of,
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
        if self.any_bad {
            return None;
        }
        // Naming every kind would bury what is wrong.
        let mut given: Vec<_> =
            self.names.iter().filter_map(|(name, span)| Some((*name, span.as_ref()?))).collect();
        given.sort_by_key(|(_, span)| span.start);
        match &given[..] {
            [] => {
                let names = self.names.iter().map(|(name, _)| *name);
                reader
                    .report(place, "a `[[provision]]` needs a kind of step, such as `shell` or `file`")
                    .label("none is here")
                    .help(format!("it is {}", one_of(names)));
                None
            }
            [_] => self.chosen,
            [(first, first_span), .., (last, last_span)] => {
                reader
                    .report(last_span, "a `[[provision]]` is of one kind only")
                    .label(format!("`{last}` is too much"))
                    .also((*first_span).clone(), format!("`{first}` is here"))
                    .help("make each a `[[provision]]` of its own");
                None
            }
        }
    }
}

fn step(At { value: raw, span }: At<Provision>, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    // What a text of a repeated step will be is known only when it runs.
    let outside = reader.templated;
    reader.templated |= !raw.for_each.is_absent();
    let steps = if raw.role.is_absent() && raw.roles_from.is_absent() {
        one(At { value: raw, span }, reader).map(|step| vec![step])
    } else {
        role(At { value: raw, span }, reader)
    };
    reader.templated = outside;
    steps
}

/// The steps of a role, or of those that a parameter lists.
fn role(At { value: raw, .. }: At<Provision>, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let Provision { name, timeout, retries, when, for_each, finally, role, with, roles_from, .. } = raw;
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
    let steps = match (roles_from, role) {
        (Field::Absent, role) => expand(role.required()?, with, when, reader),
        (roles, role) => {
            for (key, other) in [("role", role.span()), ("with", with.span())] {
                if let Some(other) = other {
                    reader.report(other, format!("`{key}` does not go with `roles-from`"));
                    all_right = false;
                }
            }
            expand_listed(&roles.required()?, when.as_deref(), reader)
        }
    };
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
        directory,
        link,
        line,
        unit,
        sysctl,
        module,
        group,
        sudoers,
        hostname,
        hosts,
        swap,
        mount,
        wait_for,
        check: assertion,
        repository,
        download,
        archive,
        image,
        ansible,
        role,
        with,
        roles_from: _,
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
    kinds.offer("directory", directory, |at, reader| directory::resolve(at, reader).map(StepKind::Directory));
    kinds.offer("link", link, |at, reader| link::resolve(at, reader).map(StepKind::Link));
    kinds.offer("line", line, |at, reader| line::resolve(at, reader).map(StepKind::Line));
    kinds.offer("unit", unit, |at, reader| unit::resolve(at, reader).map(StepKind::Unit));
    kinds.offer("sysctl", sysctl, |at, reader| sysctl::resolve(at, reader).map(StepKind::Sysctl));
    kinds.offer("module", module, |at, reader| module::resolve(at, reader).map(StepKind::Module));
    kinds.offer("group", group, |at, reader| group::resolve(at, reader).map(StepKind::Group));
    kinds.offer("sudoers", sudoers, |at, reader| sudoers::resolve(at, reader).map(StepKind::Sudoers));
    kinds.offer("hostname", hostname, |at, reader| hosts::hostname(at, reader).map(StepKind::Hostname));
    kinds.offer("hosts", hosts, |at, reader| hosts::resolve(at, reader).map(StepKind::Hosts));
    kinds.offer("swap", swap, |at, reader| swap::resolve(at, reader).map(StepKind::Swap));
    kinds.offer("mount", mount, |at, reader| mount::resolve(at, reader).map(StepKind::Mount));
    kinds.offer("wait-for", wait_for, |at, reader| wait_for::resolve(at, reader).map(StepKind::WaitFor));
    kinds.offer("check", assertion, |at, reader| assertion::resolve(at, reader).map(StepKind::Check));
    kinds.offer("repository", repository, |at, reader| {
        repository::resolve(at, reader).map(StepKind::Repository)
    });
    kinds.offer("download", download, |at, reader| download::resolve(at, reader).map(StepKind::Download));
    kinds.offer("archive", archive, |at, reader| archive::resolve(at, reader).map(StepKind::Archive));
    kinds.offer("image", image, |at, reader| image::resolve(at, reader).map(StepKind::Image));
    kinds.offer("ansible", ansible, |at, reader| ansible::resolve(at, reader).map(StepKind::Ansible));
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
    matches!(kind, "package" | "download" | "archive" | "image")
}
