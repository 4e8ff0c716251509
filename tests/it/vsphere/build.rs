//! `goldsmith build` with `driver = "vsphere"`, where no guest boots: what goes wrong before somebody logs in is told, and nothing is left.
//! With real guests: tests/guest/vsphere.
use super::{
    bench::{Bench, said},
    checks::assert_requests_valid,
    vcsim::Vcsim,
    world::place,
};
use goldsmith::vsphere::{Named, VCenter, machine::Machine};
use serde_json::json;
use std::{
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};
use test_case::test_case;

/// A vCenter with a template called `base`, and a definition that clones it.
pub(super) struct Scene {
    pub(super) bench: Bench,
    pub(super) vcsim: Vcsim,
}

impl Scene {
    pub(super) fn new() -> Self {
        let (bench, vcsim) = (Bench::new(), Vcsim::start(&["-vm", "0"]));
        bench.ova("base", 8);
        let output = bench.publish(
            &vcsim,
            "base.ova",
            &["--template", "--network", "VM Network", "--datastore", "LocalDS_0"],
        );
        assert!(output.status.success(), "{}", said(&output));
        Self { bench, vcsim }
    }

    /// The definition, with more in its tables.
    fn define(&self, cluster: &str, machine: &str, rest: &str) {
        let text = format!(
            "{}\
             [source.vsphere]\nclone = \"base\"\n\
             [machine]\ndriver = \"vsphere\"\n[machine.vsphere]\nip-networks = [\"127.0.0.0/8\"]\nip-settle = \"100ms\"\n{machine}\n\
             [guest]\nconnect-timeout = \"4s\"\n\
             [[output]]\nformat = \"vsphere\"\nvsphere = {{ name = \"web-1\", tags = {{ os = \"os:debian\" }} }}\n{rest}\n",
            self.head(cluster),
        );
        std::fs::write(self.bench.path("web.toml"), text).unwrap();
    }

    /// What every definition here begins with.
    pub(super) fn head(&self, cluster: &str) -> String {
        format!(
            "name = \"web\"\narch = \"x86_64\"\n\
             [secret.vcenter]\nenv = \"THE_PASSWORD\"\n\
             [vsphere]\nserver = \"{}\"\nthumbprint = \"{}\"\nuser = \"{}\"\npassword = \"vcenter\"\n\
             datastore = \"LocalDS_0\"\nnetwork = \"VM Network\"\nfolder = \"images/web\"\ncluster = \"{cluster}\"\n",
            self.vcsim.host(),
            self.vcsim.thumbprint_sha256(),
            self.vcsim.user(),
        )
    }

    /// The password comes by the definition's secret: undo must not need another.
    pub(super) fn start(&self) -> Child {
        let mut command = self.bench.plain(&["build", "web.toml"]);
        command.env("THE_PASSWORD", self.vcsim.password()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn build(&self) -> Output {
        self.start().wait_with_output().unwrap()
    }

    pub(super) async fn session(&self) -> VCenter {
        VCenter::connect(&place(&self.vcsim)).await.unwrap()
    }

    /// Names of all machines, without build ids.
    pub(super) async fn machines(&self) -> Vec<String> {
        let vcenter = self.session().await;
        let root = vcenter.service("rootFolder").unwrap();
        let all = vcenter.all_named(Named::Machine, &root).await.unwrap();
        let mut names: Vec<String> = all.into_iter().map(|(_, name)| name).collect();
        names.sort();
        names
    }

    /// The template is there as it was, and nothing else, here or there.
    async fn assert_clean(&self, case: &str) {
        assert_eq!(self.machines().await, ["base"], "{case}");
        let vcenter = self.session().await;
        assert_eq!(vcenter.at_path("/DC0/vm/images").await.unwrap(), None, "{case}");
        let base = vcenter.at_path("/DC0/vm/base").await.unwrap().unwrap();
        assert!(Machine::new(&vcenter, base, "/DC0/vm/base").is_template().await.unwrap(), "{case}");
        assert_eq!(self.bench.journals(), 0, "{case}");
        let files = self.vcsim.datastore().join("goldsmith");
        let left: Vec<_> = walk(&files).into_iter().filter(|path| path.is_file()).collect();
        assert!(left.is_empty(), "{case}: {left:?}");
    }

    /// Until the build's machine is powered on.
    async fn wait_until_it_runs(&self) {
        wait_for(|| self.vcsim.counters().contains_key("PowerOnVM_Task")).await;
    }
}

pub(super) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| walk(&path).into_iter().chain([path]).collect::<Vec<_>>()).collect()
}

