//! Steps and checks through a real OpenSSH server, on files of this host; and hygiene over made-up images.
use super::{checks::Expect, *};
use crate::{
    cx::{BuildId, Cancelled, Cx, Event, Events, Header, Journal, Onlooker, Record, Sink, Stop, UndoLog},
    guest::{Facts, Guest, Login, Trouble, connect, sshd, sshd::Sshd},
    plan::{
        Accelerator, BootstrapPlan, Content, FileStep, Firmware, GuestPlan, MachinePlan, Mirror, PackageStep,
        Plan, Rules, SealPlan, SecretSource, ServiceState, ServiceStep, ShellStep, SourcePlan, Step,
        StepKind, UserStep, VerifyPlan,
    },
    value::{Arch, HumanDuration, Size},
};
use std::{
    collections::BTreeMap,
    error::Error as _,
    io,
    sync::{Arc, Mutex},
};
use test_case::test_case;

/// A plan whose provisioning is `steps`.
fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        offline: false,
        name: "live".into(),
        arch: Arch::X86_64,
        matrix: BTreeMap::new(),
        definition: "/live.toml".into(),
        source: SourcePlan::Bootstrap(BootstrapPlan {
            cloud_init: true,
            suite: "bookworm".into(),
            mirror: Mirror::Host,
            components: vec![],
            packages: vec![],
            kernel: String::new(),
            cmdline: String::new(),
            initramfs_modules: vec![],
            partitions: vec![],
            esp: Size::mib(64),
        }),
        machine: MachinePlan {
            uri: String::new(),
            firmware: Firmware::Bios,
            cpus: 2,
            memory: Size::gib(1),
            disk: Size::gib(4),
            accelerator: Accelerator::Tcg,
            ec2: None,
            vsphere: None,
            nutanix: None,
            cloudstack: None,
        },
        guest: GuestPlan {
            seed: crate::plan::SeedKind::NoCloud,
            login: None,
            user: "builder".into(),
            connect_timeout: HumanDuration::seconds(300),
            shutdown_timeout: HumanDuration::seconds(120),
        },
        provider: crate::plan::Provider::default(),
        aws: crate::plan::AwsPlan::default(),
        vcenter: crate::plan::VcenterPlan::default(),
        prism: crate::plan::PrismPlan::default(),
        cloud: crate::plan::CloudPlan::default(),
        provision: steps,
        roles: vec![],
        seal: SealPlan { sysprep: true, zero: false, trim: true },
        outputs: vec![],
        amis: vec![],
        vsphere: None,
        nutanix: None,
        cloudstack: None,
        verify: VerifyPlan {
            boot: true,
            firmware: vec![Firmware::Bios],
            commands: vec![
                "jq --version".into(),
                "test \"$(systemctl is-enabled apt-daily.timer)\" = enabled".into(),
                "test \"$(hostname)\" = verify".into(),
                "test -s /etc/ssh/ssh_host_ed25519_key".into(),
            ],
        },
        secrets: BTreeMap::from([(
            "token".to_owned(),
            SecretSource::Command(vec!["printf".into(), "s3cr3t-$t0ken".into()]),
        )]),
    }
}

const NO_TROUBLE: Trouble<'static> = &|| None;

#[derive(Default)]
pub(super) struct Memory(Mutex<Vec<Record>>);

impl Sink for Memory {
    fn take(&self, record: &Record) {
        self.0.lock().unwrap().push(record.clone());
    }
}

impl Memory {
    fn lines(&self) -> Vec<String> {
        let records = self.0.lock().unwrap();
        let lines = records.iter().filter_map(|record| match &record.event {
            Event::Output { source, line, .. } => Some(format!("{source}: {line}")),
            _ => None,
        });
        lines.collect()
    }

    pub(super) fn json(&self) -> String {
        self.0.lock().unwrap().iter().map(|record| serde_json::to_string(record).unwrap()).collect()
    }
}

