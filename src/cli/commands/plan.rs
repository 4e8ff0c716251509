//! `goldsmith plan` and `goldsmith validate`.
use super::{
    door::{self, For},
    load, pretty,
};
use crate::{
    build::{self, BuildError, BuildErrorKind},
    cli::{
        args::{self, Definitions},
        console::{Console, Verbosity},
        exit::Exit,
        problem::{self, Problem},
        theme::{Theme, Tone, columns, pad},
        words::count,
    },
    definition,
    fetch::Gate,
    plan::{
        AnswerFile, AnswerPlace, InstallerBoot, IsoDigest, IsoPlan, LoginProof, MachinePlan, Mirror, Origin,
        PartitionSize, Plan, SecretSource, SourcePlan, Step, TypedStep, TypedWait,
    },
};
use std::{collections::BTreeSet, fmt::Write as _};

/// Prints what builds would do.
pub(super) fn show(arguments: &args::Plan, console: &Console) -> Result<Exit, Problem> {
    let args::Plan { definitions, guest, steps } = arguments;
    let mut plans = if definitions.door.is_open() {
        let node = match door::node(definitions, For::Plan, Gate::open(), console)? {
            Ok(node) => node,
            Err(exit) => return Ok(exit),
        };
        if !console.json() {
            // Whoever keeps this needs the options no more.
            console.out(node.defined.text.trim_end());
            return Ok(Exit::Ok);
        }
        door::plans(&node, definitions, None)?
    } else {
        load::all(&definitions.files, &load::inputs(&definitions.inputs, None), &definitions.selection)?
    };
    if !steps {
        for plan in &mut plans {
            match build::preview(plan, guest.as_deref()) {
                Ok(Some(resolved)) => *plan = resolved,
                Ok(None) => {}
                Err(error @ build::PreviewError::System { .. }) => {
                    return Err(Problem::usage(error.to_string()).hint(
                        "name a system and its version, such as `debian-12`, `ubuntu-24.04` or `rocky-9.4`",
                    ));
                }
                Err(build::PreviewError::Steps(error)) => {
                    return Err(Problem::Build(
                        BuildError::because("the steps for this guest could not be worked out", error)
                            .kind_unless_interrupted(BuildErrorKind::Preflight)
                            .hint("`--all-steps` shows them as they are written"),
                    ));
                }
            }
        }
    }
    if console.json() {
        // One definition is one object; scripts that give several expect a list.
        let text = if let [plan] = &plans[..] { pretty(plan)? } else { pretty(&plans)? };
        console.out(&text);
        return Ok(Exit::Ok);
    }
    let theme = console.out_theme();
    let whole = console.verbosity() == Verbosity::Verbose;
    // The builds of a matrix differ in little: a list says more than all of them.
    let texts: Vec<String> = plans
        .chunk_by(|one, other| one.definition == other.definition)
        .flat_map(|builds| match builds {
            [_, _, ..] if !whole => vec![list(theme, builds)],
            _ => builds.iter().map(|plan| text(theme, plan)).collect(),
        })
        .collect();
    console.out(&texts.join("\n\n"));
    Ok(Exit::Ok)
}

/// The builds of one matrix for people.
pub(in crate::cli) fn list(theme: &Theme, builds: &[Plan]) -> String {
    let dot = format!(" {} ", theme.symbols().dot);
    let widest = builds.iter().map(|plan| columns(&plan.name)).max().unwrap_or(0);
    let definition = builds.first().map(|plan| theme.path(&plan.definition)).unwrap_or_default();
    let mut text = format!(
        "{} {}",
        theme.paint(Tone::Strong, count(builds.len(), "build")),
        theme.paint(Tone::Dim, format!("of {definition}; `--only NAME` shows one, `-v` all"))
    );
    for plan in builds {
        let values = plan.matrix.iter().filter(|(key, _)| !key.contains('.'));
        let values: Vec<String> = values.map(|(key, value)| format!("{key} {value}")).collect();
        // An axis of architectures says it already.
        let arch = plan.arch.to_string();
        let said = plan.matrix.values().any(|value| *value == arch);
        let note = [if said { Vec::new() } else { vec![arch] }, values].concat().join(&dot);
        let _ = write!(text, "\n  {}  {}", pad(&plan.name, widest), theme.paint(Tone::Dim, note));
    }
    text
}

