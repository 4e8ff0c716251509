//! `[[provision]]`: what is done in the guest.
use super::{check, label, machine::timeout, source};
use crate::{
    definition::{
        problem::Span,
        raw::{File, Package, Provision, Service, ShellChoice, User},
        reader::{At, Field, Reader},
        scalar::{List, Map, Mode, SecretText},
    },
    plan::{
        Content, FileStep, PackageStep, RebootStep, ServiceState, ServiceStep, ShellStep, Step, StepKind,
        UserStep,
    },
    value::HumanDuration,
};
use std::collections::BTreeMap;

/// Long enough for a distribution upgrade over a slow line.
const DEFAULT_TIMEOUT: HumanDuration = HumanDuration::seconds(30 * 60);
/// Mirrors fail now and then; scripts that fail once fail again.
const PACKAGE_RETRIES: u32 = 3;
/// More is a loop, not a retry.
const MOST_RETRIES: u32 = 100;

pub(super) fn steps(steps: Field<List<Provision>>, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let steps: Vec<Option<Step>> = steps.or(List::new())?.into_iter().map(|at| step(at, reader)).collect();
    steps.into_iter().collect()
}

fn step(At { value: raw, span }: At<Provision>, reader: &mut Reader<'_>) -> Option<Step> {
    let Provision { name, timeout: limit, retries, shell, file, package, service, user, reboot, role, with } =
        raw;
    let is_bad = [
        matches!(shell, Field::Bad),
        matches!(file, Field::Bad),
        matches!(package, Field::Bad),
        matches!(service, Field::Bad),
        matches!(user, Field::Bad),
        matches!(reboot, Field::Bad),
        matches!(role, Field::Bad),
    ]
    .contains(&true);
    let given = [
        ("shell", shell.span()),
        ("file", file.span()),
        ("package", package.span()),
        ("service", service.span()),
        ("user", user.span()),
        ("reboot", reboot.span()),
        ("role", role.span()),
    ];
    let one_given = !is_bad && check::exactly_one(&span, "a `[[provision]]`", &given, reader);
    if let (Some(with), true) = (with.span(), role.is_absent()) {
        reader.report(with, "`with` gives parameters to a `role`, but this step has none");
    }
    let has_packages = !package.is_absent();
    let name = match name.maybe() {
        Some(None) => Some(None),
        Some(Some(name)) => {
            let right = |name: &str| !name.trim().is_empty() && check::is_line(name);
            check::text(name, reader, right, "cannot be the name of a step", "write one line").map(Some)
        }
        None => None,
    };
    let limit = timeout(limit, DEFAULT_TIMEOUT, reader);
    let retries_place = retries.span().cloned().unwrap_or_default();
    let retries = retries.or(if has_packages { PACKAGE_RETRIES } else { 0 }).and_then(|retries| {
        check::holds(&retries_place, retries <= MOST_RETRIES, reader, || {
            format!("{retries} retries are too many: at most {MOST_RETRIES}")
        })
        .map(|()| retries)
    });
    if !one_given {
        return None;
    }
    if let Some(role) = role.maybe()? {
        let message = format!("no role is called `{}`", role.value.0.text.escape_debug());
        reader
            .report(&role.span, message)
            .label("this version of goldsmith has no roles built in")
            .help("write its steps here: `shell`, `file`, `package`, `service`, `user` or `reboot`");
        return None;
    }
    // A script's file name says more than its first line, but is no longer known later.
    let mut script_name = None;
    let kind = if let Some(shell) = shell.maybe()? {
        StepKind::Shell(shell_step(shell, &mut script_name, reader)?)
    } else if let Some(file) = file.maybe()? {
        StepKind::File(file_step(file, reader)?)
    } else if let Some(package) = package.maybe()? {
        StepKind::Package(package_step(package, reader)?)
    } else if let Some(service) = service.maybe()? {
        StepKind::Service(service_step(service, reader)?)
    } else if let Some(At { value, .. }) = user.maybe()? {
        StepKind::User(user_step(value, reader)?)
    } else {
        let At { value, span } = reboot.maybe()??;
        check::holds(&span, value, reader, || {
            "`reboot = false` is no step: write `true`, or remove the step".to_owned()
        })?;
        StepKind::Reboot(RebootStep {})
    };
    let label = name?.unwrap_or_else(|| label::of(&kind, script_name.as_deref()));
    Some(Step { label, kind, timeout: limit?, retries: retries?, at: reader.file.place(span.start) })
}