pub(super) struct Bench {
    pub(super) sshd: Sshd,
    pub(super) cx: Cx,
    pub(super) memory: Arc<Memory>,
    pub(super) guest: Guest,
    facts: Facts,
    pub(super) secrets: Secrets,
    pub(super) fetcher: crate::fetch::Fetcher,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let memory = Arc::new(Memory::default());
        let id = BuildId::random();
        let header = Header {
            build: id.clone(),
            name: "test".into(),
            definition: "test.toml".into(),
            created: jiff::Timestamp::UNIX_EPOCH,
            pid: 1,
        };
        let journal = Journal::create(&root.join("journal"), &header).unwrap();
        let events = Events::new(
            id.clone(),
            "test",
            vec![memory.clone(), Arc::new(crate::cx::tests_support::Folder(folder))],
        );
        let cx = Cx::new(id, root.clone(), root, events, Stop::default(), UndoLog::new(journal));
        let sshd = Sshd::start();
        let guest =
            connect(&cx, sshd.addr, &sshd.login(), HumanDuration::seconds(30), NO_TROUBLE).await.unwrap();
        let facts = Facts::gather(&cx, &guest).await.unwrap();
        let token = SecretSource::Command(vec!["printf".into(), "pa$$'\"word".into()]);
        let secrets = Secrets::load(&BTreeMap::from([("pw".to_owned(), token)]));
        let fetcher = crate::fetch::Fetcher::new(cx.work().join("cache"));
        Self { sshd, cx, memory, guest, facts, secrets, fetcher }
    }

    pub(super) async fn run(&self, steps: &[Step]) -> Result<(), ProvisionError> {
        run(
            &self.cx,
            &self.guest,
            &self.facts,
            steps,
            Supplies { secrets: &self.secrets, fetcher: &self.fetcher },
            NO_TROUBLE,
        )
        .await
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.sshd.path(name).display().to_string()
    }
}

fn file(dest: &str, content: Content) -> Step {
    let group = nix::unistd::getgid().to_string();
    step(
        "file",
        StepKind::File(FileStep { dest: dest.into(), content, mode: 0o640, owner: sshd::me(), group }),
    )
}

pub(in crate::provision) fn step(label: &str, kind: StepKind) -> Step {
    Step {
        label: label.into(),
        kind,
        timeout: HumanDuration::seconds(60),
        retries: 0,
        at: "image.toml:12".into(),
        rules: Rules::default(),
    }
}

fn shell(script: &str) -> ShellStep {
    ShellStep { script: script.into(), env: BTreeMap::new(), user: None, creates: None, exit_codes: vec![] }
}

#[tokio::test]
async fn a_failing_step_says_which_where_how_and_what_it_said_without_secrets() {
    let bench = Bench::new().await;
    let env = BTreeMap::from([("PW".to_owned(), "${secret.pw}".to_owned())]);
    let script = ShellStep { env, ..shell("seq 100; echo \"it is $PW\" >&2; exit 42") };
    let steps = [step("fine", StepKind::Shell(shell("echo hello"))), step("leak", StepKind::Shell(script))];
    let error = bench.run(&steps).await.unwrap_err();
    assert_eq!(error.to_string(), "step 2 (`leak`, image.toml:12) failed");
    let why = error.source().unwrap().to_string();
    assert!(why.starts_with("exit code 42; it said last:\n") && why.contains("it is ••••••"), "{why}");
    assert!(why.lines().count() <= 16 && !why.contains("word"), "{why}");
    assert!(bench.memory.lines().contains(&"fine: hello".to_owned()));
    assert!(!bench.memory.json().contains("'\\\"word"), "a secret got into an event");
}

#[tokio::test]
async fn exit_codes_that_are_expected_are_success() {
    let bench = Bench::new().await;
    let expected = ShellStep { exit_codes: vec![0, 3], ..shell("exit 3") };
    bench.run(&[step("three", StepKind::Shell(expected))]).await.unwrap();
    let only = ShellStep { exit_codes: vec![3], ..shell("exit 0") };
    assert!(bench.run(&[step("zero", StepKind::Shell(only))]).await.is_err());
}

#[tokio::test]
async fn a_step_is_tried_again_as_often_as_it_says() {
    let bench = Bench::new().await;
    let count = bench.path("count");
    let script = format!("echo x >>{count}; [ $(wc -l <{count}) -ge 3 ]");
    let mut flaky = step("flaky", StepKind::Shell(shell(&script)));
    flaky.retries = 2;
    bench.run(&[flaky.clone()]).await.unwrap();
    std::fs::remove_file(&count).unwrap();
    flaky.retries = 0;
    assert!(bench.run(&[flaky]).await.is_err());
    assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
}

