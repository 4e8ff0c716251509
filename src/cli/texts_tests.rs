//! What people read after a build, and from gc, doctor and plan.
use super::{commands, failure, problem, summary, theme::Theme};
use crate::{
    build::{
        Access, Artifact, BuildError, BuildErrorKind, BuildResult, Collected, DeadBuild, OnError, Outcome,
        STAGES, StageTime, Verified,
    },
    cx::{Check, Header, Leftover, ResourceRef, Undo, UndoError, UnwindReport},
    definition::{self, Inputs, TemplateKind},
    doctor::{Finding, Status},
    driver::Readiness,
    plan::{Accelerator, Firmware, OutputFormat, Plan},
    value::{Arch, HumanDuration, Size},
};
use std::{collections::BTreeMap, io, path::Path, time::Duration};

const PLAIN: Theme = Theme::new(false, true);

fn plan() -> Plan {
    let inputs =
        Inputs { out_dir: Some("/srv/out".into()), host_arch: Some(Arch::X86_64), ..Inputs::default() };
    definition::resolve(
        &definition::template(TemplateKind::Bootstrap),
        Path::new("/srv/images/web.toml"),
        &inputs,
    )
    .expect("the template resolves")
}

fn check() -> Check {
    Check { name: "x".to_owned(), passed: true, expected: String::new(), found: String::new() }
}

fn artifact(format: OutputFormat, firmware: &[Firmware]) -> Artifact {
    let looked = Verified { firmware: None, boot_seconds: None, checks: vec![check(); 6] };
    let booted = firmware.iter().map(|firmware| Verified {
        firmware: Some(*firmware),
        boot_seconds: Some(HumanDuration::seconds(18)),
        checks: vec![check(); 23],
    });
    Artifact {
        path: format!("/srv/out/web.{format}").into(),
        format,
        file_bytes: Size::mib(1800),
        allocated_bytes: if format == OutputFormat::Raw { Size::mib(1204) } else { Size::mib(1800) },
        virtual_bytes: Size::gib(8),
        sha256: "3f2a9c41b7d0e5a1".repeat(4),
        verified: std::iter::once(looked).chain(booted).collect(),
    }
}

fn made(artifacts: Vec<Artifact>) -> BuildResult {
    BuildResult {
        artifacts,
        amis: Vec::new(),
        kept: Vec::new(),
        machine: Readiness {
            hypervisor: "QEMU 7.2.22, libvirt 9.0.0".to_owned(),
            accelerator: Accelerator::Kvm,
            notice: None,
        },
        guest: serde_json::Value::Null,
        source: "Debian bookworm from packages".to_owned(),
    }
}

fn outcome(result: Result<BuildResult, (String, BuildError)>) -> Outcome {
    let ms = [240, 72_000, 20, 110, 80, 31_000, 45_300, 3_200, 2_100, 8_400, 58_000, 50];
    Outcome {
        matrix: std::collections::BTreeMap::new(),
        id: "3f2a9c41b7d0".parse().unwrap(),
        name: "web".to_owned(),
        logs: "/home/ada/.local/state/goldsmith/logs/web-3f2a9c41b7d0".into(),
        seconds: HumanDuration::seconds(220),
        stages: STAGES
            .iter()
            .filter(|stage| **stage != "install")
            .zip(ms)
            .map(|(stage, ms)| StageTime {
                stage: (*stage).to_owned(),
                seconds: Duration::from_millis(ms).into(),
            })
            .collect(),
        result,
        unwound: UnwindReport::default(),
        kept: None,
    }
}

fn summary_text(theme: &Theme, width: usize, artifacts: Vec<Artifact>, firmware: &[Firmware]) -> String {
    let mut plan = plan();
    plan.verify.firmware = firmware.to_vec();
    let outcome = outcome(Ok(made(artifacts)));
    let made = outcome.result.as_ref().unwrap();
    summary::success(theme, width, &outcome, made, &plan, Some(Path::new("/srv/out/result.json")))
        .replace('\u{1b}', "␛")
}

#[test]
fn a_success_reads_like_a_receipt() {
    use {Firmware::*, OutputFormat::*};
    let both = || vec![artifact(Qcow2, &[Efi, Bios]), artifact(RawGz, &[Efi, Bios]), artifact(Raw, &[])];
    insta::assert_snapshot!("summary_100", summary_text(&PLAIN, 100, both(), &[Efi, Bios]));
    insta::assert_snapshot!("summary_60_ascii", summary_text(&Theme::new(false, false), 60, both(), &[Efi]));
    insta::assert_snapshot!(
        "summary_color",
        summary_text(&Theme::new(true, true), 100, vec![artifact(Qcow2, &[Efi])], &[Efi])
    );
    insta::assert_snapshot!(
        "summary_raw_gz",
        summary_text(&PLAIN, 100, vec![artifact(RawGz, &[Efi])], &[Efi])
    );
}

fn step_failed() -> BuildError {
    let inner = "`apt-get install jq` ended with exit code 100; it last said:\n\
        E: Unable to locate package jq\nE: Could not do it";
    BuildError::because("step 2 (`install jq`) failed", inner)
        .hint("see `web.toml:31`; `goldsmith build --on-error shell web.toml` opens a shell in the guest")
}

