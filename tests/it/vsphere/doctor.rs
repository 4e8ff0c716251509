//! What a user lacks in a vCenter: the simulator grants everything, and the fixture takes away.
use super::{checks::assert_requests_valid, vcsim::Vcsim};
use goldsmith::{
    doctor::{
        self, Finding, Status,
        vsphere::{VsphereTarget, judge, look, missing},
    },
    value::Secret,
    vsphere::{For, Place, Server, Trust, VCenter},
};
use serde_json::json;

fn place(vcsim: &Vcsim, password: &str, trust: Trust) -> Place {
    let server = Server { host: vcsim.host().to_owned(), trust };
    Place { server, user: vcsim.user().to_owned(), password: Secret::new(password) }
}

fn one<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|one| one.check == check).unwrap_or_else(|| panic!("{check}: {findings:#?}"))
}

fn target() -> VsphereTarget {
    VsphereTarget {
        datacenter: Some("DC0".into()),
        cluster: Some("DC0_C0".into()),
        resource_pool: Some("/DC0/host/DC0_C0/Resources".into()),
        folder: Some("golden/images".into()),
        datastore: Some("LocalDS_0".into()),
        network: Some("VM Network".into()),
        purposes: vec![For::Libraries, For::Imports, For::Tags],
        ..VsphereTarget::default()
    }
}

#[tokio::test]
async fn a_user_who_may_do_everything_is_told_so_and_one_who_may_not_learns_what_and_where() {
    let vcsim = Vcsim::start(&[]);
    let trust = Trust::CaFile(vcsim.ca().to_owned());
    let vcenter = VCenter::connect(&place(&vcsim, vcsim.password(), trust)).await.unwrap();
    let seen = look(&vcenter, &target()).await;
    let findings = judge(&seen);
    for check in
        ["vcenter", "datacenter", "cluster", "resource-pool", "datastore", "network", "folder", "privileges"]
    {
        assert_eq!(one(&findings, check).status, Status::Ok, "{findings:#?}");
    }
    assert!(one(&findings, "folder").detail.contains("`golden/images` will be made"), "{findings:#?}");
    assert!(one(&findings, "datastore").detail.contains(" are free"), "{findings:#?}");
    // Names of the simulator's hosts are nobody's, and their disks could not be reached.
    assert_eq!(one(&findings, "hosts").status, Status::Warning);

    vcsim.deny(&json!({
        "Folder": ["VirtualMachine.Inventory.Create", "ContentLibrary.AddLibraryItem"],
        "Datastore": ["Datastore.FileManagement"],
        "ResourcePool": ["VApp.Import"],
    }));
    let seen = look(&vcenter, &target()).await;
    let findings = judge(&seen);
    let privileges = one(&findings, "privileges");
    assert_eq!(privileges.status, Status::Failure);
    let told: Vec<(String, String)> =
        missing(&seen).into_iter().map(|one| (one.privilege.to_owned(), one.on)).collect();
    let expected = [
        ("ContentLibrary.AddLibraryItem", "/"),
        ("VirtualMachine.Inventory.Create", "/DC0/vm"),
        ("VApp.Import", "/DC0/host/DC0_C0/Resources"),
        ("Datastore.FileManagement", "/DC0/datastore/LocalDS_0"),
    ];
    assert_eq!(told, expected.map(|(privilege, on)| (privilege.to_owned(), on.to_owned())));
    let mend = privileges.mend.join("\n");
    assert!(mend.contains("Datastore > Low level file operations"), "{mend}");
    assert!(mend.contains("govc role.create goldsmith-missing-1 ContentLibrary.AddLibraryItem\n"), "{mend}");
    vcenter.log_out().await.unwrap();
    assert_requests_valid(&vcsim);
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let vcsim = Vcsim::start(&[]);
    let trust = Trust::Thumbprint(vcsim.thumbprint_sha256().parse().unwrap());
    let vcenter = VCenter::connect(&place(&vcsim, vcsim.password(), trust)).await.unwrap();
    let target = VsphereTarget {
        datastore: Some("SAN".into()),
        network: Some("prod".into()),
        template: Some("nothing".into()),
        ..target()
    };
    let findings = judge(&look(&vcenter, &target).await);
    assert_eq!(doctor::worst(&findings), Status::Failure);
    let detail = |check| one(&findings, check).detail.as_str();
    assert_eq!(detail("datastore"), "could not find the datastore `SAN` in `/DC0`: there are: LocalDS_0");
    assert!(detail("network").contains("VM Network"), "{}", detail("network"));
    assert!(detail("template").contains("there is none"), "{}", detail("template"));
    // A session that ended meanwhile is nobody's business.
    vcsim.expire();
    assert_eq!(one(&judge(&look(&vcenter, &self::target()).await), "privileges").status, Status::Ok);
    assert_eq!(vcsim.calls("Login").len(), 2);
    let none = VsphereTarget { datacenter: Some("DC9".into()), ..self::target() };
    let findings = judge(&look(&vcenter, &none).await);
    assert!(one(&findings, "datacenter").detail.ends_with("there are: DC0"), "{findings:#?}");
}

