//! Every way to pack a disk is proved by what was packed: QEMU boots the VMDK that was in the OVA. AMIs are made of the same disk in the
//! same pass; moto plays Amazon's part.
use crate::{
    moto::{self, Moto},
    proxy::{Fate, Proxy},
    snapshot,
    support::{Home, base, beside, over_base, tool},
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// Runs goldsmith with the account that moto plays, and returns what `--json` printed.
#[track_caller]
fn run(home: &Home, arguments: &[&str]) -> Vec<Value> {
    let begun = std::time::Instant::now();
    let output = moto::isolate(&mut home.command()).arg("--json").args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("goldsmith {}: {} after {:.0?}", arguments.join(" "), output.status, begun.elapsed());
    assert!(output.status.success(), "goldsmith {arguments:?}\n--- stdout\n{out}\n--- stderr\n{err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// Which AMI was asked for when.
type Registered = Arc<Mutex<Vec<(String, jiff::Timestamp)>>>;

/// Before moto: writes down what is registered, and nothing else.
async fn watch(moto: &Moto, registered: &Registered) -> Proxy {
    let registered = Arc::clone(registered);
    Proxy::start(moto.port(), move |call| {
        if call.action() == "RegisterImage" && call.parameter("DryRun").as_deref() != Some("true") {
            let name = call.parameter("Name").unwrap();
            registered.lock().unwrap().push((name, jiff::Timestamp::now()));
        }
        Fate::Forward
    })
    .await
}

#[test]
fn an_ova_a_vhd_and_a_packed_disk_boot_and_amis_hold_the_same_disk() {
    let _turn = beside();
    let home = Home::new("formats");
    let moto = Moto::bare();
    let registered = Registered::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let proxy = runtime.block_on(watch(&moto, &registered));
    let url = proxy.url();

    // What the guest starts from is the parent of one of the AMIs.
    let disk = base().qcow2();
    let published = run(
        &home,
        &["publish", "ami", disk.to_str().unwrap(), "--name", "formats-base", "--endpoint-url", &url],
    );
    let parent = published.last().unwrap()["snapshot"].as_str().unwrap().to_owned();
    let rest = format!(
        r#"
[aws]
region = "us-east-1"
endpoint-url = "{url}"
[guest]
seed = "credentials"
[[provision]]
shell = "echo built > /etc/built"
[[output]]
format = "ova"
[output.ova]
product = "Test"
version = "1"
properties = {{ BUILD_TIMESTAMP = "now" }}
[[output]]
format = "vhd"
[[output]]
format = "raw.zst"
[[output]]
format = "ami"
ami = {{ name = "formats-whole", tags = {{ team = "web" }} }}
[[output]]
format = "ami"
ami = {{ name = "formats-difference", parent = "{parent}" }}
[verify]
commands = ["test $(cat /etc/built) = built"]
"#
    );
    let definition = home.definition("formats", &over_base("formats", "firmware = \"bios\"", &rest));
    let events = run(&home, &["build", definition.to_str().unwrap()]);
    home.assert_clean("a build of several formats");
    let out = home.out();
    let digests = ["formats.ova.sha256", "formats.vhd.sha256", "formats.raw.zst.sha256"];
    tool("sha256sum", &[&["--strict", "-c"], &digests[..]].concat(), &out);
    // The description says what is known about the machine and its guest.
    let listed = tool("tar", &["-tf", "formats.ova"], &out);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["formats.ovf", "formats.mf", "formats-disk1.vmdk"]);
    let ovf = tool("tar", &["-xOf", "formats.ova", "formats.ovf"], &out);
    for said in ["debian12_64Guest", "BUILD_TIMESTAMP", "<rasd:VirtualQuantity>1024</rasd:VirtualQuantity>"] {
        assert!(ovf.contains(said), "no {said} in\n{ovf}");
    }
    // All of them hold the same disk.
    tool("tar", &["-xf", "formats.ova", "formats-disk1.vmdk"], &out);
    tool("qemu-img", &["compare", "-f", "vmdk", "-F", "vpc", "formats-disk1.vmdk", "formats.vhd"], &out);
    tool("zstd", &["-q", "-d", "formats.raw.zst"], &out);
    tool("qemu-img", &["compare", "-f", "vmdk", "-F", "raw", "formats-disk1.vmdk", "formats.raw"], &out);
    let result: Value = serde_json::from_slice(&std::fs::read(out.join("result.json")).unwrap()).unwrap();
    let amis = result["builds"][0]["amis"].as_array().unwrap();
    let [whole, difference] = [0, 1].map(|at| amis[at]["snapshots"][0].as_str().unwrap());
    let bytes = std::fs::metadata(out.join("formats.raw")).unwrap().len();
    let read_back = |snapshots: &[&str]| {
        let path = home.root.join("back.raw");
        runtime.block_on(snapshot::read_back(&moto.url(), snapshots, bytes, &path));
        tool("qemu-img", &["compare", "-f", "raw", "-F", "raw", "formats.raw", path.to_str().unwrap()], &out);
        std::fs::remove_file(path).unwrap();
    };
    read_back(&[whole]);
    read_back(&[&parent, difference]);

    // Most of the disk is what the guest started from, which this host knew.
    let calls = proxy.calls();
    let sent = |snapshot: &str| {
        let path = format!("/snapshots/{snapshot}/blocks/");
        calls.iter().filter(|call| call.method == "PUT" && call.path.starts_with(&path)).count()
    };
    println!(
        "{} blocks are the parent's, {} the disk's, {} the difference",
        sent(&parent),
        sent(whole),
        sent(difference)
    );
    assert!(sent(difference) > 0 && sent(difference) < sent(whole) / 2);
    assert!(calls.iter().all(|call| call.method != "GET"), "nothing was read back");
    assert!(events.iter().any(|event| event.to_string().contains("the rest is its parent's")));

    // No AMI was asked for before everything was proved.
    let proved = events
        .iter()
        .filter(|event| event["event"] == "stage-finished" && event["stage"] == "verify")
        .map(|event| event["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap())
        .max()
        .expect("a proof");
    let registered = registered.lock().unwrap();
    let names: Vec<&str> = registered.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["formats-base", "formats-whole", "formats-difference"]);
    assert!(registered[1..].iter().all(|(_, at)| *at > proved), "{registered:?} before {proved}");
    for ami in amis {
        assert!(!ami["verified"].as_array().unwrap().is_empty(), "{ami:#}");
    }
    let left = std::fs::read_dir(home.root.join("s/uploads")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["digests"], "an upload that is over leaves nothing but what it knows");
}
