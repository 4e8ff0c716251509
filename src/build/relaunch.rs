//! The proof of an image that the hypervisor keeps: a machine is started from it, and it is checked from inside.
use super::{
    AmiTest, BuildError, LocalUndoer, Verified,
    kept::has_surrogate,
    login,
    preflight::Ready,
    recipe::{Live, machine_spec},
    verify::{judge, served, unproven},
    watch::Watch,
    world::{Session, World},
};
use crate::{
    cx::{Check, Cx, Event},
    driver::{Boot, KeptImage},
    guest::Login,
    plan::{GuestPlan, Plan, SeedKind},
    value::{Arch, HumanDuration},
};
use std::{path::Path, time::Instant};

/// Questions that a guest answers at once.
const SHORT: HumanDuration = HumanDuration::seconds(60);
/// Package lists are fetched, and this may be far from the mirror.
const LONG: HumanDuration = HumanDuration::seconds(600);
/// Who logs in to the machine of a proof: another one than built the image, so that one can be missed.
const USER: &str = "goldsmith-proof";

/// What is known about the machine that was built.
pub(super) struct Built<'a> {
    /// Facts of its guest.
    pub(super) facts: &'a serde_json::Value,
    /// How the build logged in: none of it may be left.
    pub(super) login: &'a Login,
}

/// What starting one image needs.
pub(super) struct Proof<'a> {
    pub(super) cx: &'a Cx,
    pub(super) world: &'a dyn World,
    pub(super) plan: &'a Plan,
    pub(super) ready: &'a Ready,
    pub(super) undoer: &'a LocalUndoer<'a>,
}

impl Proof<'_> {
    /// Proves the image of a build.
    pub(super) async fn of_build(
        &self,
        image: &KeptImage,
        built: &Built<'_>,
        live: &mut Live,
    ) -> Result<Vec<Verified>, BuildError> {
        if !self.plan.verify.boot {
            return Ok(Vec::new());
        }
        let (cx, subject) = (self.cx, format!("{} started from {}", self.plan.name, image.id));
        let plan = self.plan_of_proof();
        let facts = if has_surrogate(&plan) { &serde_json::Value::Null } else { built.facts };
        let verified = self
            .start(&plan, image, &subject, live, async |session| {
                let mut checks = session.check(cx, &subject, &plan, facts).await?;
                checks.extend(leftovers(cx, session, &subject, built.login, &plan).await?);
                Ok(checks)
            })
            .await?;
        Ok(vec![verified])
    }

    /// Proves an image that somebody else built.
    pub(super) async fn of_test(
        &self,
        image: &KeptImage,
        test: &AmiTest,
        live: &mut Live,
    ) -> Result<Vec<Verified>, BuildError> {
        let (cx, subject) = (self.cx, format!("`{}` started from {}", image.name, image.id));
        let plan = self.plan_of_proof();
        let verified = self
            .start(&plan, image, &subject, live, async |session| {
                let mut checks = session.check(cx, &subject, &plan, &serde_json::Value::Null).await?;
                checks.extend(expected(cx, session, &subject, test, plan.arch).await?);
                if let Some(path) = &test.packages {
                    write_packages(cx, session, path).await?;
                }
                Ok(checks)
            })
            .await?;
        Ok(vec![verified])
    }

    /// The plan as the proof sees it: the user of the build is not made again, and what filled a surrogate did not touch this guest.
    fn plan_of_proof(&self) -> Plan {
        let mut plan = self.plan.clone();
        let made = matches!(plan.guest.seed, SeedKind::UserData | SeedKind::NoCloud);
        if made && plan.guest.user != "root" {
            plan.guest = GuestPlan { user: USER.to_owned(), ..plan.guest };
        }
        if has_surrogate(&plan) {
            plan.provision = Vec::new();
        }
        plan
    }

    /// Starts a machine from the image, has it checked, and removes it.
    async fn start(
        &self,
        plan: &Plan,
        image: &KeptImage,
        subject: &str,
        live: &mut Live,
        look: impl AsyncFnOnce(&mut dyn Session) -> Result<Vec<Check>, BuildError>,
    ) -> Result<Verified, BuildError> {
        let Self { cx, world, ready, .. } = *self;
        let keys = login::write_seed(cx, plan, &ready.secrets, "proof").await?;
        let spec = keys.instance(machine_spec(plan, "proof"), Boot::Image(image.id.clone()));
        let machine = ready.hypervisor.create(cx, &spec).await?;
        let machine = &**live.machine.insert(machine);
        let watch = Watch::over(machine);
        let start = Instant::now();
        machine.power_on(cx).await?;
        let connected = login::connect(cx, world, plan, machine, &keys, &watch, &mut live.access).await;
        let session = connected.map_err(|error| unproven(error, subject))?;
        let boot_seconds = start.elapsed().into();
        let session = live.session.insert(session);
        let checks = look(&mut **session).await?;
        judge(subject, &checks)?;
        session.close().await;
        let resource = machine.resource().clone();
        served(cx, &resource, self.undoer, live).await?;
        Ok(Verified { firmware: None, boot_seconds: Some(boot_seconds), checks })
    }
}

/// Reports a check.
fn report(cx: &Cx, subject: &str, check: Check) -> Check {
    cx.emit(Event::Checked { subject: subject.to_owned(), check: check.clone() });
    check
}

