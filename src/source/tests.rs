//! Sources for real: images of every kind, and (ignored, for they take minutes and a mirror) bootstraps that boot.
use super::*;
use crate::{
    cx::tests_support::cx,
    disk,
    plan::{
        Accelerator, AnswerPlace, Answers, DiskSourcePlan, Firmware, GuestPlan, InstallerBoot, IsoDigest,
        IsoPlan, MachinePlan, Origin, SealPlan, VerifyPlan,
    },
    value::{Arch, HumanDuration},
};
use std::{collections::BTreeMap, io::Write};
use url::Url;

fn plan(source: SourcePlan, disk: Size) -> Plan {
    Plan {
        name: "test".into(),
        arch: Arch::X86_64,
        matrix: std::collections::BTreeMap::new(),
        definition: "/test.toml".into(),
        source,
        machine: MachinePlan {
            uri: String::new(),
            firmware: Firmware::Bios,
            cpus: 2,
            memory: Size::gib(1),
            disk,
            accelerator: Accelerator::Tcg,
            ec2: None,
            vsphere: None,
            nutanix: None,
            cloudstack: None,
        },
        guest: GuestPlan {
            seed: crate::plan::SeedKind::NoCloud,
            login: None,
            user: "build".into(),
            connect_timeout: HumanDuration::seconds(300),
            shutdown_timeout: HumanDuration::seconds(60),
        },
        provider: crate::plan::Provider::default(),
        aws: crate::plan::AwsPlan::default(),
        vcenter: crate::plan::VcenterPlan::default(),
        prism: crate::plan::PrismPlan::default(),
        cloud: crate::plan::CloudPlan::default(),
        provision: vec![],
        roles: vec![],
        seal: SealPlan { sysprep: true, zero: false, trim: true },
        outputs: vec![],
        amis: vec![],
        vsphere: None,
        nutanix: None,
        cloudstack: None,
        verify: VerifyPlan { boot: false, firmware: vec![], commands: vec![] },
        secrets: BTreeMap::new(),
    }
}

fn image(path: &Path, format: Option<ImageFormat>) -> Plan {
    let source = DiskSourcePlan {
        origins: vec![Origin::Path(path.to_owned())],
        digest: None,
        checksums: None,
        format,
    };
    plan(SourcePlan::Disk(source), Size::mib(64))
}

/// 8 MiB that are neither empty nor uniform.
fn raw_bytes() -> Vec<u8> {
    (0..8u32 << 18).flat_map(|n| if n % 4096 < 100 { n.to_le_bytes() } else { [0; 4] }).collect()
}

async fn first_disk(cx: &Cx, plan: &Plan, fetcher: &Fetcher) -> Result<BaseDisk, SourceError> {
    match prepare(cx, plan, fetcher).await? {
        Prepared::Disk(base) => Ok(base),
        other => panic!("{other:?}"),
    }
}

fn content_of(base: &BaseDisk, bytes: usize) -> Vec<u8> {
    let limits = disk::OpenOptions { backing: disk::BackingPolicy::Anywhere, ..disk::OpenOptions::default() };
    let opened = disk::open(&base.path, Some(disk::Format::Qcow2), &limits).unwrap();
    assert_eq!(opened.size(), 64 << 20);
    let mut content = vec![0; bytes];
    opened.read_at(&mut content, 0).unwrap();
    content
}

#[tokio::test]
async fn an_image_of_any_packing_becomes_an_overlay_of_the_machines_size() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = raw_bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let packed = [
        ("disk.raw", bytes.clone()),
        ("disk.raw.gz", gzip.finish().unwrap()),
        ("disk.raw.zst", zstd::encode_all(&bytes[..], 1).unwrap()),
    ];
    for (name, content) in packed {
        let path = folder.path().join(name);
        std::fs::write(&path, &content).unwrap();
        let plan = image(&path, None);
        preflight(&plan, folder.path()).await.unwrap();
        let cx = cx();
        let base = first_disk(&cx, &plan, &Fetcher::new(folder.path().join("cache"))).await.unwrap();
        assert!(base.path.starts_with(cx.work()) && base.format == ImageFormat::Qcow2);
        assert_eq!(content_of(&base, bytes.len()), bytes, "{name}");
        assert_eq!(std::fs::read(&path).unwrap(), content, "the user's file must stay as it is");
        assert!(base.digest.is_some());
    }
}

#[tokio::test]
async fn a_stated_format_is_believed_against_the_magic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guest-wrote-this.raw");
    disk::qcow2::create_empty(&path, 1 << 30).unwrap();
    // As qcow2 it would be larger than the disk; as raw it is small.
    let error = preflight(&image(&path, None), folder.path()).await.unwrap_err();
    assert!(matches!(error, SourceError::Shrink { .. }), "{error}");
    let cx = cx();
    let fetcher = Fetcher::new(folder.path().join("cache"));
    let base = first_disk(&cx, &image(&path, Some(ImageFormat::Raw)), &fetcher).await.unwrap();
    assert_eq!(&content_of(&base, 4), b"QFI\xfb");
}

#[tokio::test]
async fn images_that_cannot_be_used_are_refused_before_the_build() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, vec![1; 1 << 20]).unwrap();
    let overlay = folder.path().join("overlay.qcow2");
    disk::qcow2::create_overlay(&overlay, &secret, disk::Format::Raw, 1 << 20).unwrap();
    assert!(matches!(preflight(&image(&overlay, None), folder.path()).await, Err(SourceError::Disk { .. })));
    let error = preflight(&image(&folder.path().join("absent"), None), folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
}