#[tokio::test]
async fn a_server_that_is_another_and_a_wrong_password_are_told_apart() {
    use goldsmith::vsphere::VsphereErrorKind as Kind;
    let vcsim = Vcsim::start(&[]);
    let connect = async |password: &str, trust: Trust| {
        VCenter::connect(&place(&vcsim, password, trust)).await.map(drop).unwrap_err()
    };
    let own = Trust::Thumbprint(vcsim.thumbprint_sha1().parse().unwrap());
    let error = connect("wrong", own).await;
    assert_eq!(error.kind(), Kind::Auth, "{error:?}");
    let zeroes = "00".repeat(32).parse().unwrap();
    let error = connect(vcsim.password(), Trust::Thumbprint(zeroes)).await;
    assert_eq!(error.kind(), Kind::Trust, "{error:?}");
    let why = goldsmith::cx::causes(&error).join(": ");
    assert!(why.contains(vcsim.thumbprint_sha256()), "{why}");
    let error = connect(vcsim.password(), Trust::System).await;
    assert_eq!(error.kind(), Kind::Trust, "{error:?}");
    assert!(error.hint_text().unwrap().contains("thumbprint"));
    // Nobody's password went to a server that was not the one.
    assert_eq!(vcsim.calls("Login").len(), 1);
}

#[test]
fn the_command_takes_the_file_of_eks_anywhere_and_says_what_is_missing() {
    let vcsim = Vcsim::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("vsphere.json");
    let config = json!({
        "vcenter_server": vcsim.host(), "username": vcsim.user(), "password": vcsim.password(), "datacenter": "DC0",
        "cluster": "DC0_C0", "datastore": "LocalDS_0", "network": "VM Network", "folder": "", "resource_pool": "",
        "template": "", "linked_clone": "false", "convert_to_template": "true", "create_snapshot": "true",
        "insecure_connection": "false", "vmx_version": "15",
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let run = |more: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_goldsmith"))
            .args(["doctor", "--vsphere", file.to_str().unwrap(), "--ca-file", vcsim.ca().to_str().unwrap()])
            .args(more)
            .env("GOLDSMITH_STATE_DIR", home.path().join("s"))
            .env("GOLDSMITH_CACHE_DIR", home.path().join("c"))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = run(&[]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("this vCenter is ready, 1 warning"), "{out}");
    vcsim.deny(&json!({ "Datacenter": ["VirtualMachine.Interact.PowerOn"] }));
    let (code, out, err) = run(&[]);
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(out.contains("govc permissions.set -principal administrator@vsphere.local"), "{out}");
    let (code, out, _) = run(&["--json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(3));
    assert_eq!(told["missing"][0]["privilege"], "VirtualMachine.Interact.PowerOn");
    assert!(!format!("{out}{err}").contains(vcsim.password()));
    // A password that is wrong is told as such, and nothing is looked at.
    std::fs::write(&file, config.to_string().replace(vcsim.password(), "wrong-one")).unwrap();
    let (code, _, err) = run(&[]);
    assert_ne!(code, Some(0));
    assert!(err.contains("could not log in to") && !err.contains("wrong-one"), "{err}");
}