/// Says what is wrong with options of `image-builder`, and with the definition that they stand for.
fn valid_node(arguments: &Definitions, console: &Console) -> Result<Exit, Problem> {
    let node = match door::node(arguments, For::Plan, Gate::open(), console)? {
        Ok(node) => node,
        Err(exit) => return Ok(exit),
    };
    let plans = door::plans(&node, arguments, None)?;
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    console.note(&format!("{} {}", console.err_theme().mark(true), names.join(", ")));
    if console.json() {
        let of =
            |name: &&str| serde_json::json!({ "file": null, "name": name, "valid": true, "problems": [] });
        console.out(&pretty(&names.iter().map(of).collect::<Vec<_>>())?);
    }
    Ok(Exit::Ok)
}

/// Says what is wrong with definitions.
pub(super) fn validate(arguments: &Definitions, console: &Console) -> Result<Exit, Problem> {
    if arguments.door.is_open() {
        return valid_node(arguments, console);
    }
    let inputs = load::inputs(&arguments.inputs, None);
    let theme = console.err_theme();
    let (mut results, mut names) = (Vec::new(), Vec::new());
    let mut good = true;
    for file in &arguments.files {
        match definition::load_all(file, &inputs, &|name| arguments.selection.takes(name)) {
            Ok(mut builds) => {
                let of = match builds.plans.len() {
                    1 => String::new(),
                    builds => format!(" ({})", count(builds, "build")),
                };
                console.note(&format!("{} {}{of}", theme.mark(true), file.display()));
                let mut remarks: Vec<&String> = Vec::new();
                for plan in &builds.plans {
                    if let SourcePlan::Iso(iso) = &plan.source {
                        remarks.extend(&iso.remarks);
                    }
                    results.push(
                        serde_json::json!({ "file": file, "name": plan.name, "valid": true, "problems": [] }),
                    );
                }
                // What holds for several builds is said once.
                let mut said = BTreeSet::new();
                remarks.retain(|remark| said.insert(*remark));
                for remark in remarks {
                    console.note(&format!("  {remark}"));
                }
                names.append(&mut builds.names);
            }
            Err(error) => {
                good = false;
                if !console.json() {
                    console.err(&problem::diagnostic(theme, console.err_width(), &error));
                }
                let problems: Vec<_> = error
                    .problems()
                    .iter()
                    .map(|problem| {
                        serde_json::json!({
                            "file": problem.file(), "line": problem.line(), "column": problem.column(),
                            "message": problem.message(), "help": problem.advice(),
                        })
                    })
                    .collect();
                results.push(serde_json::json!({ "file": file, "valid": false, "problems": problems }));
            }
        }
    }
    if good {
        load::meant(&arguments.selection, &names)?;
    }
    if console.json() {
        console.out(&pretty(&results)?);
    }
    Ok(if good { Exit::Ok } else { Exit::Usage })
}

/// Columns of the labels on the left.
const LABEL: usize = 10;