#[test]
fn a_failure_says_what_why_where_and_what_to_do() {
    let failed = outcome(Err(("provision".to_owned(), step_failed())));
    insta::assert_snapshot!("failure", failure::build(&PLAIN, &failed, OnError::Cleanup));
    let colored = failure::build(&Theme::new(true, true), &failed, OnError::Cleanup).replace('\u{1b}', "␛");
    insta::assert_snapshot!("failure_color", colored);
}

#[test]
fn a_kept_machine_comes_with_the_way_in_and_the_way_out() {
    let mut kept = outcome(Err(("provision".to_owned(), step_failed())));
    kept.kept = Some(Access {
        address: "127.0.0.1:40022".parse().unwrap(),
        user: "goldsmith".to_owned(),
        key: "/work/key file".into(),
        known_hosts: "/work/known_hosts".into(),
    });
    insta::assert_snapshot!("failure_kept", failure::build(&PLAIN, &kept, OnError::Keep));
}

fn domain() -> Undo {
    Undo::Resource(ResourceRef {
        driver: "libvirt".to_owned(),
        kind: "domain".to_owned(),
        id: "goldsmith-web".to_owned(),
        details: BTreeMap::new(),
    })
}

fn leftover() -> Leftover {
    let error =
        UndoError { what: domain().to_string(), source: io::Error::other("permission denied").into() };
    Leftover { undo: domain(), error }
}

#[test]
fn leftovers_are_named_with_their_reason_and_the_next_command() {
    let error = BuildError::new(BuildErrorKind::Interrupted, "the build was interrupted");
    let mut left = outcome(Err(("connect".to_owned(), error)));
    left.unwound.leftovers.push(leftover());
    insta::assert_snapshot!("failure_leftovers", failure::build(&PLAIN, &left, OnError::Cleanup));
}

fn dead(header: bool) -> DeadBuild {
    let header = header.then(|| Header {
        build: "3f2a9c41b7d0".parse().unwrap(),
        name: "web".to_owned(),
        definition: "/srv/web.toml".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        pid: 1,
    });
    let owed = vec![domain(), Undo::Path { path: "/work/3f2a9c41b7d0".into() }];
    DeadBuild { journal: "/state/journal/3f2a9c41b7d0.jsonl".into(), header, owed }
}

#[test]
fn gc_lists_what_it_would_remove_and_says_what_stays() {
    let now = jiff::Timestamp::from_second(3 * 3600 + 5).unwrap();
    insta::assert_snapshot!("gc_list", commands::gc::listed(&PLAIN, &[dead(true), dead(false)], now));
    assert_eq!(commands::gc::listed(&PLAIN, &[], now), "nothing was left behind");
    let mut collected = Collected {
        builds: vec![(dead(true), UnwindReport { undone: 2, leftovers: vec![] })],
        strays: vec!["/work/001122334455".into()],
        failures: vec![],
    };
    insta::assert_snapshot!("gc_clean", commands::gc::verdict(&PLAIN, &collected));
    collected.builds[0].1.leftovers.push(leftover());
    collected.failures.push(("/state/journal/x.jsonl".into(), "line 3 makes no sense".to_owned()));
    insta::assert_snapshot!("gc_left", commands::gc::verdict(&PLAIN, &collected));
}

#[test]
fn a_plan_reads_well() {
    insta::assert_snapshot!("plan_bootstrap", commands::plan::text(&PLAIN, &plan()));
}

#[test]
fn a_definition_error_points_at_its_place() {
    let text = "name = \"web\"\nmachin = { cpus = 2 }\n[source.bootstrap]\nsuite = \"bookworm\"\n[[output]]\nformat = \"qcow3\"\n";
    let inputs =
        Inputs { out_dir: Some("/srv/out".into()), host_arch: Some(Arch::X86_64), ..Inputs::default() };
    let error = definition::resolve(text, Path::new("web.toml"), &inputs).unwrap_err();
    insta::assert_snapshot!("definition_error", problem::diagnostic(&PLAIN, 80, &error));
    insta::assert_snapshot!(
        "definition_error_ascii",
        problem::diagnostic(&Theme::new(false, false), 80, &error)
    );
}

#[test]
fn the_doctor_is_read_from_top_to_bottom() {
    let finding = |check, status, detail: &str, mend: &[&str]| Finding {
        check,
        status,
        detail: detail.to_owned(),
        mend: mend.iter().map(|&mend| mend.to_owned()).collect(),
    };
    let findings = [
        finding("architecture", Status::Ok, "x86_64 (Debian GNU/Linux 12 (bookworm))", &[]),
        finding(
            "kvm",
            Status::Warning,
            "this user may not open `/dev/kvm`; guests run in QEMU's emulation, ten times slower",
            &["sudo usermod -aG kvm \"$USER\", then log in again"],
        ),
        finding(
            "qemu",
            Status::Failure,
            "QEMU for x86_64: not installed",
            &["sudo apt install qemu-system-x86"],
        ),
        finding("uefi", Status::Failure, "UEFI for x86_64 guests: not installed", &["sudo apt install ovmf"]),
    ];
    let install = Some("sudo apt install qemu-system-x86 ovmf");
    insta::assert_snapshot!(
        "doctor",
        commands::doctor::text(&PLAIN, "this host is ready", &findings, install, 70, false)
    );
    insta::assert_snapshot!(
        "doctor_quiet",
        commands::doctor::text(&PLAIN, "this host is ready", &findings, None, 70, true)
    );
}
