//! `[source.iso.install]`: what is told to an installer whose answers goldsmith writes itself.
//!
//! It is resolved in two parts: how builds get in depends on the system, and the answers depend on how builds get in.
use super::{check, vsphere};
use crate::{
    definition::{
        problem::Span,
        raw::{Install, InstallNetwork, InstallUser as RawUser, Source},
        reader::{At, Field, Reader},
        scalar::{One, Text},
    },
    plan::{
        AnswerFile, AnswerPlace, AnswersPlan, AnswersProblem, AnswersTemplate, Firmware, GuestPlan,
        InstallMirror, InstallSystem, InstallUser, InstallerBoot, IsoPlan, NetworkPlan, Provider, Repository,
        SeedKind, SourcePlan, TargetDisk,
    },
    seed::{answers, lint},
    value::Arch,
};
use std::{collections::BTreeMap, error::Error as _, fmt::Display, net::IpAddr, str::FromStr};
use url::Url;

/// Answers as far as they are known before it is known how builds get in.
pub(super) struct Early {
    plan: AnswersPlan,
    header: Span,
    /// Where keys stand, for what only all of them together tell.
    places: BTreeMap<&'static str, Span>,
}

impl Early {
    /// How builds usually get into the system.
    pub(super) fn seed(&self) -> SeedKind {
        self.plan.seed
    }

    /// Which system it is, the first number of its version, and its architecture.
    pub(super) fn system(&self) -> (InstallSystem, u32, Arch) {
        (self.plan.system, self.plan.major(), self.plan.arch)
    }
}

/// Takes the table out of `source`, which is resolved without it.
pub(super) fn take(source: &mut Field<Source>) -> Field<Install> {
    match source {
        Field::Good(At { value: Source { iso: Field::Good(At { value: iso, .. }), .. }, .. }) => {
            std::mem::replace(&mut iso.install, Field::Absent)
        }
        _ => Field::Absent,
    }
}

/// The answers with everything that the table says.
pub(super) fn early(
    At { value: raw, span: header }: At<Install>,
    arch: Option<Arch>,
    provider: Option<Provider>,
    firmware: Option<Firmware>,
    reader: &mut Reader<'_>,
) -> Option<Early> {
    let mut places: BTreeMap<&'static str, Span> = BTreeMap::new();
    for (key, span) in spans(&raw) {
        places.extend(span.map(|span| (key, span.clone())));
    }
    let At { value: system, span: system_at } = raw.system.required()?;
    let Some((system, version)) = named(&system.0.text) else {
        reader
            .report(&system_at, format!("`{}` is no system that can be installed", system.0.text.escape_debug()))
            .help("write a system and its version, such as `ubuntu-24.04`, `debian-12`, `rhel-9.4`, `rocky-9`, `almalinux-9`, `centos-10` or `photon-5`");
        return None;
    };
    let mut plan = match AnswersPlan::new(system, version, arch?, provider?, firmware?) {
        Ok(plan) => plan,
        Err(problem) => {
            blame(&problem, &header, &places, reader);
            return None;
        }
    };
    let template = match raw.template.maybe()? {
        Some(at) => {
            let (path, text) = super::iso::text_of(at, reader)?;
            Some(AnswersTemplate { path, text })
        }
        None => None,
    };
    set(&mut plan.layout, raw.layout.maybe()?.map(one));
    set(&mut plan.filesystem, raw.filesystem.maybe()?.map(one));
    set(&mut plan.esp, raw.esp.maybe()?.map(value));
    set(&mut plan.boot, raw.boot.maybe()?.map(value));
    plan.swap = raw.swap.maybe()?.map(value);
    if let Some(At { value: disk, .. }) = raw.disk.maybe()? {
        plan.disk = TargetDisk::Device(disk.0.text);
    }
    set(&mut plan.locale, raw.locale.maybe()?.map(text));
    set(&mut plan.keyboard, raw.keyboard.maybe()?.map(text));
    set(&mut plan.timezone, raw.timezone.maybe()?.map(text));
    set(&mut plan.hostname, raw.hostname.maybe()?.map(text));
    if let Some(at) = raw.network.maybe()? {
        plan.network = network(at.value, reader)?;
    }
    plan.proxy = raw.proxy.maybe()?.map(value);
    let security = raw.security_mirror.maybe()?;
    if let Some(at) = raw.mirror.maybe()? {
        plan.mirror = mirror(&at, security, reader)?;
    } else if let Some(At { span, .. }) = security {
        reader.report(&span, "`security-mirror` needs `mirror` to be an address");
        return None;
    }
    for At { value: repository, .. } in raw.repository.or(Vec::new())? {
        let (name, url) = (text(repository.name.required()?), repository.url.required()?.value);
        plan.repositories.push(Repository { name, url });
    }
    set(&mut plan.updates, raw.updates.maybe()?.map(one));
    if let Some(at) = raw.kernel_package.maybe()? {
        plan.kernel = Some(text(at));
    }
    let packages: Vec<String> = raw.packages.or(Vec::new())?.into_iter().map(text).collect();
    // Who asks for a package does not want it left out.
    plan.without.retain(|name| !packages.contains(name));
    plan.packages.extend(packages);
    plan.without.extend(raw.without.or(Vec::new())?.into_iter().map(text));
    plan.services.extend(raw.services.or(Vec::new())?.into_iter().map(text));
    set(&mut plan.selinux, raw.selinux.maybe()?.map(one));
    plan.firewall = raw.firewall.or(plan.firewall)?;
    for At { value: raw, .. } in raw.user.or(Vec::new())? {
        plan.users.push(user(raw)?);
    }
    plan.early = raw.early.or(Vec::new())?.into_iter().map(text).collect();
    plan.late = raw.late.or(Vec::new())?.into_iter().map(text).collect();
    plan.template = template;
    Some(Early { plan, header, places })
}

