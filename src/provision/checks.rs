//! What must hold inside the booted result. Every step kind says what its effect looks like; later steps win over earlier
//! ones about the same thing.
use super::{
    secrets::has_secret,
    steps::{service::unit, user::sudoers_file},
};
use crate::{
    guest::{Facts, quote, quote_all},
    plan::{Content, FileStep, PackageStep, Plan, ServiceState, ServiceStep, Step, StepKind, UserStep},
    value::Size,
};
use std::path::PathBuf;

/// One assertion: a script that prints what it finds, and what that must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSpec {
    /// For people.
    pub name: String,
    /// The thing it is about; a later assertion about the same thing replaces it.
    pub(super) subject: String,
    pub(super) script: String,
    pub(super) expect: Expect,
}

/// What a check's script must print, or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// Exactly this.
    Text(String),
    /// This, then the digest of a file of this host, which is read when the check runs.
    TextAndDigestOf(String, PathBuf),
    /// One of these.
    AnyOf(Vec<String>),
    /// 32 hexadecimal digits, but not these.
    OtherId(String),
    /// A number, at least this.
    AtLeast(u64),
    /// Exit code 0, whatever it prints.
    Success,
}

impl CheckSpec {
    fn new(
        subject: impl Into<String>,
        name: impl Into<String>,
        script: impl Into<String>,
        expect: Expect,
    ) -> Self {
        Self { name: name.into(), subject: subject.into(), script: script.into(), expect }
    }
}

/// The assertions that follow from `steps`.
pub fn checks(steps: &[Step]) -> Vec<CheckSpec> {
    let mut found: Vec<CheckSpec> = Vec::new();
    for step in steps {
        let new = match &step.kind {
            StepKind::Shell(shell) => shell.creates.as_deref().and_then(created).into_iter().collect(),
            StepKind::File(step) => file(step).into_iter().collect(),
            StepKind::Package(step) => packages(step),
            StepKind::Service(step) => service(step),
            StepKind::User(step) => user(step),
            StepKind::Reboot(_) => vec![],
        };
        // All that was said about a subject before is void.
        found.retain(|old| !new.iter().any(|new| new.subject == old.subject));
        found.extend(new);
    }
    found
}

