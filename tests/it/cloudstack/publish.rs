//! `goldsmith publish cloudstack` against our cloud: what arrives, what is made of it, and what is refused before anything is made.
use super::{
    bench::{Bench, MIB, result, said},
    checks::check,
    cloud::{KEY, PROJECT, SECRET, ZONES},
    server::Server,
};
use serde_json::json;
use test_case::test_case;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_becomes_a_template_with_all_that_was_asked_for() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let bytes = bench.image("node.qcow2", 24);
    let output = bench.publish(
        &server,
        &[
            "node.qcow2",
            "--name",
            "RHEL 9 + k8s*(é)",
            "--description",
            "for EKS Anywhere/x=1&y",
            "--zone",
            "zone-a",
            "--zone",
            "zone-b",
            "--os-type",
            "red hat enterprise linux 9",
            "--public",
            "--featured",
            "--extractable",
            "--ssh-key-enabled",
            "--share-with",
            "ops",
            "--share-with",
            "dev",
            "--share-with-project",
            "platform",
            "--tag",
            "team=web",
            "--tag",
            "os=rhel 9",
            "--detail",
            "rootDiskController=scsi",
            "--json",
        ],
    );
    let made = result(&output);
    assert_eq!(
        (&made["event"], &made["format"], &made["hypervisor"]),
        (&json!("published"), &json!("QCOW2"), &json!("KVM"))
    );
    assert_eq!(
        (&made["bytes-sent"], &made["repeated"], &made["checksum-compared"]),
        (&json!(bytes.len()), &json!(0), &json!(true))
    );
    assert_eq!(made["os-type"], "Red Hat Enterprise Linux 9");
    let zones: Vec<&str> =
        made["zones"].as_array().unwrap().iter().map(|zone| zone["name"].as_str().unwrap()).collect();
    assert_eq!(zones, ["Zone-A", "zone-b"]);
    assert_eq!(made["zones"][1]["size"], json!(24 * MIB));

    let [template] = &server.templates()[..] else { panic!("one template") };
    assert!(template.bytes == bytes, "the bytes that arrived are those of the file");
    assert_eq!(template.id, made["id"].as_str().unwrap());
    assert_eq!(template.params["displaytext"], "for EKS Anywhere/x=1&y", "nobody takes it for a leftover");
    assert_eq!(template.params["name"], "RHEL 9 + k8s*(é)");
    assert_eq!(template.params["details[0].rootDiskController"], "scsi");
    assert_eq!(template.shared, ["ops", "dev", PROJECT]);
    let mut tags = template.tags.clone();
    assert_eq!(tags.remove(0).0, "goldsmith");
    assert_eq!(tags, [("team".to_owned(), "web".to_owned()), ("os".to_owned(), "rhel 9".to_owned())]);
    let forms = &server.cloud().forms;
    assert_eq!(forms.len(), 1);
    assert!(String::from_utf8_lossy(&forms[0].1[..300]).contains("filename=\"RHEL_9___k8s____.qcow2\""));
    assert_eq!(bench.journals(), 0);
    assert!(!said(&output).contains(SECRET) && !said(&output).contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_one_that_the_api_knows() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("node.qcow2", 8);
    let more = [
        "node.qcow2",
        "--zone",
        "Zone-A",
        "--zone",
        "zone-b",
        "--project",
        "Platform",
        "--extractable",
        "--replace",
    ];
    for _ in 0..2 {
        result(&bench.publish(&server, &[&more[..], &["--share-with", "ops", "--json"]].concat()));
    }
    let url = [
        "--url",
        "https://images.example.com/a/web.qcow2.bz2",
        "--zone",
        "Zone-A",
        "--zone",
        "zone-b",
        "--json",
    ];
    result(&bench.publish(&server, &url));
    let download = ["cloudstack", "download", "node", "-o", "back.qcow2", "--project", "Platform", "--json"];
    result(&bench.command(&server, &download).output().unwrap());
    let made = check(&server.calls());
    for command in [
        "listZones",
        "listHypervisors",
        "listOsTypes",
        "listProjects",
        "listTemplates",
        "getUploadParamsForTemplate",
        "registerTemplate",
        "copyTemplate",
        "createTags",
        "updateTemplatePermissions",
        "updateTemplate",
        "queryAsyncJobResult",
        "deleteTemplate",
        "extractTemplate",
    ] {
        assert!(made.iter().any(|call| call == command), "{command} was not called");
    }
}