/// Writes the answers into the plan of the medium, after reading them as the installer would. `there`: the machine is in a vCenter.
pub(super) fn finish(
    early: Early,
    guest: &GuestPlan,
    seed_at: Option<&Span>,
    there: bool,
    source: &mut SourcePlan,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let SourcePlan::Iso(iso) = source else { return Some(()) };
    let Early { mut plan, header, mut places } = early;
    plan.seed = guest.seed;
    plan.login = guest.login.as_ref().map(|login| login.user.clone());
    places.extend(seed_at.map(|span| ("seed", span.clone())));
    if there {
        vsphere::ends_off(&mut plan, &header, reader)?;
    }
    if let Err(problem) = plan.check() {
        blame(&problem, &header, &places, reader);
        return None;
    }
    let blamed = places.get("template").unwrap_or(&header).clone();
    let files = match answers::render(&plan) {
        Ok(files) => files,
        Err(error) => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            reader.report(&blamed, format!("{error}: {why}"));
            return None;
        }
    };
    let findings = lint::check(&plan, &files);
    for finding in &findings {
        if finding.severity == lint::Severity::Error {
            reader.report(&blamed, finding.to_string()).help(finding.advice.clone());
        } else {
            iso.remarks.push(format!("{finding}; {}", finding.advice));
        }
    }
    if findings.iter().any(|finding| finding.severity == lint::Severity::Error) {
        return None;
    }
    let own = std::mem::take(&mut iso.answers.files);
    for file in &own {
        let taken = files.iter().any(|rendered| rendered.name == file.name);
        check::holds(&header, !taken, reader, || {
            format!(
                "the file of answers `{}` is written by `[source.iso.install]`; a `template` changes it",
                file.name
            )
        })?;
    }
    start(&plan, iso, &header, reader)?;
    if there {
        vsphere::typed(&plan, iso, &header, reader)?;
    }
    let files = files.into_iter().map(|file| AnswerFile { name: file.name, text: file.text });
    iso.answers.files = files.chain(own).collect();
    iso.install = Some(plan);
    Some(())
}

/// How this installer is started, with what the definition says otherwise.
fn start(plan: &AnswersPlan, iso: &mut IsoPlan, header: &Span, reader: &mut Reader<'_>) -> Option<()> {
    iso.answers.place = plan.place();
    match &mut iso.boot {
        InstallerBoot::Typed { .. } => {
            check::holds(header, iso.answers.place != AnswerPlace::Initrd, reader, || {
                format!(
                    "the installer of {} has its answers in its initial RAM disk, so its kernel is started directly: leave `[[source.iso.type]]` out",
                    plan.system
                )
            })
        }
        InstallerBoot::Direct { kernel, initrd, arguments, .. } => {
            if let InstallerBoot::Direct { kernel: usual, initrd: usual_initrd, arguments: first, .. } =
                plan.boot()
            {
                *kernel = kernel.take().or(usual);
                *initrd = initrd.take().or(usual_initrd);
                arguments.splice(0..0, first);
            }
            Some(())
        }
    }
}

/// Reports what is wrong at the key that says it.
fn blame(
    problem: &AnswersProblem,
    header: &Span,
    places: &BTreeMap<&'static str, Span>,
    reader: &mut Reader<'_>,
) {
    let place = places.get(problem.key()).unwrap_or(header);
    reader.report(place, problem.to_string());
}