/// A plan for people.
pub(in crate::cli) fn text(theme: &Theme, plan: &Plan) -> String {
    let dot = format!(" {} ", theme.symbols().dot);
    let mut text = format!(
        "{} {}\n",
        theme.paint(Tone::Strong, &plan.name),
        theme.paint(Tone::Dim, format!("{}{dot}{}", plan.arch, theme.path(&plan.definition)))
    );
    let mut row = |label: &str, value: String| {
        let _ = writeln!(text, "  {}{value}", theme.paint(Tone::Dim, pad(label, LABEL)));
    };
    if !plan.matrix.is_empty() {
        let values: Vec<String> = plan.matrix.iter().map(|(key, value)| format!("{key} {value}")).collect();
        row("matrix", values.join(&dot));
    }
    for (index, line) in source(&plan.source).into_iter().enumerate() {
        row(if index == 0 { "source" } else { "" }, line);
    }
    for (index, line) in described(plan, &dot).into_iter().enumerate() {
        row(if index == 0 { "machine" } else { "" }, line);
    }
    row(
        "guest",
        format!(
            "log in as {} within {}, power off within {}",
            plan.guest.user, plan.guest.connect_timeout, plan.guest.shutdown_timeout
        ),
    );
    if let Some(login) = &plan.guest.login {
        let proofs: Vec<String> = login
            .proofs
            .iter()
            .map(|proof| match proof {
                LoginProof::Key { path, .. } => format!("key {}", theme.path(path)),
                LoginProof::Agent => "the SSH agent".to_owned(),
                LoginProof::Password { secret } => format!("password (secret {secret})"),
            })
            .collect();
        row("", format!("let in first as {} by {}", login.user, proofs.join(", ")));
    }
    let width = plan.provision.len().to_string().len();
    for (index, step) in plan.provision.iter().enumerate() {
        let retries = if step.retries > 0 {
            format!(", {}", count(step.retries as usize, "retry"))
        } else {
            String::new()
        };
        let when = step.rules.when.as_ref().map(|when| format!(", when {when}")).unwrap_or_default();
        let note = theme.paint(Tone::Dim, format!("({}, at most {}{retries}{when})", step.at, step.timeout));
        row(
            if index == 0 { "provision" } else { "" },
            format!("{:>width$}. {}{} {note}", index + 1, owner(plan, step), step.label),
        );
    }
    // What the roles of a plan get depends on the guest, so templates are shown as they are.
    for (index, input) in crate::plan::inputs(&plan.provision).iter().enumerate() {
        let digest = match (&input.digest, &input.digest_url) {
            (Some(digest), _) => digest.clone(),
            (None, Some(url)) => format!("digest from {url}"),
            (None, None) => "no digest".to_owned(),
        };
        let note = theme.paint(Tone::Dim, format!("({}, {digest})", input.at));
        row(if index == 0 { "downloads" } else { "" }, format!("{} {note}", input.url));
    }
    let seal: Vec<&str> =
        [(plan.seal.sysprep, "sysprep"), (plan.seal.zero, "zero"), (plan.seal.trim, "trim")]
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, what)| *what)
            .collect();
    row("seal", if seal.is_empty() { "nothing is removed".to_owned() } else { seal.join(&dot) });
    for (index, output) in plan.outputs.iter().enumerate() {
        let level = output.level.map(|level| format!(", level {level}")).unwrap_or_default();
        row(
            if index == 0 { "output" } else { "" },
            format!(
                "{} {}",
                theme.path(&output.path),
                theme.paint(Tone::Dim, format!("({}{level})", output.format))
            ),
        );
    }
    for (index, ami) in plan.amis.iter().enumerate() {
        let region = plan.aws.region.as_deref().unwrap_or("the region of the environment");
        let note = theme.paint(
            Tone::Dim,
            format!("(AMI in {region}, {}, {})", ami.boot_mode.name(), ami.volume.kind.name()),
        );
        row(
            if index == 0 && plan.outputs.is_empty() { "output" } else { "" },
            format!("{} {note}", ami.name),
        );
    }
    let kept = [
        super::plan_vsphere::image(plan),
        super::plan_nutanix::image(plan),
        super::plan_cloudstack::image(plan),
    ];
    for (index, (name, note)) in kept.into_iter().flatten().enumerate() {
        let line = if note.is_empty() { name } else { format!("{name} {}", theme.paint(Tone::Dim, note)) };
        row(if index == 0 && plan.outputs.is_empty() { "output" } else { "" }, line);
    }
    let firmware: Vec<String> = plan.verify.firmware.iter().map(ToString::to_string).collect();
    row(
        "verify",
        if plan.verify.boot {
            let own = match plan.verify.commands.len() {
                0 => String::new(),
                n => format!("{dot}{} of your own", count(n, "command")),
            };
            let proof = super::plan_vsphere::proof(plan)
                .or_else(|| super::plan_nutanix::proof(plan))
                .or_else(|| super::plan_cloudstack::proof(plan));
            match proof {
                Some(proof) => format!("{proof}{own}"),
                None => {
                    format!("every output boots ({}) and is checked from inside{own}", firmware.join(", "))
                }
            }
        } else {
            "the outputs are looked into, not booted".to_owned()
        },
    );
    for (index, (name, source)) in plan.secrets.iter().enumerate() {
        let from = match source {
            SecretSource::Env(name) => format!("environment variable {name}"),
            SecretSource::File(path) => format!("file {}", theme.path(path)),
            SecretSource::Command(words) => format!("command {}", crate::cli::failure::shell_line(words)),
            SecretSource::Json { file, key } => format!("`{key}` in {}", theme.path(file)),
        };
        row(
            if index == 0 { "secrets" } else { "" },
            format!("{name} {}", theme.paint(Tone::Dim, format!("({from})"))),
        );
    }
    text.truncate(text.trim_end().len());
    text
}

/// The machine, line by line.
fn described(plan: &Plan, dot: &str) -> Vec<String> {
    let machine = &plan.machine;
    if let Some(vsphere) = &machine.vsphere {
        return super::plan_vsphere::machine(plan, vsphere);
    }
    if let Some(nutanix) = &machine.nutanix {
        return super::plan_nutanix::machine(plan, nutanix);
    }
    if let Some(cloudstack) = &machine.cloudstack {
        return super::plan_cloudstack::machine(plan, cloudstack);
    }
    match &machine.ec2 {
        Some(ec2) => super::plan_ec2::instance(ec2),
        None => vec![local_machine(machine, dot), machine.uri.clone()],
    }
}

