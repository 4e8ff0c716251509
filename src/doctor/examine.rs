//! The verdicts. Pure: facts in, findings out.
use super::{
    Facts, Finding, Kvm, Status, Subject, Tool,
    packages::{Family, install},
};
use crate::{
    plan::{Accelerator, EMBEDDED_URI, Firmware, Plan, SourcePlan},
    value::{Arch, Size},
};

/// Every finding, in an order that makes sense to mend them in.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let judge = Judge { facts };
    let mut findings = vec![judge.architecture(), judge.kvm()];
    findings.extend(judge.tools());
    findings.extend(judge.user());
    findings.push(judge.state());
    findings.push(judge.disk());
    findings.push(judge.memory());
    findings.extend(facts.subjects.iter().map(source));
    findings.push(judge.dead_builds());
    findings
}

struct Judge<'a> {
    facts: &'a Facts,
}

impl Judge<'_> {
    fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.facts.subjects.iter().map(|subject| &subject.plan)
    }

    /// Whether a definition needs it. Without definitions nobody knows, so nothing is needed but everything is wanted.
    fn needs(&self, does: impl Fn(&Plan) -> bool) -> bool {
        self.plans().any(does)
    }

    /// The verdict about something that is missing: whether a definition needs it, or it only may.
    fn missing(&self, always: bool, does: impl Fn(&Plan) -> bool) -> Status {
        match (self.facts.subjects.is_empty(), always || self.needs(does)) {
            (_, true) => Status::Failure,
            (true, false) => Status::Warning,
            // No definition asks for it.
            (false, false) => Status::Ok,
        }
    }

    fn sudo(&self) -> &'static str {
        if self.facts.root { "" } else { "sudo " }
    }

    fn architecture(&self) -> Finding {
        let Some(arch) = self.facts.arch else {
            return Finding::new(
                "architecture",
                Status::Failure,
                format!("{} is not supported; goldsmith builds on x86_64 and aarch64", self.facts.machine),
            );
        };
        let text = format!("{arch} ({})", self.facts.distro.name);
        match self.plans().find(|plan| plan.arch != arch) {
            Some(plan) => Finding::new(
                "architecture",
                Status::Warning,
                format!("{text}; `{}` is for {}, which is emulated, slowly", plan.name, plan.arch),
            ),
            None => Finding::new("architecture", Status::Ok, text),
        }
    }

    fn kvm(&self) -> Finding {
        match &self.facts.kvm {
            Kvm::Runs => Finding::new("kvm", Status::Ok, "runs a test guest"),
            Kvm::Fails { reason, hint } => {
                let insists =
                    self.plans().find(|plan| plan.machine.accelerator == Accelerator::Kvm && is_local(plan));
                let finding = match insists {
                    Some(plan) => Finding::new(
                        "kvm",
                        Status::Failure,
                        format!("{reason}; `{}` insists on KVM", plan.name),
                    ),
                    None => Finding::new(
                        "kvm",
                        Status::Warning,
                        format!("{reason}; guests run in QEMU's emulation, ten times slower"),
                    ),
                };
                finding.mend_all(hint.clone())
            }
        }
    }

    fn tools(&self) -> Vec<Finding> {
        let mut arches: Vec<Arch> = self.plans().map(|plan| plan.arch).collect();
        arches.extend(self.facts.arch.filter(|_| arches.is_empty()));
        arches.dedup();
        let remote = !self.facts.subjects.is_empty() && !self.needs(is_local);
        let embedded = self.facts.subjects.is_empty()
            || self.needs(|plan| is_local(plan) && plan.machine.uri == EMBEDDED_URI);
        let mut findings = Vec::new();
        if !remote {
            for arch in &arches {
                findings.push(self.tool(
                    "qemu",
                    Tool::Qemu(*arch),
                    &format!("QEMU for {arch}"),
                    true,
                    is_local,
                ));
            }
            findings
                .push(self.tool("libvirt", Tool::LibvirtQemu, "libvirt's QEMU driver", embedded, |_| false));
            for arch in &arches {
                findings.push(self.tool(
                    "uefi",
                    Tool::Uefi(*arch),
                    &format!("UEFI for {arch} guests"),
                    false,
                    needs_uefi,
                ));
            }
        }
        let bootstraps = |plan: &Plan| matches!(plan.source, SourcePlan::Bootstrap(_));
        if self.facts.subjects.is_empty() || self.needs(bootstraps) {
            for (check, tool, what) in [
                ("mmdebstrap", Tool::Mmdebstrap, "mmdebstrap, which assembles Debian systems"),
                ("debian-keyring", Tool::DebianKeyring, "the keys of Debian's archives"),
                ("mke2fs", Tool::Mke2fs, "mke2fs, which makes ext4 file systems"),
            ] {
                findings.push(self.tool(check, tool, what, false, bootstraps));
            }
        }
        // Builds bring their own client; people need one.
        let mut ssh =
            self.tool("ssh", Tool::Ssh, "an SSH client, for `--on-error shell` and `--debug`", true, |_| {
                true
            });
        ssh.status = ssh.status.min(Status::Warning);
        findings.push(ssh);
        findings
    }

    fn tool(
        &self,
        check: &'static str,
        tool: Tool,
        what: &str,
        always: bool,
        does: impl Fn(&Plan) -> bool,
    ) -> Finding {
        if self.facts.tools.contains(&tool) {
            return Finding::new(check, Status::Ok, what);
        }
        let status = self.missing(always, does);
        if status == Status::Ok {
            return Finding::new(check, status, format!("{what}: not installed, and not needed"));
        }
        let missing = Finding::new(check, status, format!("{what}: not installed"));
        let family = self.facts.distro.family;
        match install(family, self.facts.root, &[tool]) {
            Some(command) => missing.mend(command),
            None => missing.mend(format!(
                "install what Debian calls `{}` with this distribution's package manager",
                tool.debian()
            )),
        }
    }

    /// What ordinary users need to own the files of a bootstrapped system.
    fn user(&self) -> Option<Finding> {
        let bootstraps = |plan: &Plan| matches!(plan.source, SourcePlan::Bootstrap(_));
        let facts = self.facts;
        if facts.root || !(facts.subjects.is_empty() || self.needs(bootstraps)) {
            return None;
        }
        let status = self.missing(false, bootstraps);
        if let Some(setting) = facts.no_user_namespaces {
            return Some(
                Finding::new(
                    "user-namespaces",
                    status,
                    "this kernel keeps ordinary users from making user namespaces",
                )
                .mend(format!("{}sysctl -w {setting}", self.sudo())),
            );
        }
        if !facts.tools.contains(&Tool::Newuidmap) {
            return Some(self.tool(
                "user-namespaces",
                Tool::Newuidmap,
                "newuidmap, which maps user ids",
                false,
                bootstraps,
            ));
        }
        if !facts.subordinate_ids {
            return Some(
                Finding::new(
                    "user-namespaces",
                    status,
                    format!("`{}` has no subordinate user and group ids", facts.user),
                )
                .mend(format!(
                    "{}usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}",
                    self.sudo(),
                    facts.user
                )),
            );
        }
        Some(Finding::new("user-namespaces", Status::Ok, format!("`{}` can map user ids", facts.user)))
    }

    fn state(&self) -> Finding {
        match self.facts.unwritable.first() {
            None => Finding::new("folders", Status::Ok, "state, cache and work folders can be written to"),
            Some((folder, why)) => Finding::new(
                "folders",
                Status::Failure,
                format!("`{}` cannot be written to: {why}", folder.display()),
            )
            .mend("set GOLDSMITH_STATE_DIR, GOLDSMITH_CACHE_DIR or GOLDSMITH_WORK_DIR to another folder"),
        }
    }

    fn disk(&self) -> Finding {
        let work = self.facts.work.display();
        let Some(free) = self.facts.free_disk else {
            return Finding::new("disk", Status::Warning, format!("nobody knows how much room `{work}` has"));
        };
        let mend = "set GOLDSMITH_WORK_DIR to a folder on a larger file system";
        let needs = |subject: &Subject| subject.source.as_ref().map_or(Size::bytes(0), |needs| *needs);
        let hungriest = self.facts.subjects.iter().max_by_key(|subject| needs(subject));
        if let Some(subject) = hungriest.filter(|subject| needs(subject) > free) {
            let text =
                format!("`{work}` has {free} free, and `{}` needs {}", subject.plan.name, needs(subject));
            return Finding::new("disk", Status::Failure, text).mend(mend);
        }
        // Disks are sparse: a build rarely fills its disk, but it may.
        match self.plans().max_by_key(|plan| plan.machine.disk).filter(|plan| plan.machine.disk > free) {
            Some(plan) => Finding::new(
                "disk",
                Status::Warning,
                format!(
                    "`{work}` has {free} free, and the disk of `{}` may grow to {}",
                    plan.name, plan.machine.disk
                ),
            )
            .mend(mend),
            None if free < LEAST_DISK => {
                Finding::new("disk", Status::Warning, format!("`{work}` has only {free} free")).mend(mend)
            }
            None => Finding::new("disk", Status::Ok, format!("`{work}` has {free} free")),
        }
    }

    fn memory(&self) -> Finding {
        let (Some(total), Some(free)) = (self.facts.memory, self.facts.free_memory) else {
            return Finding::new("memory", Status::Warning, "nobody knows how much memory this host has");
        };
        let text = format!("{free} of {total} available");
        match self.plans().filter(|plan| is_local(plan)).max_by_key(|plan| plan.machine.memory) {
            Some(plan) if plan.machine.memory > free => {
                let hopeless = plan.machine.memory > total;
                Finding::new(
                    "memory",
                    if hopeless { Status::Failure } else { Status::Warning },
                    format!("{text}, and the machine of `{}` has {}", plan.name, plan.machine.memory),
                )
                .mend("lower `memory` in the definition's `[machine]`, or end other programs")
            }
            _ => Finding::new("memory", Status::Ok, text),
        }
    }

    fn dead_builds(&self) -> Finding {
        match &self.facts.dead {
            Ok(dead) if dead.is_empty() => {
                Finding::new("leftovers", Status::Ok, "no build left anything behind")
            }
            Ok(dead) => {
                let names: Vec<&str> =
                    dead.iter().filter_map(|dead| Some(dead.header.as_ref()?.name.as_str())).collect();
                let n = dead.len();
                let text = format!("{n} interrupted build{} left something", if n == 1 { "" } else { "s" });
                let text = if names.is_empty() { text } else { format!("{text}: {}", names.join(", ")) };
                Finding::new("leftovers", Status::Warning, text).mend("goldsmith gc")
            }
            Err(error) => Finding::new("leftovers", Status::Warning, error.clone()),
        }
    }
}