/// Where the keys stand that a problem may be about.
fn spans(raw: &Install) -> [(&'static str, Option<&Span>); 20] {
    [
        ("system", raw.system.span()),
        ("layout", raw.layout.span()),
        ("disk", raw.disk.span()),
        ("locale", raw.locale.span()),
        ("keyboard", raw.keyboard.span()),
        ("timezone", raw.timezone.span()),
        ("hostname", raw.hostname.span()),
        ("network", raw.network.span()),
        ("proxy", raw.proxy.span()),
        ("mirror", raw.mirror.span()),
        ("repository", raw.repository.span()),
        ("kernel-package", raw.kernel_package.span()),
        ("packages", raw.packages.span()),
        ("without", raw.without.span()),
        ("services", raw.services.span()),
        ("user", raw.user.span()),
        ("early", raw.early.span()),
        ("late", raw.late.span()),
        ("updates", raw.updates.span()),
        ("template", raw.template.span()),
    ]
}

/// `ubuntu-24.04` and the like.
fn named(text: &str) -> Option<(InstallSystem, &str)> {
    let (name, version) = text.rsplit_once('-')?;
    let system = match name {
        "ubuntu" => InstallSystem::Ubuntu,
        "debian" => InstallSystem::Debian,
        "rhel" => InstallSystem::Rhel,
        "rocky" => InstallSystem::Rocky,
        "almalinux" | "alma" => InstallSystem::Almalinux,
        "centos" | "centos-stream" => InstallSystem::Centos,
        "photon" => InstallSystem::Photon,
        _ => return None,
    };
    Some((system, version))
}

fn network(raw: InstallNetwork, reader: &mut Reader<'_>) -> Option<NetworkPlan> {
    let At { value: written, span } = raw.address.required()?;
    let parsed = written.0.text.split_once('/').and_then(|(address, prefix)| {
        let prefix: u8 = prefix.parse().ok()?;
        Some((address.parse().ok()?, (1..=32).contains(&prefix).then_some(prefix)?))
    });
    let Some((address, prefix)) = parsed else {
        reader
            .report(
                &span,
                format!(
                    "`{}` is no IPv4 address with the bits of its network",
                    written.0.text.escape_debug()
                ),
            )
            .help("write it like `10.0.0.5/24`");
        return None;
    };
    let gateway = match raw.gateway.maybe()? {
        Some(at) => Some(parse(&at, "an IPv4 address", reader)?),
        None => None,
    };
    let dns = raw.dns.or(Vec::new())?;
    let dns: Option<Vec<IpAddr>> = dns.iter().map(|at| parse(at, "an IP address", reader)).collect();
    Some(NetworkPlan::Static { address, prefix, gateway, dns: dns? })
}

fn mirror(at: &At<Text>, security: Option<At<Url>>, reader: &mut Reader<'_>) -> Option<InstallMirror> {
    let named = match at.value.0.text.as_str() {
        "medium" => Some(InstallMirror::Medium),
        "distribution" => Some(InstallMirror::Distribution),
        _ => None,
    };
    if let (Some(_), Some(At { span, .. })) = (&named, &security) {
        reader.report(span, "`security-mirror` needs `mirror` to be an address");
        return None;
    }
    if named.is_some() {
        return named;
    }
    let main: Url = parse(at, "`medium`, `distribution` or the address of a mirror", reader)?;
    Some(InstallMirror::Url { main, security: security.map(value) })
}

fn user(raw: RawUser) -> Option<InstallUser> {
    let texts = |field: Field<Vec<At<Text>>>| -> Option<Vec<String>> {
        Some(field.or(Vec::new())?.into_iter().map(text).collect())
    };
    Some(InstallUser {
        name: text(raw.name.required()?),
        groups: texts(raw.groups)?,
        sudo: raw.sudo.or(false)?,
        authorized_keys: texts(raw.authorized_keys)?,
    })
}

fn parse<T: FromStr<Err: Display>>(at: &At<Text>, what: &str, reader: &mut Reader<'_>) -> Option<T> {
    let written = &at.value.0.text;
    match written.parse() {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            reader.report(&at.span, format!("`{}` is not {what}: {error}", written.escape_debug()));
            None
        }
    }
}

/// Puts `value` in the place of what is usual.
fn set<T>(usual: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *usual = value;
    }
}

fn one<T>(at: At<One<T>>) -> T {
    at.value.0
}

fn value<T>(at: At<T>) -> T {
    at.value
}

fn text(at: At<Text>) -> String {
    at.value.0.text
}