/// A machine of libvirt's.
fn local_machine(machine: &MachinePlan, dot: &str) -> String {
    [
        count(machine.cpus as usize, "cpu"),
        format!("{} memory", machine.memory),
        format!("{} disk", machine.disk),
        machine.firmware.to_string(),
        format!("accelerator {}", machine.accelerator),
    ]
    .join(dot)
}

/// The role that a step belongs to.
fn owner(plan: &Plan, step: &Step) -> String {
    let role = step.rules.role.and_then(|index| plan.roles.get(index));
    role.map(|role| format!("{}: ", role.name)).unwrap_or_default()
}

fn source(source: &SourcePlan) -> Vec<String> {
    match source {
        SourcePlan::Bootstrap(bootstrap) => {
            let mirror = match &bootstrap.mirror {
                Mirror::Host => "the mirror that this host's apt uses".to_owned(),
                Mirror::Url { main, security: Some(security) } => format!("{main} and {security}"),
                Mirror::Url { main, security: None } => main.to_string(),
            };
            let partitions: Vec<String> = bootstrap
                .partitions
                .iter()
                .map(|partition| match partition.size {
                    PartitionSize::Fixed(size) => format!("{} {size}", partition.mount),
                    PartitionSize::Rest => format!("{} the rest", partition.mount),
                })
                .collect();
            let mut lines = vec![format!(
                "{} from packages ({}), {mirror}",
                bootstrap.suite,
                bootstrap.components.join(" ")
            )];
            if !bootstrap.packages.is_empty() {
                lines.push(format!("with {}", bootstrap.packages.join(", ")));
            }
            lines.push(format!("{}, partitions: {}", bootstrap.kernel, partitions.join(", ")));
            lines
        }
        SourcePlan::Iso(iso) => installer(iso),
        SourcePlan::Ami(ami) => super::plan_ec2::source(ami),
        SourcePlan::Vsphere(source) => super::plan_vsphere::source(source),
        SourcePlan::Nutanix(source) => super::plan_nutanix::source(source),
        SourcePlan::Cloudstack(source) => super::plan_cloudstack::source(source),
        SourcePlan::Disk(disk) => {
            let mut lines = places(&disk.origins);
            lines.extend(disk.digest.as_ref().map(ToString::to_string));
            lines.extend(disk.checksums.as_ref().map(|url| format!("with the digest that {url} says")));
            lines
        }
    }
}

fn places(origins: &[Origin]) -> Vec<String> {
    let named = origins.iter().enumerate().map(|(index, origin)| {
        let place = match origin {
            Origin::Path(path) => path.display().to_string(),
            Origin::Url(url) => url.to_string(),
        };
        if index == 0 { place } else { format!("or {place}") }
    });
    named.collect()
}

/// What an installer is given, to the letter.
fn installer(iso: &IsoPlan) -> Vec<String> {
    let mut lines = places(&iso.origins);
    lines.push(match &iso.digest {
        IsoDigest::Known(digest) => digest.to_string(),
        IsoDigest::Listed(url) => format!("with the digest that {url} says"),
        IsoDigest::Trusted => "taken as it is".to_owned(),
    });
    match &iso.boot {
        InstallerBoot::Direct { kernel, initrd, arguments, keep_menu } => {
            let or_menu =
                |path: &Option<String>| path.clone().unwrap_or_else(|| "of its boot menu".to_owned());
            lines.push(format!("kernel {}, initrd {}", or_menu(kernel), or_menu(initrd)));
            let kept = if *keep_menu { "(those of its boot menu) " } else { "" };
            lines.push(format!("arguments {kept}{}", arguments.join(" ")));
        }
        InstallerBoot::Typed { steps } => {
            for TypedStep { label, wait, keys } in steps {
                let wait = match wait {
                    TypedWait::Time(time) => format!("after {time}"),
                    TypedWait::Screen { text, .. } => format!("when the screen shows \u{201c}{text}\u{201d}"),
                    TypedWait::Serial { text, .. } => format!("when the console says \u{201c}{text}\u{201d}"),
                };
                lines.push(format!("{label}: {wait}: {keys}"));
            }
        }
    }
    let place = match &iso.answers.place {
        AnswerPlace::Volume(label) => format!("in a volume called {label}"),
        AnswerPlace::Served => "served by HTTP".to_owned(),
        AnswerPlace::Initrd => "in the initial RAM disk".to_owned(),
    };
    for AnswerFile { name, text } in &iso.answers.files {
        lines.push(format!("{name}, {place}:"));
        lines.extend(text.lines().map(|line| format!("  {line}")));
    }
    lines.extend(iso.remarks.iter().map(|remark| format!("note: {remark}")));
    lines.push(format!("at most {}", iso.timeout));
    lines
}