/// Looks between the steps, and has seen enough after the second one.
#[derive(Debug, Default)]
struct Looker(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Onlooker for Looker {
    async fn after_step(&self, step: &str, _: &Stop) -> Result<(), Cancelled> {
        let mut seen = self.0.lock().unwrap();
        seen.push(step.to_owned());
        if seen.len() < 2 { Ok(()) } else { Err(Cancelled) }
    }
}

#[tokio::test]
async fn someone_who_looks_does_so_after_each_step_and_may_end_the_build() {
    let mut bench = Bench::new().await;
    let looker = Arc::new(Looker::default());
    bench.cx = bench.cx.clone().watched_by(Some(looker.clone()));
    let path = bench.path("third");
    let third = step("third", StepKind::Shell(shell(&format!("touch {path}"))));
    let one = |label| step(label, StepKind::Shell(shell("true")));
    let error = bench.run(&[one("first"), one("second"), third]).await.unwrap_err();
    assert!(matches!(error.source, StepError::Cancelled(_)), "{error:?}");
    assert_eq!(*looker.0.lock().unwrap(), ["step 1 of 3: first", "step 2 of 3: second"]);
    assert!(!std::path::Path::new(&path).exists(), "the third step did not run");
}

#[tokio::test]
async fn a_step_that_cuts_its_own_connection_is_tried_again_over_a_new_one() {
    let bench = Bench::new().await;
    let marker = bench.path("cut");
    // The parent of the login shell is the connection's sshd, which newer versions call sshd-session.
    let script = format!(
        "if [ ! -e {marker} ]; then : >{marker}; p=$$; until case $(cat /proc/$p/comm) in sshd*) ;; *) false ;; esac; do \
         read -r _ _ _ p _ </proc/$p/stat; done; kill -s KILL $p; sleep 10; fi"
    );
    let mut cut = step("cut", StepKind::Shell(shell(&script)));
    let error = bench.run(&[cut.clone()]).await.unwrap_err();
    let StepError::Exit { exit, .. } = &error.source else { panic!("{error:?}") };
    assert_eq!(exit.to_string(), "connection lost");
    std::fs::remove_file(&marker).unwrap();
    bench.guest.reconnect(&bench.cx, HumanDuration::seconds(30), NO_TROUBLE).await.unwrap();
    cut.retries = 1;
    bench.run(&[cut]).await.unwrap();
}

#[tokio::test]
async fn what_a_step_creates_is_made_once_and_must_be_there() {
    let bench = Bench::new().await;
    let marker = bench.path("it's made");
    let creates = Some(marker.clone());
    let make = ShellStep { creates: creates.clone(), ..shell("echo x >>\"$F\"") };
    let make = ShellStep { env: BTreeMap::from([("F".to_owned(), marker.clone())]), ..make };
    let step_ = step("make", StepKind::Shell(make));
    bench.run(&[step_.clone(), step_]).await.unwrap();
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), "x\n");
    let liar = ShellStep { creates: Some(bench.path("never")), ..shell("true") };
    let error = bench.run(&[step("lie", StepKind::Shell(liar))]).await.unwrap_err();
    assert!(matches!(error.source, StepError::NotCreated { .. }), "{error:?}");
}

#[tokio::test]
async fn a_step_over_its_time_fails_by_name() {
    let bench = Bench::new().await;
    let mut slow = step("slow", StepKind::Shell(shell("sleep 60")));
    slow.timeout = HumanDuration::seconds(1);
    let error = bench.run(&[slow]).await.unwrap_err();
    assert_eq!(error.source.to_string(), "`slow` did not end within 1 s");
}

#[tokio::test]
async fn the_builds_own_user_is_no_step() {
    if sshd::me() == "root" {
        // Root is nobody's to remove, so steps may give it keys.
        return;
    }
    let bench = Bench::new().await;
    let error = bench.run(&[step("me", StepKind::User(user(&sshd::me())))]).await.unwrap_err();
    assert!(matches!(error.source, StepError::BuildUser { .. }));
}

