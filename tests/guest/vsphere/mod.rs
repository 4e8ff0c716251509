//! A build in a vCenter whose machines are real guests.
mod host;

use crate::support::{Home, base, beside, tool};
use goldsmith::vsphere::{Named, Node, is_marked, machine::Machine};
use host::{Host, session};
use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// Runs goldsmith with the vCenter's password.
#[track_caller]
fn run(home: &Home, host: &Host, arguments: &[&str]) -> String {
    let begun = std::time::Instant::now();
    let mut command: Command = home.command();
    command.env("VSPHERE_PASSWORD", host.vcsim.password()).args(arguments);
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("goldsmith {}: {} after {:.0?}", arguments.join(" "), output.status, begun.elapsed());
    assert!(output.status.success(), "goldsmith {arguments:?}\n--- stdout\n{out}\n--- stderr\n{err}");
    out.into_owned()
}

#[test]
fn a_disk_becomes_a_template_and_that_is_built_on_by_real_guests() {
    let _turn = beside();
    let home = Home::new("vsphere");
    let disk = base().qcow2();
    let host = Host::start(&home.root.join("host"), &disk);
    let (url, thumbprint) = (host.vcsim.url().to_owned(), host.vcsim.thumbprint_sha256().to_owned());
    let user = host.vcsim.user().to_owned();

    // The demo's disk as a template: built under KVM, published there.
    let ova = home.root.join("base.ova");
    let (from, to) = (disk.to_str().unwrap(), ova.to_str().unwrap());
    run(&home, &host, &["convert", from, "-o", to]);
    let session_of = ["--server", &url, "--thumbprint", &thumbprint, "--user", &user];
    let publish = [
        "publish",
        "vsphere",
        to,
        "--template",
        "--cluster",
        "DC0_C0",
        "--network",
        "VM Network",
        "--datastore",
        "LocalDS_0",
    ];
    run(&home, &host, &[&publish[..], &session_of[..]].concat());
    std::fs::remove_file(&ova).unwrap();

    // A build there: cloned, provisioned, sealed, shut down, exported, made a template; a copy of it is checked from inside.
    let text = format!(
        "name = \"web\"\narch = \"x86_64\"\n\
         [vsphere]\nserver = \"{url}\"\nthumbprint = \"{thumbprint}\"\nuser = \"{user}\"\ndatastore = \"LocalDS_0\"\nnetwork = \"VM Network\"\ncluster = \"DC0_C0\"\n\
         folder = \"images/web\"\n\
         [source.vsphere]\nclone = \"base\"\n\
         [machine]\ndriver = \"vsphere\"\ncpus = 2\nmemory = \"1GiB\"\n\
         [machine.vsphere]\nssh-port = {port}\nip-networks = [\"127.0.0.0/8\"]\nip-settle = \"1s\"\n\
         [[provision]]\npackage.install = [\"jq\"]\n\
         [[provision]]\nfile = {{ dest = \"/etc/web\", content = \"built in a vCenter\\n\" }}\n\
         [[output]]\nformat = \"vsphere\"\n\
         vsphere = {{ name = \"web-1\", snapshot = \"golden\", tags = {{ os = \"os:debian\" }}, attributes = {{ owner = \"platform\" }} }}\n\
         [[output]]\nformat = \"qcow2\"\n\
         [verify]\ncommands = [\"jq --version\"]\n",
        port = host.port,
    );
    let definition = home.definition("web", &text);
    run(&home, &host, &["build", definition.to_str().unwrap()]);
    let result: Value =
        serde_json::from_slice(&std::fs::read(home.out().join("result.json")).unwrap()).unwrap();
    let build = &result["builds"][0];
    let (kept, file) = (&build["kept"][0], &build["artifacts"][0]);
    assert_eq!(
        (&kept["kind"], &kept["id"]),
        (&"template".into(), &"/DC0/vm/images/web/web-1".into()),
        "{result:#}"
    );
    let checks = kept["verified"][0]["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["passed"] == true) && checks.len() > 5, "{checks:#?}");
    assert!(kept["verified"][0]["boot-seconds"].is_number());

    // What came here is the disk that was shut down there.
    assert_eq!(host.shut_down(), 1, "the machine of the proof is removed, not shut down");
    let exported = file["path"].as_str().unwrap();
    tool("qemu-img", &["compare", host.last_disk().to_str().unwrap(), exported], &home.root);

    // What is there is what was asked for, and nothing else.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let vcenter = session(&host.vcsim).await;
        let root = vcenter.service("rootFolder").unwrap();
        let mut names: Vec<String> = vcenter
            .all_named(Named::Machine, &root)
            .await
            .unwrap()
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        names.sort();
        assert_eq!(names, ["base", "web-1"]);
        let path = "/DC0/vm/images/web/web-1";
        let object = vcenter.at_path(path).await.unwrap().unwrap();
        let machine = Machine::new(&vcenter, object.clone(), path);
        assert!(machine.is_template().await.unwrap());
        assert!(machine.current_snapshot().await.unwrap().is_some());
        assert!(!is_marked(&machine.annotation().await.unwrap(), build["id"].as_str().unwrap()));
        let config = vcenter.properties(&object, &["config.extraConfig"]).await.unwrap();
        let options = config.get("config.extraConfig").unwrap().nodes.clone();
        // The simulator adds what is changed at the end; a real one replaces it.
        let pair =
            |option: &Node| Some((option.text_at("key")?.to_owned(), option.text_at("value")?.to_owned()));
        let last: BTreeMap<String, String> = options.iter().filter_map(pair).collect();
        let seeds: Vec<_> = last.iter().filter(|(key, _)| key.starts_with("guestinfo.")).collect();
        assert!(seeds.len() == 4 && seeds.iter().all(|(_, value)| value.is_empty()), "{seeds:?}");
        let tags = vcenter.tags_of(&object).await.unwrap();
        assert!(tags.iter().any(|tag| tag.name == "os:debian"), "{tags:?}");
    });
    // With it go the guests of machines that were removed a moment ago.
    drop(host);
    home.assert_clean("a build in a vCenter");
}