/// Below this, not even a small image fits.
const LEAST_DISK: Size = Size::gib(2);

/// Whether the machine runs on this host.
fn is_local(plan: &Plan) -> bool {
    !plan.machine.keeps_its_disks() && plan.machine.uri.starts_with("qemu:///")
}

fn needs_uefi(plan: &Plan) -> bool {
    is_local(plan)
        && (plan.machine.firmware == Firmware::Efi
            || (plan.verify.boot && plan.verify.firmware.contains(&Firmware::Efi)))
}

fn source(subject: &Subject) -> Finding {
    let what = match &subject.plan.source {
        SourcePlan::Bootstrap(_) => "packages",
        SourcePlan::Disk(_) | SourcePlan::Nutanix(_) => "image",
        SourcePlan::Iso(_) => "medium",
        SourcePlan::Ami(_) => "AMI",
        SourcePlan::Vsphere(_) => "machine",
        SourcePlan::Cloudstack(_) => "template",
    };
    match &subject.source {
        Ok(_) => {
            Finding::new("source", Status::Ok, format!("`{}`: its {what} can be had", subject.plan.name))
        }
        Err((chain, hint)) => {
            Finding::new("source", Status::Failure, format!("`{}`: {}", subject.plan.name, chain.join(": ")))
                .mend_all(hint.clone())
        }
    }
}

/// One command that installs everything that is missing, when there is more than one thing.
pub fn install_all(facts: &Facts, findings: &[Finding]) -> Option<String> {
    let family = facts.distro.family;
    let wanted: Vec<Tool> = facts
        .arch
        .into_iter()
        .chain(facts.subjects.iter().map(|subject| subject.plan.arch))
        .flat_map(Tool::all)
        .filter(|tool| {
            let alone = install(family, facts.root, &[*tool]);
            findings.iter().any(|finding| {
                finding.status != Status::Ok && alone.is_some() && finding.mend.first() == alone.as_ref()
            })
        })
        .collect();
    let mut once: Vec<Tool> = Vec::new();
    for tool in wanted {
        if !once.contains(&tool) {
            once.push(tool);
        }
    }
    if once.len() < 2 || family == Family::Other { None } else { install(family, facts.root, &once) }
}