/// Whether the path outlives a reboot and the seal.
fn lasts(path: &str) -> bool {
    !["/tmp/", "/var/tmp/", "/run/", "/var/run/", "/dev/", "/proc/", "/sys/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

fn created(path: &str) -> Option<CheckSpec> {
    let script = format!("if [ -e {0} ] || [ -L {0} ]; then echo there; else echo missing; fi", quote(path));
    lasts(path).then(|| {
        CheckSpec::new(
            format!("path {path}"),
            format!("`{path}` exists"),
            script,
            Expect::Text("there".into()),
        )
    })
}

fn file(step: &FileStep) -> Option<CheckSpec> {
    use sha2::{Digest, Sha256};
    if !lasts(&step.dest) {
        return None;
    }
    // Owners by number are compared by number.
    let field = |name: &str, letters: [char; 2]| {
        if name.bytes().all(|b| b.is_ascii_digit()) { letters[0] } else { letters[1] }
    };
    let (owner, group) = (field(&step.owner, ['u', 'U']), field(&step.group, ['g', 'G']));
    let head = format!("{:o} {}:{}", step.mode & 0o7777, step.owner, step.group);
    let path = quote(&step.dest);
    let digest = "sha256sum <\"$f\" | cut -d' ' -f1";
    let (tail, expect) = match &step.content {
        Content::Text(text) if has_secret(text) => ("echo secret", Expect::Text(format!("{head} secret"))),
        Content::Text(text) => {
            (digest, Expect::Text(format!("{head} {}", hex::encode(Sha256::digest(text)))))
        }
        Content::Path(local) => (digest, Expect::TextAndDigestOf(format!("{head} "), local.clone())),
    };
    let script = format!(
        "f={path}\nif [ ! -e \"$f\" ]; then echo missing\nelif [ ! -f \"$f\" ]; then stat -c %F \"$f\"\n\
         else echo \"$(stat -L -c '%a %{owner}:%{group}' \"$f\") $({tail})\"; fi"
    );
    let name = format!("file `{}` has its content, owner and mode", step.dest);
    Some(CheckSpec::new(format!("path {}", step.dest), name, script, expect))
}

fn packages(step: &PackageStep) -> Vec<CheckSpec> {
    let mut specs = Vec::new();
    for wanted in &step.install {
        let (name, version) = match wanted.split_once('=') {
            Some((name, version)) => (name, Some(version)),
            None => (wanted.as_str(), None),
        };
        // apt's `name/release` and `task^`: the first is a name with a wish, the second no package.
        let name = name.split('/').next().unwrap_or(name);
        if name.ends_with('^') {
            continue;
        }
        let title = format!("package `{wanted}` is installed");
        specs.push(match version {
            Some(version) => CheckSpec::new(
                format!("package {name}"),
                title,
                package_script(name, true),
                Expect::Text(format!("installed {version}")),
            ),
            None => CheckSpec::new(
                format!("package {name}"),
                title,
                package_script(name, false),
                Expect::Text("installed".into()),
            ),
        });
    }
    for name in &step.remove {
        specs.push(CheckSpec::new(
            format!("package {name}"),
            format!("package `{name}` is not installed"),
            package_script(name, false),
            Expect::Text("absent".into()),
        ));
    }
    specs
}

fn package_script(name: &str, version: bool) -> String {
    let name = quote(name);
    let (dpkg, rpm) = if version {
        ("${db:Status-Status} ${Version}", "installed %{VERSION}-%{RELEASE}")
    } else {
        ("${db:Status-Status}", "installed")
    };
    // A name that other packages provide counts as installed when one of them is.
    format!(
        "p={name}\nif command -v dpkg-query >/dev/null; then\n\
         \x20 s=$(dpkg-query -W -f '{dpkg}\\n' \"$p\" 2>/dev/null | head -n 1 || true)\n\
         \x20 case $s in\n\
         \x20 installed*) echo \"$s\";;\n\
         \x20 *) if dpkg-query -W -f '${{db:Status-Status}} ${{Provides}},\\n' | grep '^installed ' \\\n\
         \x20      | tr ',' '\\n' | sed 's/^installed //; s/^ *//; s/ .*//' | grep -qxF -- \"$p\"\n\
         \x20   then echo installed; else echo absent; fi;;\n\
         \x20 esac\n\
         else rpm -q --whatprovides --qf '{rpm}\\n' \"$p\" 2>/dev/null | head -n 1 | grep . || echo absent; fi"
    )
}

fn service(step: &ServiceStep) -> Vec<CheckSpec> {
    let unit = unit(&step.name);
    let word = quote(&unit);
    let mut specs = Vec::new();
    let enabled = format!("systemctl is-enabled {word} 2>/dev/null || true");
    let any = |words: &[&str]| Expect::AnyOf(words.iter().map(|word| (*word).to_owned()).collect());
    let on = ["enabled", "enabled-runtime", "static", "alias", "indirect", "generated"];
    let off = ["disabled", "static", "indirect", "masked"];
    let boot = match (step.masked, step.enabled) {
        (Some(true), _) => Some(("is masked", any(&["masked"]))),
        (_, Some(true)) => Some(("starts at boot", any(&on))),
        (_, Some(false)) => Some(("does not start at boot", any(&off))),
        (Some(false), None) => Some(("is not masked", any(&[&on[..], &off[..3]].concat()))),
        (None, None) => None,
    };
    if let Some((what, expect)) = boot {
        specs.push(CheckSpec::new(format!("boot {unit}"), format!("unit `{unit}` {what}"), enabled, expect));
    }
    // What a unit does now says nothing about the next boot, unless it starts then, or nothing may start it.
    let script = format!(
        "systemctl show -p Type -p ActiveState -p Result {word} | sort | tr '\\n' ' ' | sed 's/ $//' \\\n\
         | awk '{{ split($0, f, \" \"); for (i in f) {{ split(f[i], kv, \"=\"); v[kv[1]] = kv[2] }}\n\
         \x20 if (v[\"Type\"] == \"oneshot\" && v[\"ActiveState\"] == \"inactive\" && v[\"Result\"] == \"success\")\n\
         \x20   print \"done\"; else print v[\"ActiveState\"] }}'"
    );
    let runs = matches!(step.state, Some(ServiceState::Started | ServiceState::Restarted));
    if runs && step.enabled == Some(true) && step.masked != Some(true) {
        let name = format!("unit `{unit}` runs");
        specs.push(CheckSpec::new(format!("state {unit}"), name, script, any(&["active", "done"])));
    } else if step.masked == Some(true)
        || (step.state == Some(ServiceState::Stopped) && step.enabled == Some(false))
    {
        let name = format!("unit `{unit}` does not run");
        specs.push(CheckSpec::new(format!("state {unit}"), name, script, any(&["inactive", "done"])));
    }
    specs
}

fn user(step: &UserStep) -> Vec<CheckSpec> {
    let name = quote(&step.name);
    let exists = |expect: &str, title: String, script: String| {
        CheckSpec::new(format!("user {}", step.name), title, script, Expect::Text(expect.to_owned()))
    };
    if step.absent {
        let script = format!("if getent passwd {name} >/dev/null; then echo there; else echo absent; fi");
        return vec![exists("absent", format!("user `{}` does not exist", step.name), script)];
    }
    // One line: what is missing, or `complete`.
    let mut script =
        format!("p=$(getent passwd {name} || true)\n[ -n \"$p\" ] || {{ echo absent; exit 0; }}\nm=\n");
    if let Some(uid) = step.uid {
        script.push_str(&format!("[ \"$(id -u {name})\" = {uid} ] || m=\"$m, uid is $(id -u {name})\"\n"));
    }
    if let Some(shell) = &step.shell {
        script.push_str(&format!("[ \"${{p##*:}}\" = {} ] || m=\"$m, shell is ${{p##*:}}\"\n", quote(shell)));
    }
    if !step.groups.is_empty() {
        script.push_str(&format!(
            "for g in {}; do id -Gn {name} | tr ' ' '\\n' | grep -qxF -- \"$g\" || m=\"$m, not in group $g\"; done\n",
            quote_all(&step.groups)
        ));
    }
    if step.sudo {
        let file = quote(&sudoers_file(&step.name));
        script.push_str(&format!("grep -q NOPASSWD {file} 2>/dev/null || m=\"$m, no sudo\"\n"));
    }
    if !step.authorized_keys.is_empty() {
        script.push_str("f=$(echo \"$p\" | cut -d: -f6)/.ssh/authorized_keys\n");
        for (index, key) in step.authorized_keys.iter().enumerate() {
            let key = quote(key.trim());
            script.push_str(&format!(
                "grep -qxF -- {key} \"$f\" 2>/dev/null || m=\"$m, key {} may not log in\"\n",
                index + 1
            ));
        }
    }
    script.push_str("if [ -z \"$m\" ]; then echo complete; else echo \"${m#, }\"; fi");
    vec![exists("complete", format!("user `{}` exists as defined", step.name), script)]
}

/// Assertions about any booted result: `build` are the facts of the machine it was built in.
pub fn general_checks(plan: &Plan, build: &Facts) -> Vec<CheckSpec> {
    let mut specs = vec![CheckSpec::new(
        "os",
        "the operating system is the one that was built",
        ". /etc/os-release; echo \"${ID-} ${VERSION_ID-}\"",
        Expect::Text(format!("{} {}", build.os_id, build.os_version).trim_end().to_owned()),
    )];
    if build.systemd() {
        // `--wait` returns when the start-up is over; a stuck job must not hold us for ever.
        specs.push(CheckSpec::new(
            "boot",
            "the boot ended without failed units",
            "s=$(timeout 300 systemctl is-system-running --wait 2>/dev/null || true)\n\
             case $s in\n\
             running) echo running;;\n\
             degraded) echo degraded: $(systemctl --failed --plain --no-legend list-units | awk '{ print $1 }');;\n\
             *) echo \"${s:-not ready after 5 min}\": $(systemctl list-jobs --plain --no-legend | awk '{ print $2 }');;\n\
             esac",
            Expect::Text("running".into()),
        ));
    }
    if plan.seal.sysprep {
        specs.push(CheckSpec::new(
            "machine-id",
            "the machine has an id of its own",
            "cat /etc/machine-id",
            Expect::OtherId(build.machine_id.clone()),
        ));
    }
    // A little less, since file systems round.
    let least = build.root_bytes - build.root_bytes / 50;
    specs.push(CheckSpec::new(
        "root",
        format!("the root file system is not smaller than in the build ({})", Size::bytes(build.root_bytes)),
        "set -- $(stat -f -c '%b %S' /); echo $(($1 * $2))",
        Expect::AtLeast(least),
    ));
    for command in &plan.verify.commands {
        specs.push(CheckSpec::new(
            format!("command {command}"),
            format!("`{command}` succeeds"),
            format!("timeout 300 /bin/sh -euc {}", quote(command)),
            Expect::Success,
        ));
    }
    specs
}