fn shell_step(
    At { value: shell, span: place }: At<ShellChoice>,
    script_name: &mut Option<String>,
    reader: &mut Reader<'_>,
) -> Option<ShellStep> {
    let raw = match shell {
        ShellChoice::Script(SecretText(script)) => {
            not_blank(&script, &place, reader)?;
            return Some(ShellStep {
                script,
                env: BTreeMap::new(),
                user: None,
                creates: None,
                exit_codes: vec![0],
            });
        }
        ShellChoice::Table(raw) => raw,
    };
    let is_bad = matches!(raw.run, Field::Bad) || matches!(raw.script_file, Field::Bad);
    let given = [("run", raw.run.span()), ("script-file", raw.script_file.span())];
    let one_given = !is_bad && check::exactly_one(&place, "`shell`", &given, reader);
    let script = match (raw.run, raw.script_file) {
        _ if !one_given => None,
        (Field::Good(At { value: SecretText(script), span }), _) => {
            not_blank(&script, &span, reader).map(|()| script)
        }
        (_, Field::Good(file)) => {
            *script_name = Some(file.value.0.text.clone());
            script_file(file, reader)
        }
        _ => None,
    };
    let env = raw.env.or(Map::new()).and_then(|env| environment(env, reader));
    let user = account(raw.user, reader);
    let creates = guest_path(raw.creates, reader);
    let exit_codes = match raw.exit_codes.maybe() {
        Some(None) => Some(vec![0]),
        Some(Some(list)) => exit_codes(list, reader),
        None => None,
    };
    Some(ShellStep { script: script?, env: env?, user: user?, creates: creates?, exit_codes: exit_codes? })
}

fn not_blank(script: &str, place: &Span, reader: &mut Reader<'_>) -> Option<()> {
    check::holds(place, !script.trim().is_empty(), reader, || "the script is empty".to_owned())
}

/// The text of a script file, in which nothing is replaced.
fn script_file(at: At<crate::definition::scalar::Text>, reader: &mut Reader<'_>) -> Option<String> {
    let path = reader.folder.join(&at.value.0.text);
    let script = match reader.files.read_text(&path) {
        Ok(script) => script,
        Err(error) => {
            reader.report(&at.span, format!("cannot read the script `{}`", path.display())).cause(error);
            return None;
        }
    };
    not_blank(&script, &at.span, reader)?;
    let fault = if script.contains('\0') {
        "it holds a NUL character, which the shell does not take"
    } else if script.contains("${secret.") {
        "it holds `${secret.`, but script files are taken as they are: give it the secret by `env`"
    } else {
        return Some(script);
    };
    reader.report(&at.span, format!("cannot use the script `{}`", path.display())).label(fault);
    None
}

fn environment(env: Map<SecretText>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let mut all_right = true;
    let mut variables = BTreeMap::new();
    for (name, entry) in env {
        let right = check::is_word(&name, "_") && !name.starts_with(|first: char| first.is_ascii_digit());
        let named = check::holds(&entry.key, right, reader, || {
            format!("`{}` cannot name an environment variable", name.escape_debug())
        });
        all_right &= named.is_some();
        variables.insert(name, entry.value.value.0);
    }
    all_right.then_some(variables)
}

fn exit_codes(list: At<List<u32>>, reader: &mut Reader<'_>) -> Option<Vec<u32>> {
    check::holds(&list.span, !list.value.is_empty(), reader, || {
        "without any exit code that means success, the step always fails".to_owned()
    })?;
    let mut all_right = true;
    for code in &list.value {
        let fits = check::holds(&code.span, code.value <= 255, reader, || {
            format!("{} is no exit code: they go from 0 to 255", code.value)
        });
        all_right &= fits.is_some();
    }
    all_right.then(|| list.value.into_iter().map(|code| code.value).collect())
}

fn file_step(At { value: raw, span: place }: At<File>, reader: &mut Reader<'_>) -> Option<FileStep> {
    let is_bad = matches!(raw.content, Field::Bad) || matches!(raw.source, Field::Bad);
    let given = [("content", raw.content.span()), ("source", raw.source.span())];
    let one_given = !is_bad && check::exactly_one(&place, "`file`", &given, reader);
    let dest = raw.dest.required().and_then(|dest| {
        let right = |path: &str| check::is_guest_path(path) && !path.ends_with('/');
        check::text(dest, reader, right, "is not the path of a file in a guest", check::GUEST_PATH)
    });
    let content = match (raw.content, raw.source) {
        _ if !one_given => None,
        (Field::Good(At { value: SecretText(text), .. }), _) => Some(Content::Text(text)),
        (_, Field::Good(path)) => source::local_file(path, reader).map(Content::Path),
        _ => None,
    };
    let mode = raw.mode.or(Mode(0o644)).map(|Mode(bits)| bits);
    let root = || "root".to_owned();
    let owner = account(raw.owner, reader).map(|owner| owner.unwrap_or_else(root));
    let group = account(raw.group, reader).map(|group| group.unwrap_or_else(root));
    Some(FileStep { dest: dest?, content: content?, mode: mode?, owner: owner?, group: group? })
}