#[tokio::test]
async fn the_checks_of_files_hold_after_the_steps_and_break_with_the_files() {
    let bench = Bench::new().await;
    // Where tests put their files, nothing lasts; a link to the folder is a place that does.
    let lasting = format!("/var/lib/goldsmith-test-{}", std::process::id());
    if std::os::unix::fs::symlink(bench.sshd.folder.path(), &lasting).is_err() {
        return;
    }
    let local = bench.sshd.path("local");
    std::fs::write(&local, vec![7; 300_000]).unwrap();
    let at = |name: &str| format!("{lasting}/{name}");
    let created = ShellStep { creates: Some(at("made")), ..shell(&format!(": >{}", at("made"))) };
    let steps = [
        file(&at("text"), Content::Text("first".into())),
        file(&at("text"), Content::Text("golden\n".into())),
        file(&at("copy of local"), Content::Path(local)),
        file(&at("secret"), Content::Text("pw=${secret.pw}".into())),
        step("make", StepKind::Shell(created)),
    ];
    bench.run(&steps).await.unwrap();
    assert_eq!(std::fs::read_to_string(at("secret")).unwrap(), "pw=pa$$'\"word");
    let mut specs = checks(&steps);
    assert_eq!(specs.len(), 4, "the first text is overwritten");
    let forged = "echo '@check-forged end 0 0'; exit 5";
    specs.push(CheckSpec::new("x", "a command", forged, Expect::Success));
    let found = run_checks(&bench.cx, &bench.guest, "raw", &specs).await.unwrap();
    let verdicts: Vec<bool> = found.iter().map(|check| check.passed).collect();
    assert_eq!(verdicts, [true, true, true, true, false], "{found:#?}");
    assert_eq!(found[4].found, "exit code 5: @check-forged end 0 0");

    std::fs::write(at("text"), "changed").unwrap();
    std::fs::remove_file(at("made")).unwrap();
    std::fs::remove_file(at("secret")).unwrap();
    std::fs::create_dir(at("secret")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(at("copy of local"), mode).unwrap();
    let found = run_checks(&bench.cx, &bench.guest, "raw", &specs).await.unwrap();
    std::fs::remove_file(lasting).unwrap();
    assert!(found.iter().all(|check| !check.passed), "{found:#?}");
    assert!(found[0].found.starts_with("640 "), "{found:#?}");
    assert_eq!((found[2].found.as_str(), found[3].found.as_str()), ("directory", "missing"));
}

#[tokio::test]
async fn package_checks_tell_what_this_system_has() {
    if !std::path::Path::new("/usr/bin/dpkg-query").exists() {
        return;
    }
    let bench = Bench::new().await;
    let install =
        vec!["openssh-server".into(), "no-such-package-x".into(), "openssh-server=0.1".into(), "awk".into()];
    let specs: Vec<CheckSpec> = install
        .into_iter()
        .flat_map(|name: String| {
            let step_ = PackageStep { install: vec![name], ..PackageStep::default() };
            checks(&[step("p", StepKind::Package(step_))])
        })
        .collect();
    let found = run_checks(&bench.cx, &bench.guest, "raw", &specs).await.unwrap();
    let verdicts: Vec<bool> = found.iter().map(|check| check.passed).collect();
    // `awk` is a virtual package that mawk or gawk provides.
    assert_eq!(verdicts, [true, false, false, true], "{found:#?}");
    assert_eq!(found[1].found, "absent");
    assert!(found[2].found.starts_with("installed 1:"), "{found:#?}");
}

#[tokio::test]
async fn user_checks_name_all_that_is_missing() {
    let bench = Bench::new().await;
    let daemon = UserStep { uid: Some(1), shell: Some("/usr/sbin/nologin".into()), ..user("daemon") };
    let odd = UserStep {
        uid: Some(7),
        groups: vec!["daemon".into(), "nogroup-x".into()],
        sudo: true,
        authorized_keys: vec!["ssh-ed25519 AAAA x".into()],
        ..user("daemon")
    };
    let gone = UserStep { absent: true, ..user("no-such-user-x") };
    let specs: Vec<CheckSpec> = [daemon, odd, gone, user("no-such-user-x")]
        .into_iter()
        .flat_map(|user| checks(&[step("u", StepKind::User(user))]))
        .collect();
    let found = run_checks(&bench.cx, &bench.guest, "raw", &specs).await.unwrap();
    let verdicts: Vec<bool> = found.iter().map(|check| check.passed).collect();
    assert_eq!(verdicts, [true, false, true, false], "{found:#?}");
    assert_eq!(found[1].found, "uid is 1, not in group nogroup-x, no sudo, key 1 may not log in");
}

fn user(name: &str) -> UserStep {
    UserStep {
        name: name.into(),
        absent: false,
        uid: None,
        groups: vec![],
        shell: None,
        system: false,
        sudo: false,
        authorized_keys: vec![],
    }
}

fn package(install: &[&str], remove: &[&str]) -> Step {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    step(
        "p",
        StepKind::Package(PackageStep {
            install: names(install),
            remove: names(remove),
            ..PackageStep::default()
        }),
    )
}

#[test]
fn later_steps_win_over_earlier_ones() {
    let specs = checks(&[package(&["jq", "nano"], &[]), package(&["jq=1.6"], &["nano"])]);
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["package `jq=1.6` is installed", "package `nano` is not installed"]);
}