#[test_case("web.ova", "OVA", "VMware", "zone-a"; "an OVA is for VMware")]
#[test_case("web.vhd", "VHD", "XenServer", "ZONE-B"; "a VHD is for XenServer")]
#[tokio::test(flavor = "multi_thread")]
async fn a_format_has_its_hypervisor(name: &str, format: &str, hypervisor: &str, zone: &str) {
    let (bench, server) = (Bench::new(), Server::start().await);
    let bytes = bench.image(name, 8);
    let made = result(&bench.publish(&server, &[name, "--zone", zone, "--json"]));
    assert_eq!(
        (&made["format"], &made["hypervisor"], &made["name"]),
        (&json!(format), &json!(hypervisor), &json!("web"))
    );
    assert!(server.templates()[0].bytes == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_what_goes_on_and_scripts_the_identifier() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    let output = bench.publish(&server, &["web.qcow2", "--zone", "Zone-A"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\n", server.templates()[0].id));
    let text = String::from_utf8_lossy(&output.stderr);
    for word in ["stage upload", "50% Downloaded", "Other Linux (64-bit)", "template", "Zone-A", "8 MiB"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(server.templates()[0].params["ispublic"], "false", "the API's own default is public");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_fetches_what_it_is_told() {
    let (bench, server) = (Bench::new(), Server::start().await);
    let sum = "a".repeat(64);
    let url = "https://user:word@images.example.com/web.qcow2?token=1";
    let more = ["--url", url, "--zone", "Zone-A", "--checksum", &format!("sha256:{sum}"), "--json"];
    let made = result(&bench.publish(&server, &more));
    assert_eq!(made["url"], "https://images.example.com/web.qcow2");
    assert_eq!(made["name"], "web");
    let [template] = &server.templates()[..] else { panic!("one template") };
    assert_eq!(template.params["url"], url);
    assert_eq!(template.params["checksum"], format!("{{SHA-256}}{sum}"));
    assert_eq!(template.params["zoneid"], ZONES[0].0);
    let output =
        bench.publish(&server, &["--url", "http://images.example.com/missing.qcow2", "--zone", "Zone-A"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("File not found: HTTP 404 (DOWNLOAD_ERROR)"), "{}", said(&output));
    assert_eq!(server.templates().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_one_of_ours_is_replaced_and_no_other() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    let one = result(&bench.publish(&server, &["web.qcow2", "--zone", "Zone-A", "--json"]));
    let again = bench.publish(&server, &["web.qcow2", "--zone", "Zone-A"]);
    assert!(
        again.status.code() == Some(1) && said(&again).contains("`--replace` takes its place"),
        "{}",
        said(&again)
    );
    let two = result(&bench.publish(&server, &["web.qcow2", "--zone", "Zone-A", "--replace", "--json"]));
    assert_eq!(two["replaced"], json!([one["id"]]));
    assert_eq!(server.templates().len(), 1);
    // Machines still need it: the new one is there all the same, and that is said.
    server.cloud().templates[0].in_use = true;
    let output = bench.publish(&server, &["web.qcow2", "--zone", "Zone-A", "--replace"]);
    assert!(output.status.success() && said(&output).contains("are using it"), "{}", said(&output));
    assert_eq!(server.templates().len(), 2);
    for template in &mut server.cloud().templates {
        template.tags.clear();
    }
    let foreign = bench.publish(&server, &["web.qcow2", "--zone", "Zone-A", "--replace"]);
    assert!(
        foreign.status.code() == Some(1) && said(&foreign).contains("goldsmith did not make it"),
        "{}",
        said(&foreign)
    );
    assert_eq!(bench.journals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_command_is_said_before_anything_is_made() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    bench.image("web.vmdk", 8);
    for (arguments, code, word) in [
        (&["web.qcow2"][..], 2, "Zone-A, zone-b, ZONE-B"),
        (&["web.qcow2", "--zone", "Zone-b"], 2, "several are called so"),
        (&["web.qcow2", "--zone", "none"], 1, "there are: ZONE-B, Zone-A, zone-b"),
        (&["web.qcow2", "--zone", "ZONE-B"], 2, "a QCOW2 is for KVM"),
        (&["web.qcow2", "--zone", "Zone-A", "--hypervisor", "vmware"], 2, "makes an OVA for VMware"),
        (&["web.qcow2", "--zone", "Zone-A", "--hypervisor", "lxc"], 1, "there are: KVM, VMware"),
        (&["web.qcow2", "--zone", "Zone-A", "--os-type", "Red Hat"], 1, "Red Hat Enterprise Linux 9"),
        (&["web.qcow2", "--zone", "Zone-A", "--project", "none"], 1, "there are: Platform"),
        (&["web.qcow2", "--zone", "Zone-A", "--tag", "goldsmith=1"], 2, "set the tag"),
        (&["web.qcow2", "--zone", "Zone-A", "--deploy-as-is"], 2, "it is no OVA"),
        (&["web.vmdk", "--zone", "Zone-A"], 2, "goldsmith convert"),
        (&["web.qcow2.raw", "--zone", "Zone-A"], 2, "it is raw"),
        (&["none.qcow2", "--zone", "Zone-A"], 2, "none.qcow2"),
        (&["--url", "https://a/web", "--zone", "Zone-A"], 2, "--format"),
        (&["--url", "ftp://a/web.qcow2", "--zone", "Zone-A"], 2, "from http and https"),
        (&["--url", "https://a/web.qcow2", "--checksum", "md5:12"], 2, "32 hexadecimal digits"),
        (&["web.qcow2", "--endpoint", "ftp://x"], 2, "no scheme"),
        (&["web.qcow2", "--region", "lab"], 2, "no file has a section `lab`"),
    ] {
        let output = bench.publish(&server, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{arguments:?}: {}", said(&output));
    }
    let output = bench.plain(&["publish", "cloudstack", "web.qcow2"]).output().unwrap();
    assert!(
        output.status.code() == Some(2) && said(&output).contains("CLOUDSTACK_ENDPOINT"),
        "{}",
        said(&output)
    );
    assert_eq!((server.templates().len(), bench.journals()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_the_file_of_cs() {
    let (bench, server) = (Bench::new(), Server::start().await);
    bench.image("web.qcow2", 8);
    let ini = format!(
        "[cloudstack]\nendpoint = http://127.0.0.1:1\n\n[lab]\nendpoint = {}\nkey = {KEY}\nsecret = {SECRET}\n",
        server.url()
    );
    std::fs::write(bench.path(".cloudstack.ini"), ini).unwrap();
    let output = bench
        .plain(&["publish", "cloudstack", "web.qcow2", "--zone", "Zone-A", "--region", "lab", "--json"])
        .output()
        .unwrap();
    assert_eq!(result(&output)["endpoint"], server.url());
    check(&server.calls());
}