#[tokio::test]
async fn the_first_place_that_has_the_image_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw");
    std::fs::write(&path, raw_bytes()).unwrap();
    let source = DiskSourcePlan {
        origins: vec![Origin::Path(folder.path().join("absent")), Origin::Path(path)],
        digest: None,
        checksums: None,
        format: Some(ImageFormat::Raw),
    };
    let plan = plan(SourcePlan::Disk(source), Size::mib(64));
    preflight(&plan, folder.path()).await.unwrap();
    let base = first_disk(&cx(), &plan, &Fetcher::new(folder.path().join("cache"))).await.unwrap();
    assert!(base.description.ends_with("disk.raw"));
}

fn installed(origin: Origin, digest: IsoDigest) -> Plan {
    let boot = InstallerBoot::Direct { kernel: None, initrd: None, arguments: vec![], keep_menu: true };
    let answers = Answers { place: AnswerPlace::Initrd, files: vec![] };
    let timeout = HumanDuration::seconds(60);
    let source =
        IsoPlan { origins: vec![origin], digest, boot, answers, timeout, install: None, remarks: vec![] };
    plan(SourcePlan::Iso(source), Size::gib(3))
}

#[tokio::test]
async fn a_medium_that_is_no_good_is_told_before_the_build() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("debian.iso");
    let plan = installed(Origin::Path(path.clone()), IsoDigest::Trusted);
    let error = preflight(&plan, folder.path()).await.unwrap_err();
    assert_eq!(
        origin::chain(&error),
        format!(
            "could not read `{}`, which the definition starts from: No such file or directory (os error 2)",
            path.display()
        )
    );
    assert!(error.hint().unwrap().contains("`path`"), "{:?}", error.hint());
    std::fs::create_dir(&path).unwrap();
    let error = preflight(&plan, folder.path()).await.unwrap_err();
    assert!(origin::chain(&error).contains("directory"), "{}", origin::chain(&error));
    std::fs::remove_dir(&path).unwrap();
    std::fs::create_dir(folder.path().join("tree")).unwrap();
    std::fs::write(folder.path().join("tree/file"), vec![1; 300 << 10]).unwrap();
    let made = std::process::Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-o", "debian.iso", "tree"])
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(made.success());
    let needs = preflight(&plan, folder.path()).await.unwrap();
    // No more than the machine's disk, and nothing to download.
    assert_eq!((needs.bytes_work, needs.bytes_cache), (Size::gib(3), Size::bytes(0)));
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100 << 10).unwrap();
    let error = preflight(&plan, folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("download it again"), "{error}");
}

/// An address with a file of so many bytes, for who asks only.
async fn served(bytes: u64) -> Url {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/debian.iso", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn only_what_is_not_there_yet_needs_room() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let bytes = 5_000_000_000;
    let url = served(bytes).await;
    let digest: Digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
    let known = installed(Origin::Url(url.clone()), IsoDigest::Known(digest.clone()));
    let listed = installed(Origin::Url(url.clone()), IsoDigest::Listed(url.join("SHA256SUMS").unwrap()));
    for plan in [&known, &listed] {
        let needs = preflight(plan, &cache).await.unwrap();
        assert_eq!((needs.bytes_work, needs.bytes_cache), (Size::gib(3), Size::bytes(bytes)));
        let (work, both) = (cache.join("work"), Size::bytes(bytes + (3 << 30)));
        assert_eq!(needs.room(&work, &cache), [(work.as_path(), both)], "one file system has to hold both");
    }
    let sparse = |name: &str, bytes| {
        let path = cache.join("sha256").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
    };
    sparse(&format!("{}.part", digest.hex()), 2_000_000_000);
    assert_eq!(preflight(&known, &cache).await.unwrap().bytes_cache, Size::bytes(bytes - 2_000_000_000));
    sparse(digest.hex(), bytes);
    for plan in [&known, &listed] {
        assert_eq!(preflight(plan, &cache).await.unwrap().bytes_cache, Size::bytes(0));
    }
    let nowhere = Origin::Url("http://127.0.0.1:1/debian.iso".parse().unwrap());
    preflight(&installed(nowhere.clone(), IsoDigest::Known(digest.clone())), &cache).await.unwrap();
    assert!(preflight(&installed(nowhere, IsoDigest::Trusted), &cache).await.is_err());
    let SourcePlan::Iso(source) = &known.source else { panic!() };
    let stored = install::stored(&cache, &known, source, &digest);
    std::fs::create_dir_all(stored.parent().unwrap()).unwrap();
    std::fs::write(stored, "").unwrap();
    assert_eq!(
        preflight(&known, &cache).await.unwrap().bytes_work,
        Size::bytes(0),
        "it was installed before"
    );
}

#[tokio::test]
async fn a_failing_tool_shows_its_last_words_and_leaves_nothing_to_undo() {
    let cx = cx();
    let mut command = tool::command("sh");
    command.args(["-c", "i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo line $i; done; exit 3"]);
    let error = tool::run(&cx, "sh", "count", command, |_| {}).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("could not count: exit status: 3"), "{text}");
    assert!(text.contains("line 50") && text.contains("line 31") && !text.contains("line 30\n"), "{text}");
    assert!(cx.undo().owed().is_empty());
}

#[tokio::test]
async fn cancelling_kills_a_tool_with_its_children() {
    let cx = cx();
    let pid_file = cx.work().join("pid");
    let mut command = tool::command("sh");
    command.args(["-c", "sleep 600 & echo $! >\"$0.new\"; mv \"$0.new\" \"$0\"; wait"]).arg(&pid_file);
    let stop = cx.stop().clone();
    let watch = pid_file.clone();
    let canceller = tokio::spawn(async move {
        while !watch.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
    });
    let started = std::time::Instant::now();
    let error = tool::run(&cx, "sh", "sleep", command, |_| {}).await.unwrap_err();
    canceller.await.unwrap();
    assert!(matches!(error, SourceError::Cancelled(_)), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}