#[test_case("/tmp/x"; "tmp")]
#[test_case("/run/x"; "run")]
#[test_case("/var/tmp/a/b"; "var tmp")]
fn what_does_not_outlive_the_seal_is_not_checked(path: &str) {
    let file = FileStep {
        dest: path.into(),
        content: Content::Text("x".into()),
        mode: 0o644,
        owner: "root".into(),
        group: "root".into(),
    };
    assert!(checks(&[step("f", StepKind::File(file))]).is_empty());
}

#[test_case(Some(true), None, Some(ServiceState::Started), &["starts at boot", "runs"]; "enabled and started")]
#[test_case(Some(true), None, None, &["starts at boot"]; "enabled alone")]
#[test_case(None, None, Some(ServiceState::Started), &[]; "started but not at boot")]
#[test_case(Some(false), None, Some(ServiceState::Stopped), &["does not start at boot", "does not run"]; "off")]
#[test_case(None, Some(true), None, &["is masked", "does not run"]; "masked")]
fn a_service_is_checked_for_what_the_next_boot_makes_of_it(
    enabled: Option<bool>,
    masked: Option<bool>,
    state: Option<ServiceState>,
    expected: &[&str],
) {
    let service = ServiceStep { name: "x".into(), enabled, masked, state };
    let specs = checks(&[step("s", StepKind::Service(service))]);
    let names: Vec<String> = specs.iter().map(|spec| spec.name.replace("unit `x.service` ", "")).collect();
    assert_eq!(names, expected);
}

/// An image of made-up files; folders are those that have files.
struct Fake(BTreeMap<&'static str, Vec<u8>>);

impl ImageView for Fake {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let mut entries: Vec<Entry> = Vec::new();
        for (file, content) in &self.0 {
            let Some(rest) = file.strip_prefix(prefix.as_str()) else { continue };
            let (name, kind) = match rest.split_once('/') {
                Some((folder, _)) => (folder, EntryKind::Folder),
                None => (rest, EntryKind::File),
            };
            if entries.iter().all(|entry| entry.name != name) {
                entries.push(Entry { name: name.into(), kind, size: content.len() as u64, mode: 0o644 });
            }
        }
        Ok(entries)
    }
}

fn login() -> Login {
    Login {
        user: "builder".into(),
        key: crate::value::Secret::new("x"),
        authorized_key: "ssh-ed25519 OURKEY goldsmith".into(),
        host_key: "ssh-ed25519 OURHOST goldsmith".into(),
    }
}