fn package_step(At { value: raw, span: place }: At<Package>, reader: &mut Reader<'_>) -> Option<PackageStep> {
    let removals: Vec<(String, Span)> = match &raw.remove {
        Field::Good(list) => list.value.iter().map(|at| (at.value.0.text.clone(), at.span.clone())).collect(),
        Field::Absent | Field::Bad => Vec::new(),
    };
    let install = raw.install.or(List::new()).and_then(|list| source::packages(list, reader));
    let remove = raw.remove.or(List::new()).and_then(|list| source::packages(list, reader));
    let upgrade = raw.upgrade.or(false);
    let step = PackageStep { install: install?, remove: remove?, upgrade: upgrade? };
    let does_something = step.upgrade || !step.install.is_empty() || !step.remove.is_empty();
    let mut right = check::holds(&place, does_something, reader, || {
        "this `package` names nothing to `install`, `remove` or `upgrade`".to_owned()
    });
    for (name, removed) in removals {
        let bare = |install: &String| install.split('=').next() == Some(name.as_str());
        if step.install.iter().any(bare) {
            reader.report(&removed, format!("`{name}` cannot be both installed and removed by one step"));
            right = None;
        }
    }
    right.map(|()| step)
}

fn service_step(At { value: raw, span: place }: At<Service>, reader: &mut Reader<'_>) -> Option<ServiceStep> {
    let name = raw.name.required().and_then(|name| {
        let help = "write the name of a systemd unit, such as `ssh` or `fstrim.timer`";
        let right = |name: &str| check::is_word(name, ".-_@:\\");
        check::text(name, reader, right, "is not the name of a unit", help)
    });
    let enabled = raw.enabled.maybe().map(|at| at.map(|at| at.value));
    let masked = raw.masked.maybe().map(|at| at.map(|at| at.value));
    let state = raw.state.maybe().map(|at| at.map(|at| at.value.0));
    let step = ServiceStep { name: name?, enabled: enabled?, masked: masked?, state: state? };
    let does_something = step.enabled.is_some() || step.masked.is_some() || step.state.is_some();
    check::holds(&place, does_something, reader, || {
        "this `service` changes nothing: say `enabled`, `masked` or `state`".to_owned()
    })?;
    let runs = matches!(step.state, Some(ServiceState::Started | ServiceState::Restarted));
    let fits = step.masked != Some(true) || !(runs || step.enabled == Some(true));
    check::holds(&place, fits, reader, || "a masked unit can be neither enabled nor started".to_owned())?;
    Some(step)
}

fn user_step(raw: User, reader: &mut Reader<'_>) -> Option<UserStep> {
    let others = [
        ("uid", raw.uid.span()),
        ("groups", raw.groups.span()),
        ("shell", raw.shell.span()),
        ("system", raw.system.span()),
        ("sudo", raw.sudo.span()),
        ("authorized-keys", raw.authorized_keys.span()),
    ];
    let other = others.iter().find_map(|(key, span)| Some((*key, (*span)?.clone())));
    let name = raw.name.required().and_then(|name| {
        check::text(name, reader, check::is_account, "cannot be the name of a user", check::ACCOUNT)
    });
    let absent = raw.absent.or(false);
    if let (Some(true), Some((key, span))) = (absent, other) {
        reader.report(&span, format!("a user that is `absent` has no `{key}`"));
    }
    let uid = raw.uid.maybe().map(|at| at.map(|at| at.value));
    let groups = raw.groups.or(List::new()).and_then(|list| {
        check::texts(list, reader, check::is_account, "cannot be the name of a group", check::ACCOUNT)
    });
    let shell = guest_path(raw.shell, reader);
    let system = raw.system.or(false);
    let sudo = raw.sudo.or(false);
    let authorized_keys = raw.authorized_keys.or(List::new()).and_then(|list| {
        let help = "write the line of a `.pub` file, such as `ssh-ed25519 AAAA… name`";
        check::texts(list, reader, is_public_key, "is not a public SSH key", help)
    });
    Some(UserStep {
        name: name?,
        absent: absent?,
        uid: uid?,
        groups: groups?,
        shell: shell?,
        system: system?,
        sudo: sudo?,
        authorized_keys: authorized_keys?,
    })
}

/// Whether `line` is a line of an `authorized_keys` file: options perhaps, a type, base64, a comment perhaps.
fn is_public_key(line: &str) -> bool {
    let is_type =
        |word: &str| word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") || word.starts_with("sk-");
    // Every key starts with the length of its type's name, so that the first of it in base64 is the same for all.
    let is_key = |word: &str| word.starts_with("AAAA");
    let words: Vec<&str> = line.split_whitespace().collect();
    check::is_line(line) && words.windows(2).any(|pair| is_type(pair[0]) && is_key(pair[1]))
}

#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
fn account(field: Field<crate::definition::scalar::Text>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    check::text(at, reader, check::is_account, "cannot be the name of a user or group", check::ACCOUNT)
        .map(Some)
}

#[allow(clippy::option_option, reason = "as of `Field::maybe`")]
fn guest_path(
    field: Field<crate::definition::scalar::Text>,
    reader: &mut Reader<'_>,
) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    check::text(at, reader, check::is_guest_path, "is not a path in a guest", check::GUEST_PATH).map(Some)
}