/// What the build must not have left, as far as it can be seen from inside of a system that has started.
async fn leftovers(
    cx: &Cx,
    session: &mut dyn Session,
    subject: &str,
    login: &Login,
    plan: &Plan,
) -> Result<Vec<Check>, BuildError> {
    let body = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let (key, host) = (body(&login.authorized_key), body(&login.host_key));
    // Keys are base64 and users plain names: neither needs quotes, and both have them.
    let mut questions = vec![(
        "no key of the build may log in",
        format!("grep -rlsF -- '{key}' /root/.ssh /home/*/.ssh /etc/ssh || true"),
    )];
    if plan.guest.seed != SeedKind::Login {
        let name = "there is no SSH host key of the build";
        questions.push((name, format!("grep -lsF -- '{host}' /etc/ssh/*.pub || true")));
    }
    if plan.guest.user != login.user {
        let name = "the user of the build is gone";
        questions.push((name, format!("getent passwd '{}' || true", login.user)));
    }
    let mut checks = Vec::new();
    for (name, script) in questions {
        let (_, found) = session.ask(cx, name, &script, SHORT).await?;
        let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
        let passed = found.is_empty();
        let found = if passed { "nothing".to_owned() } else { found };
        let check = Check { name: name.to_owned(), passed, expected: "nothing".to_owned(), found };
        checks.push(report(cx, subject, check));
    }
    Ok(checks)
}

/// What a tester of somebody else's image expects.
async fn expected(
    cx: &Cx,
    session: &mut dyn Session,
    subject: &str,
    test: &AmiTest,
    arch: Arch,
) -> Result<Vec<Check>, BuildError> {
    let mut checks = Vec::new();
    let (_, machine) = session.ask(cx, "architecture", "uname -m", SHORT).await?;
    let (wanted, found) = (arch.to_string(), machine.trim().to_owned());
    let check = Check {
        name: "the kernel's architecture".to_owned(),
        passed: found == wanted,
        expected: wanted,
        found,
    };
    checks.push(report(cx, subject, check));
    if let Some(wanted) = &test.os_release {
        let script = "cat /etc/os-release /etc/*-release 2>/dev/null || true";
        let (_, text) = session.ask(cx, "release files", script, SHORT).await?;
        let pretty = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let check = Check {
            name: "the release files say what it is".to_owned(),
            passed: text.contains(wanted.as_str()),
            expected: wanted.clone(),
            found: pretty.or(text.lines().next()).unwrap_or("nothing").trim_matches('"').to_owned(),
        };
        checks.push(report(cx, subject, check));
    }
    if test.up_to_date {
        let (right, said) = session.ask(cx, "newer packages", UP_TO_DATE, LONG).await?;
        let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let found = match (right, said.as_slice()) {
            (true, _) => "nothing newer".to_owned(),
            (false, []) => "the package manager failed".to_owned(),
            (false, lines) => {
                let more = lines.len().saturating_sub(5);
                let shown = lines[lines.len() - lines.len().min(5)..].join("; ");
                if more > 0 { format!("{shown} and {more} more lines") } else { shown }
            }
        };
        let check = Check {
            name: "the package manager works and has nothing newer".to_owned(),
            passed: right,
            expected: "nothing newer".to_owned(),
            found,
        };
        checks.push(report(cx, subject, check));
    }
    Ok(checks)
}

/// Exit code 0 when there is nothing newer; what there is is printed.
const UP_TO_DATE: &str = r#"
if command -v dnf >/dev/null; then exec dnf -q check-update
elif command -v yum >/dev/null; then exec yum -q check-update
elif command -v apt-get >/dev/null; then
  apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null 2>&1 || exit 100
  newer=$(apt-get -q -s dist-upgrade | sed -n 's/^Inst //p')
  [ -z "$newer" ] || { printf '%s\n' "$newer"; exit 1; }
elif command -v zypper >/dev/null; then
  newer=$(zypper --non-interactive --quiet list-updates | grep '^v' || true)
  [ -z "$newer" ] || { printf '%s\n' "$newer"; exit 1; }
else echo 'there is no package manager that goldsmith knows'; exit 1
fi
"#;

/// One package a line, sorted, as the package manager names them with version and architecture.
const PACKAGES: &str = r"
export LC_ALL=C
if command -v rpm >/dev/null && [ -d /var/lib/rpm -o -d /usr/lib/sysimage/rpm ]; then rpm -qa | sort
elif command -v dpkg-query >/dev/null; then dpkg-query -W -f '${Package}_${Version}_${Architecture}\n' | sort
else exit 1
fi
";

async fn write_packages(cx: &Cx, session: &mut dyn Session, path: &Path) -> Result<(), BuildError> {
    let (right, list) = session.ask(cx, "packages", PACKAGES, SHORT).await?;
    let failed = |why: Box<dyn std::error::Error + Send + Sync>| {
        BuildError::because(format!("could not write the list of packages to `{}`", path.display()), why)
    };
    if !right {
        return Err(failed("the guest has neither rpm nor dpkg".into()));
    }
    let written = async {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        tokio::fs::write(path, &list).await
    };
    written.await.map_err(|error| failed(error.into()))?;
    cx.events().notice(format!("{} packages listed in `{}`", list.lines().count(), path.display()));
    Ok(())
}