pub(super) async fn wait_for(fits: impl Fn() -> bool) {
    let begun = Instant::now();
    while !fits() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_gc_removes_what_a_build_made() {
    let scene = Scene::new();
    scene.define("DC0_C0", "", "");
    let mut child = scene.start();
    scene.wait_until_it_runs().await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(scene.machines().await.len(), 2);
    let text = scene.bench.gc(&scene.vcsim);
    assert!(text.contains("\"clean\": true"), "{text}");
    scene.assert_clean("gc").await;
    assert_requests_valid(&scene.vcsim);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_leaves_nothing_and_needs_no_password_twice() {
    let scene = Scene::new();
    scene.define("DC0_C0", "", "");
    let child = scene.start();
    scene.wait_until_it_runs().await;
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    scene.assert_clean("interrupted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_the_middle_is_renewed_and_a_guest_that_never_speaks_is_told() {
    let scene = Scene::new();
    scene.define("DC0_C0", "ssh-port = 1", "");
    let child = scene.start();
    scene.wait_until_it_runs().await;
    scene.vcsim.expire();
    scene.vcsim.guest("*", "127.0.0.1", Duration::ZERO);
    let vcenter = scene.session().await;
    let root = vcenter.service("rootFolder").unwrap();
    let all = vcenter.all_named(Named::Machine, &root).await.unwrap();
    let (machine, _) = all.iter().find(|(_, name)| name.starts_with("web-")).unwrap();
    scene.vcsim.guest(&machine.id, "127.0.0.1", Duration::from_millis(500));
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert!(output.status.code() == Some(1) && text.contains("127.0.0.1:1"), "{text}");
    let logins = scene.vcsim.calls("Login").len();
    assert!(logins >= 3, "the publish's, the build's and its second one: {logins}");
    scene.assert_clean("never spoke").await;
    assert_requests_valid(&scene.vcsim);
}

#[test_case(&json!({"match": "CloneVM_Task", "task": {"type": "NoDiskSpace", "message": "Insufficient disk space"}}), &["Insufficient disk space"]; "a datastore that is full")]
#[test_case(&json!({"match": "CloneVM_Task", "fault": {"type": "NoPermission", "fields": {"PrivilegeId": "VirtualMachine.Provisioning.DeployTemplate"}}}), &["VirtualMachine.Provisioning.DeployTemplate"]; "a privilege that is missing")]
#[test_case(&json!({"match": "PowerOnVM_Task", "task": {"type": "InvalidState", "message": "not in this state"}}), &["not in this state"]; "a machine that does not start")]
#[tokio::test(flavor = "multi_thread")]
async fn trouble_is_told_and_leaves_nothing(rule: &serde_json::Value, words: &[&str]) {
    let scene = Scene::new();
    scene.define("DC0_C0", "", "");
    scene.vcsim.fault(rule);
    let output = scene.build();
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    scene.assert_clean(words.first().unwrap_or(&"trouble")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_told_before_anything_is_made() {
    let scene = Scene::new();
    let output = scene.bench.publish(
        &scene.vcsim,
        "base.ova",
        &["--name", "web-1", "--folder", "images/web", "--network", "VM Network", "--datastore", "LocalDS_0"],
    );
    assert!(output.status.success(), "{}", said(&output));
    let before = scene.vcsim.counters().get("CloneVM_Task").copied().unwrap_or_default();
    for (cluster, rest, words) in [
        ("DC0_C0", "", &["web-1"][..]),
        ("none", "", &["none"]),
        ("DC0_C0", "[[output]]\nformat = \"ami\"", &["ami"]),
    ] {
        scene.define(cluster, "", rest);
        let output = scene.build();
        let text = said(&output);
        assert!(!output.status.success() && words.iter().all(|word| text.contains(word)), "{text}");
    }
    assert_eq!(scene.vcsim.counters().get("CloneVM_Task").copied().unwrap_or_default(), before);
    assert_eq!(scene.machines().await, ["base", "web-1"]);
}

/// The simulator gives a copy its annotation too late; by its name it is known for ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_answer_is_lost_goes_too() {
    let scene = Scene::new();
    scene.define("DC0_C0", "", "");
    let text = std::fs::read_to_string(scene.bench.path("web.toml")).unwrap();
    let (before, _) = text.split_once("[[output]]").unwrap();
    std::fs::write(scene.bench.path("web.toml"), format!("{before}[[output]]\nformat = \"qcow2\"\n"))
        .unwrap();
    scene.vcsim.fault(&json!({"match": "CloneVM_Task", "lose_answer": true}));
    let output = scene.build();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    scene.assert_clean("lost").await;
}