fn clean() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("/etc/machine-id", b"".to_vec()),
        ("/etc/passwd", b"root:x:0:0:root:/root:/bin/bash\nops:x:1:1::/srv/ops:/bin/sh\n".to_vec()),
        ("/etc/group", b"adm:x:4:ops\nnotbuilder:x:5:xbuilder\n".to_vec()),
        ("/etc/sudoers", b"# builder\nroot ALL=(ALL:ALL) ALL\n".to_vec()),
        ("/etc/ssh/sshd_config", b"".to_vec()),
        ("/srv/ops/.ssh/authorized_keys", b"ssh-ed25519 THEIRS ops\n".to_vec()),
        ("/var/lib/cloud/README", b"".to_vec()),
        ("/var/log/dpkg.log", b"".to_vec()),
    ])
}

#[test]
fn a_clean_image_passes_every_look() {
    let found = hygiene(&Fake(clean()), &plan(vec![]), &login()).unwrap();
    assert_eq!(found.len(), 8);
    assert!(found.iter().all(|check| check.passed), "{found:#?}");
}

#[test_case("/etc/machine-id", b"0123\n", "machine id"; "machine id")]
#[test_case("/etc/ssh/ssh_host_rsa_key", b"", "host key"; "host key")]
#[test_case("/etc/passwd-", b"builder:x:1000:1000::/home/builder:/bin/bash\n", "build user"; "backup of passwd")]
#[test_case("/etc/gshadow", b"sudo:*::ops,builder\n", "build user"; "group member")]
#[test_case("/etc/subuid", b"builder:100000:65536\n", "build user"; "subordinate ids")]
#[test_case("/etc/sudoers.d/90-cloud-init-users", b"builder ALL=(ALL) NOPASSWD:ALL\n", "build user"; "sudo")]
#[test_case("/home/builder/x", b"", "build user"; "home")]
#[test_case("/srv/ops/.ssh/authorized_keys", b"no-pty ssh-ed25519 OURKEY x\n", "key may not"; "our key")]
#[test_case("/root/.ssh/authorized_keys2", b"ssh-ed25519 OURKEY x\n", "key may not"; "our key for root")]
#[test_case("/var/lib/cloud/instances/i/user-data.txt", b"", "cloud-init"; "instance")]
#[test_case("/home/ops/.bash_history", b"ls\n", "histories"; "history")]
#[test_case("/var/crash/core.1", b"", "core dumps"; "core")]
fn each_kind_of_dirt_is_found(path: &'static str, content: &[u8], check: &str) {
    let mut files = clean();
    files.insert(path, content.to_vec());
    let found = hygiene(&Fake(files), &plan(vec![]), &login()).unwrap();
    let failed: Vec<&str> =
        found.iter().filter(|check| !check.passed).map(|check| check.name.as_str()).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].contains(check), "{failed:?}");
}

#[test_case("/etc/apt/apt.conf.d/zzz-goldsmith-offline", b""; "apt's proxy")]
#[test_case("/var/lib/goldsmith-offline/ca.pem", b""; "the certificate")]
#[test_case("/etc/dnf/dnf.conf", b"[main]\n# goldsmith-offline begin\nproxy=x\n"; "dnf's proxy")]
fn nothing_is_left_of_an_offline_build(path: &'static str, content: &[u8]) {
    let offline = crate::plan::Plan { offline: true, ..plan(vec![]) };
    let look = |files| {
        let found = hygiene(&Fake(files), &offline, &login()).unwrap();
        found.into_iter().find(|check| check.name == "no proxy of the build is left").unwrap()
    };
    assert!(look(clean()).passed);
    let mut files = clean();
    files.insert(path, content.to_vec());
    let check = look(files);
    assert!(!check.passed && (check.found.contains("goldsmith") || check.found == path), "{check:?}");
}

#[test]
fn without_sysprep_only_our_own_traces_are_looked_for() {
    let mut plan = plan(vec![]);
    plan.seal.sysprep = false;
    let mut files = clean();
    files.insert("/etc/machine-id", b"0123".to_vec());
    files.insert("/etc/ssh/ssh_host_rsa_key.pub", b"ssh-rsa THEIRS".to_vec());
    let passed = |files| hygiene(&Fake(files), &plan, &login()).unwrap().iter().all(|check| check.passed);
    assert!(passed(files.clone()));
    files.insert("/etc/ssh/ssh_host_ed25519_key.pub", b"ssh-ed25519 OURHOST x".to_vec());
    assert!(!passed(files));
}
