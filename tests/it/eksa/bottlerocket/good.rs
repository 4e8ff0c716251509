//! What is as it must be: images come, whole and verified.
use super::{OVA, OVA_OF_CHANNEL, Published, image, sha256, told};
use crate::{
    eksa::{
        bench::{refused, said},
        mirror::Fate,
    },
    tls_door::Door,
};
use sha2::{Digest as _, Sha512};
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

fn sums(bytes: &[u8], name: &str) -> [String; 2] {
    [format!("{}  {name}\n", sha256(bytes)), format!("{}  {name}\n", hex::encode(Sha512::digest(bytes)))]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ova_comes_as_it_is_and_goes_on_where_it_was_cut() {
    let published = Published::new("good", OVA, &image()).await;
    let path = format!("/targets/{}.{OVA}", sha256(&image()));
    published.mirror.fate(&path, Fate::CutAfter(200_000));
    let made = told(&published.command(&OVA_OF_CHANNEL).arg("--json").output().unwrap());
    assert_eq!(
        published.outputs(),
        ["bottlerocket.ova", "bottlerocket.ova.sha256", "bottlerocket.ova.sha512"]
    );
    let read = |name: &str| std::fs::read(published.bench.path("out").join(name)).unwrap();
    assert!(read("bottlerocket.ova") == image());
    let [sha256_line, sha512_line] = sums(&image(), "bottlerocket.ova");
    assert_eq!(read("bottlerocket.ova.sha256"), sha256_line.as_bytes());
    assert_eq!(read("bottlerocket.ova.sha512"), sha512_line.as_bytes());
    assert_eq!((&made["event"], &made["version"]), (&"downloaded".into(), &"v1.64.0".into()));
    assert_eq!((&made["variant"], &made["arch"]), (&"vmware-k8s-1.34".into(), &"x86_64".into()));
    assert_eq!(made["sha256"], sha256(&image()).as_str());
    assert_eq!((&made["published"]["name"], &made["published"]["root-version"]), (&OVA.into(), &1.into()));
    let asked = published.mirror.asked(&path);
    assert!(asked.len() == 2 && asked[1].answer == 206, "{asked:?}");
    // Again, and without any server: metadata and image are here.
    let output = published.ova();
    assert!(output.status.success(), "{}", said(&output));
    assert!(published.mirror.asked(&path).is_empty(), "the image is not fetched twice");
    let offline = published.command(&OVA_OF_CHANNEL).arg("--offline").output().unwrap();
    assert!(offline.status.success(), "{}", said(&offline));
    let last = published.mirror.tree().asked.len();
    let again = published.command(&OVA_OF_CHANNEL).arg("--offline").output().unwrap();
    assert!(again.status.success() && published.mirror.tree().asked.len() == last, "nobody is asked");
    assert_eq!(published.bench.journals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_becomes_gzip_on_the_way() {
    let mut disk = vec![0u8; 3 << 20];
    disk[..1000].fill(7);
    disk[2_500_000..2_600_000].fill(9);
    let mut lz4 =
        Command::new("lz4").args(["-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = lz4.stdin.take().unwrap();
    let content = disk.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&content).unwrap());
    let mut packed = Vec::new();
    lz4.stdout.take().unwrap().read_to_end(&mut packed).unwrap();
    writer.join().unwrap();
    assert!(lz4.wait().unwrap().success());
    for (format, variant, channel, version) in
        [("raw", "metal-k8s-1.28", "1-28", "v1.26.2"), ("ami", "aws-k8s-1.34-nvidia", "1-34", "v1.64.0")]
    {
        let name = format!("bottlerocket-{variant}-x86_64-{version}.img.lz4");
        let published = Published::new("good", &name, &packed).await;
        let arguments = ["--release-channel", channel, "--format", format, "--variant", variant, "--json"];
        let made = told(&published.command(&arguments).output().unwrap());
        let names = ["bottlerocket.img.gz", "bottlerocket.img.gz.sha256", "bottlerocket.img.gz.sha512"];
        assert_eq!(published.outputs(), names);
        let read = |name: &str| std::fs::read(published.bench.path("out").join(name)).unwrap();
        let mut unpacked = Vec::new();
        let gz = read(names[0]);
        flate2::read::MultiGzDecoder::new(gz.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == disk);
        let [sha256_line, sha512_line] = sums(&gz, names[0]);
        assert_eq!(read(names[1]), sha256_line.as_bytes());
        assert_eq!(read(names[2]), sha512_line.as_bytes());
        assert_eq!((&made["bytes"], &made["format"]), (&gz.len().into(), &format.into()));
        assert_eq!(made["published"]["sha256"], sha256(&packed).as_str());
        assert_eq!(published.bench.journals(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_are_followed_from_the_first_to_the_last() {
    let published = Published::new("rotated", OVA, &image()).await;
    let made = told(&published.command(&OVA_OF_CHANNEL).arg("--json").output().unwrap());
    assert_eq!(made["published"]["root-version"], 5);
    // The next time begins at the last one.
    published.mirror.tree().asked.clear();
    let output = published.ova();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("version 5 of the root"), "{}", said(&output));
    let asked: Vec<String> = published.mirror.tree().asked.iter().map(|asked| asked.path.clone()).collect();
    let roots: Vec<&String> = asked.iter().filter(|path| path.contains("root.json")).collect();
    assert_eq!(roots, [&format!("{}6.root.json", super::METADATA)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_may_come_from_a_mirror_if_its_digest_is_said() {
    let published = Published::new("good", OVA, &image()).await;
    let root = std::fs::read(published.root()).unwrap();
    published.mirror.put("/root.json", root.clone());
    let ca = published.bench.path("ca.pem");
    let door = Door::before(published.mirror.port, &ca);
    let digest = format!("sha512:{}", hex::encode(Sha512::digest(&root)));
    let address = format!("{}/root.json", door.url);
    let metadata = format!("{}{}", door.url, super::METADATA);
    let targets = format!("{}/targets", door.url);
    let run = |digest: &str| {
        let mut command = published.bench.plain(&["download", "bottlerocket", "-o", "out"]);
        command.args(OVA_OF_CHANNEL).args(["--metadata-url", &metadata, "--targets-url", &targets]);
        command.args(["--root", &address, "--root-digest", digest]).env("SSL_CERT_FILE", &ca);
        command.output().unwrap()
    };
    let wrong = format!("sha512:{}", "0".repeat(128));
    published
        .refused(&run(&wrong), &["trust the root", &format!("expected {wrong}"), &digest, "--root-digest"]);
    let output = run(&digest);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(published.outputs().len(), 3);
    let none = ["--root", address.as_str()];
    let output = published.command(&[&OVA_OF_CHANNEL[..], &none].concat()).output().unwrap();
    refused(&output, 2, &["nobody says which digest", "--root-digest sha512:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_channel_or_repository_does_not_have_is_told_with_what_there_is() {
    let published = Published::new("good", OVA, &image()).await;
    let run = |arguments: &[&str]| published.command(arguments).output().unwrap();
    let output = run(&["--release-channel", "1-34", "--format", "raw"]);
    refused(&output, 2, &["ova (v1.64.0) and ami (v1.64.0) only", "Bottlerocket for 1-28"]);
    let output = run(&["--release-channel", "1-99", "--format", "ova"]);
    refused(&output, 2, &["channels 1-28 to 1-36", "--version"]);
    let output = run(&["--release-channel", "1-34", "--format", "iso"]);
    refused(&output, 2, &["[possible values: ova, raw, ami]"]);
    assert!(!published.bench.path("out").exists(), "nothing is made before");
    let output = run(&["--release-channel", "1-34", "--format", "ova", "--version", "1.63.0"]);
    published.refused(&output, &["bottlerocket-vmware-k8s-1.34-x86_64-v1.63.0.ova", "it has: v1.64.0"]);
    let output = run(&["--release-channel", "1-34", "--format", "ova", "--arch", "arm64"]);
    published.refused(&output, &["no ova of `vmware-k8s-1.34` for aarch64 at all"]);
    // Another variant has another repository.
    let other = published.mirror.url("/2020-07-07/vmware-k8s-1.77/x86_64/");
    let mut command = published.bench.plain(&["download", "bottlerocket", "-o", "out", "--root"]);
    command.arg(published.root()).args(OVA_OF_CHANNEL).args(["--metadata-url", &other]);
    let output = command.output().unwrap();
    published.refused(&output, &["timestamp.json", "404", "there may be no such variant"]);
    // Without a server, only what was here before counts.
    let mut command = published.command(&OVA_OF_CHANNEL);
    command.arg("--offline").env("GOLDSMITH_CACHE_DIR", published.bench.path("none"));
    published.refused(&command.output().unwrap(), &["there is no copy of it", "once without `--offline`"]);
}
