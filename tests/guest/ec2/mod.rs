//! A build on EC2 whose instances are real guests.
mod cloud;

use crate::moto;
use crate::support::{Home, base, beside, tool};
use cloud::Cloud;
use serde_json::Value;

/// Runs goldsmith with the account that moto plays.
#[track_caller]
fn run(home: &Home, arguments: &[&str]) -> String {
    let begun = std::time::Instant::now();
    let output = moto::isolate(&mut home.command()).args(arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("goldsmith {}: {} after {:.0?}", arguments.join(" "), output.status, begun.elapsed());
    assert!(output.status.success(), "goldsmith {arguments:?}\n--- stdout\n{out}\n--- stderr\n{err}");
    out.into_owned()
}

fn last_line(text: &str) -> Value {
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_disk_becomes_an_ami_and_that_is_built_on_by_real_guests() {
    let _turn = beside();
    let home = Home::new("ec2");
    let cloud = Cloud::start(&home.root.join("cloud"));
    let (url, port) = (cloud.url(), cloud.port().to_string());

    // The demo's disk, by EBS direct; what arrived is what was sent.
    let disk = base().qcow2();
    let published = run(
        &home,
        &["--json", "publish", "ami", disk.to_str().unwrap(), "--name", "base", "--endpoint-url", &url],
    );
    let published = last_line(&published);
    let (ami, snapshot) = (published["id"].as_str().unwrap(), published["snapshot"].as_str().unwrap());
    let back = home.root.join("back.raw");
    cloud.read_back(snapshot, published["disk-bytes"].as_u64().unwrap(), &back);
    tool("qemu-img", &["compare", "-F", "raw", disk.to_str().unwrap(), back.to_str().unwrap()], &home.root);
    std::fs::remove_file(back).unwrap();
    cloud.boots_from(ami, &disk);

    // A build on EC2: launched, provisioned, sealed, stopped, imaged; an instance of the new image is checked from inside.
    let text = format!(
        "name = \"web\"\narch = \"x86_64\"\n[aws]\nregion = \"us-east-1\"\nendpoint-url = \"{url}\"\n\
         [source.ami]\nid = \"{ami}\"\n\
         [machine]\ndriver = \"ec2\"\n[machine.ec2]\nssh-port = {port}\nssh-from = [\"203.0.113.7/32\"]\n\
         [[provision]]\npackage.install = [\"jq\"]\n\
         [[provision]]\nfile = {{ dest = \"/etc/web\", content = \"built on an instance\\n\" }}\n\
         [[output]]\nformat = \"ami\"\nami = {{ name = \"web-1\" }}\n\
         [verify]\ncommands = [\"jq --version\"]\n"
    );
    let definition = home.definition("web", &text);
    run(&home, &["build", definition.to_str().unwrap()]);
    // AMIs have no folder: the report is among the records.
    let records = std::fs::read_dir(home.root.join("s/logs")).unwrap();
    let records = records.map(|entry| entry.unwrap().path().join("result.json"));
    let report = records.into_iter().find(|path| path.exists()).expect("a report");
    let result: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let made = result.to_string();
    assert!(made.contains("web-1") && made.contains("ami-"), "{result:#}");
    home.assert_clean("a build on EC2");
    assert_eq!(cloud.left(), Vec::<String>::new());

    // The same image, tested as one that somebody else made.
    let id = cloud.image("web-1");
    let list = home.root.join("packages.txt");
    run(
        &home,
        &[
            "ami",
            "test",
            &id,
            "--endpoint-url",
            &url,
            "--ssh-port",
            &port,
            "--ssh-from",
            "203.0.113.7/32",
            "--expect-os-release",
            "Debian GNU/Linux 12",
            "--packages",
            list.to_str().unwrap(),
        ],
    );
    assert!(std::fs::read_to_string(list).unwrap().lines().any(|line| line.contains("jq")));
    assert_eq!(cloud.left(), Vec::<String>::new());
    let pinned = cloud.calls().into_iter().filter(|call| call.action() == "RunInstances");
    assert_eq!(pinned.count(), 3, "one to build in, one to prove, one to test");
}
