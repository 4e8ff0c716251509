//! Content libraries: items, their files there and back, machines in and out; in both dialects, with trouble on the way.
use super::{
    checks::assert_requests_valid,
    libraries::{Bench, LIBRARY, mark},
    world::told,
};
use crate::context::cx;
use goldsmith::vsphere::{
    Bytes, DeploySpec, Existing, Expected, Item, ItemKind, ItemSpec, Library, Named, Upload,
    VsphereErrorKind, is_marked, machine::Provisioning,
};
use serde_json::json;
use sha2::Digest as _;
use std::{collections::BTreeMap, path::Path};

/// Bytes that do not repeat.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| byte()).collect()
}

async fn file(folder: &Path, name: &str, bytes: &[u8]) -> Upload {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    Upload::of_path(&path).await.unwrap()
}

fn spec<'a>(library: &'a Library, name: &'a str, existing: Existing) -> ItemSpec<'a> {
    ItemSpec { library, name, description: "For the web", existing }
}

async fn item(bench: &Bench, cx: &goldsmith::cx::Cx, library: &Library, name: &str) -> Item {
    let spec = spec(library, name, Existing::Refuse);
    bench.vcenter.make_item(cx, &mark(cx), ItemKind::Ovf, &spec).await.unwrap().item
}

#[tokio::test]
async fn an_item_is_filled_proved_given_a_new_version_and_brought_back() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let (vcenter, cx, folder) = (&bench.vcenter, cx(), tempfile::tempdir().unwrap());
        let library = bench.library().await;
        let made = item(&bench, &cx, &library, "web & co").await;
        assert!(is_marked(&made.description, cx.id().as_str()), "{made:?}");

        let (ovf, disk) = (b"<Envelope/>".to_vec(), noise(1, 3 << 20));
        let files = vec![
            file(folder.path(), "web.ovf", &ovf).await,
            Upload {
                name: "web 1.vmdk".into(),
                size: disk.len() as u64,
                sha256: None,
                bytes: Bytes::Stream(Box::new(std::io::Cursor::new(disk.clone()))),
            },
        ];
        let there = vcenter.upload(&cx, &made, files, None).await.unwrap();
        let sizes: Vec<_> = there.iter().map(|file| (file.name.as_str(), file.size)).collect();
        assert_eq!(sizes, [("web 1.vmdk", Some(3 << 20)), ("web.ovf", Some(11))]);
        assert_eq!(std::fs::read(bench.stored(&library, &made.id, "web 1.vmdk")).unwrap(), disk);
        assert_eq!(std::fs::read(bench.stored(&library, &made.id, "web.ovf")).unwrap(), ovf);

        // A new version: one file of the same name, one of another.
        let (again, other) = (b"<Envelope newer=\"yes\"/>".to_vec(), noise(2, 1 << 20));
        let found = vcenter
            .make_item(&cx, &mark(&cx), ItemKind::Ovf, &spec(&library, "web & co", Existing::Replace))
            .await
            .unwrap();
        assert_eq!((found.item.id.as_str(), found.undo), (made.id.as_str(), None));
        let files = vec![
            file(folder.path(), "web.ovf", &again).await,
            file(folder.path(), "web-2.vmdk", &other).await,
        ];
        let there = vcenter.upload(&cx, &made, files, None).await.unwrap();
        let names: Vec<_> = there.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["web-2.vmdk", "web.ovf"]);

        let here = tempfile::tempdir().unwrap();
        let brought = vcenter.download(&cx, &made, here.path()).await.unwrap();
        assert_eq!(std::fs::read(here.path().join("web-2.vmdk")).unwrap(), other);
        assert_eq!(std::fs::read(here.path().join("web.ovf")).unwrap(), again);
        let digest = brought[0].sha256.as_ref().unwrap().hex().to_owned();
        assert_eq!(digest, hex::encode(sha2::Sha256::digest(&other)));
        assert!(brought.iter().all(|file| file.proved), "{brought:?}");

        bench.settled().await;
        let ended = |session: &str| {
            let path = format!("content/library/item/{session}/");
            // A file that is removed has an address below its session's.
            bench
                .vcsim
                .trace()
                .iter()
                .filter(|one| {
                    one.method == "DELETE" && one.path.contains(&path) && !one.path.contains("/file/")
                })
                .count()
        };
        assert_eq!((ended("update-session"), ended("download-session")), (2, 1));
        assert_requests_valid(&bench.vcsim);
    }
}

#[tokio::test]
async fn what_became_a_result_or_is_another_s_is_not_removed() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let (vcenter, cx, theirs) = (&bench.vcenter, cx(), cx());
        let library = bench.library().await;
        let result = item(&bench, &cx, &library, "result").await;
        item(&bench, &cx, &library, "leftover").await;
        item(&bench, &theirs, &library, "theirs").await;
        vcenter.describe_item(&result, "Web, proved").await.unwrap();
        // The name is taken, so it is not ours, whatever the journal says of it.
        let error = vcenter
            .make_item(&cx, &mark(&cx), ItemKind::Ovf, &spec(&library, "theirs", Existing::Refuse))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), VsphereErrorKind::Exists);
        let error = vcenter
            .make_item(&cx, &mark(&cx), ItemKind::Iso, &spec(&library, "theirs", Existing::Replace))
            .await
            .unwrap_err();
        assert!(told(&error).contains("of the type `ovf`, not `iso`"), "{}", told(&error));
        bench.undo(&cx).await;
        assert_eq!(vcenter.library_items(&library).await.unwrap(), ["result", "theirs"]);
        bench.undo(&cx).await;
        assert_requests_valid(&bench.vcsim);
    }
}

#[tokio::test]
async fn a_library_that_is_not_there_is_told_with_those_that_are() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let error = bench.vcenter.library("images").await.unwrap_err();
        assert!(told(&error).ends_with("there is none, or none that this user may see"), "{}", told(&error));
        bench.library().await;
        let error = bench.vcenter.library("images").await.unwrap_err();
        assert_eq!(error.kind(), VsphereErrorKind::NotFound);
        assert_eq!(
            told(&error),
            format!("could not find the content library `images`: there are: {LIBRARY}")
        );
    }
}

#[tokio::test]
async fn an_upload_outlives_cuts_expired_sessions_and_busy_servers() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let (vcenter, cx, folder) = (&bench.vcenter, cx(), tempfile::tempdir().unwrap());
        let library = bench.library().await;
        bench.trouble("POST", "content/library/item", json!({ "status": 503, "times": 2, "after": 1 }));
        let made = item(&bench, &cx, &library, "web").await;
        let disk = noise(3, 4 << 20);
        bench.trouble_with_bytes("PUT", json!({ "cut_after": 1_000_000 }));
        bench.trouble_with_bytes("PUT", json!({ "status": 401, "after": 1 }));
        bench.vcsim.expire();
        let files = vec![file(folder.path(), "web.vmdk", &disk).await];
        vcenter.upload(&cx, &made, files, None).await.unwrap();
        assert_eq!(std::fs::read(bench.stored(&library, &made.id, "web.vmdk")).unwrap(), disk);
        bench.trouble_with_bytes("GET", json!({ "cut_after": 1_000_000 }));
        vcenter.download(&cx, &made, folder.path()).await.unwrap();
        assert_eq!(std::fs::read(folder.path().join("web.vmdk")).unwrap(), disk);
        assert_requests_valid(&bench.vcsim);
    }
}

#[tokio::test]
async fn an_upload_that_fails_changes_nothing_and_holds_nothing() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let (vcenter, cx) = (&bench.vcenter, cx());
        let library = bench.library().await;
        let made = item(&bench, &cx, &library, "web").await;
        let disk = noise(4, 1 << 20);
        let stream = |size: usize, sha256: Option<&[u8]>| {
            vec![Upload {
                name: "web.vmdk".into(),
                size: size as u64,
                sha256: sha256.map(|of| hex::encode(sha2::Sha256::digest(of)).parse().unwrap()),
                bytes: Bytes::Stream(Box::new(std::io::Cursor::new(disk.clone()))),
            }]
        };
        // What is read once cannot be sent twice.
        bench.trouble_with_bytes("PUT", json!({ "cut_after": 100_000 }));
        let error = vcenter.upload(&cx, &made, stream(1 << 20, None), None).await.unwrap_err();
        assert_eq!(error.kind(), VsphereErrorKind::Unavailable, "{}", told(&error));
        // Too long, too short, and of another digest than was promised.
        for size in [(1 << 20) - 1, (1 << 20) + 1] {
            let error = vcenter.upload(&cx, &made, stream(size, None), None).await.unwrap_err();
            assert!(told(&error).starts_with("could not upload"), "{}", told(&error));
        }
        let error = vcenter.upload(&cx, &made, stream(1 << 20, Some(b"x")), None).await.unwrap_err();
        assert!(told(&error).contains("has the digest sha256:"), "{}", told(&error));
        for wrong in ["", "..", "a/b"] {
            let mut files = stream(1 << 20, None);
            wrong.clone_into(&mut files[0].name);
            let error = vcenter.upload(&cx, &made, files, None).await.unwrap_err();
            assert_eq!(error.kind(), VsphereErrorKind::Usage);
        }
        assert_eq!(vcenter.item_files(&made).await.unwrap(), []);
        let session = "content/library/item/update-session/";
        bench.settled().await;
        let trace = bench.vcsim.trace();
        let cancelled = trace.iter().filter(|one| one.path.contains("action=cancel")).count();
        assert_eq!((cancelled, bench.calls("DELETE", session)), (4, 4));

        // The server itself looks at what it got.
        let lied = json!([{ "name": "web.vmdk", "size": 1 << 20, "cached": true, "version": "1",
            "checksum_info": { "algorithm": "SHA1", "checksum": "00" } }]);
        let lied = if api { lied } else { json!({ "value": lied }) };
        let files = if api {
            format!("content/library/item/{}/file", made.id)
        } else {
            "content/library/item/file".into()
        };
        bench.trouble("GET", &files, json!({ "status": 200, "body": lied.to_string(), "after": 1 }));
        let error = vcenter.upload(&cx, &made, stream(1 << 20, None), None).await.unwrap_err();
        assert!(told(&error).contains("`web.vmdk` has the SHA1 00 there"), "{}", told(&error));
        assert_requests_valid(&bench.vcsim);
    }
}

#[tokio::test]
async fn an_interruption_ends_an_upload_and_its_session() {
    let bench = Bench::start(true, &[]).await;
    let (vcenter, cx, folder) = (&bench.vcenter, cx(), tempfile::tempdir().unwrap());
    let library = bench.library().await;
    let made = item(&bench, &cx, &library, "web").await;
    bench.trouble_with_bytes("PUT", json!({ "delay_ms": 20_000 }));
    let files = vec![file(folder.path(), "web.vmdk", &noise(5, 8 << 20)).await];
    let upload = vcenter.upload(&cx, &made, files, None);
    let stop = async {
        while bench.calls("POST", "content/library/item/update-session") < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        cx.stop().cancel();
    };
    let began = std::time::Instant::now();
    let (ended, ()) = tokio::join!(upload, stop);
    assert_eq!(ended.unwrap_err().kind(), VsphereErrorKind::Cancelled);
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    bench.settled().await;
    assert_eq!(bench.calls("DELETE", "content/library/item/update-session/"), 1);
}

/// A tar archive (ustar), as an OVA is.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

#[tokio::test]
async fn an_ova_becomes_what_is_in_it() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let (vcenter, cx, folder) = (&bench.vcenter, cx(), tempfile::tempdir().unwrap());
        let library = bench.library().await;
        let made = item(&bench, &cx, &library, "web").await;
        let disk = noise(6, 700_000);
        let ova = tar(&[("web.ovf", b"<Envelope/>"), ("web-disk1.vmdk", &disk)]);
        let members = |size| {
            vec![
                Expected { name: "web.ovf".into(), size: 11, digests: vec![] },
                Expected { name: "web-disk1.vmdk".into(), size, digests: vec![] },
            ]
        };
        let files = vec![file(folder.path(), "web.ova", &ova).await];
        vcenter.upload(&cx, &made, files, Some(members(700_000))).await.unwrap();
        assert_eq!(std::fs::read(bench.stored(&library, &made.id, "web-disk1.vmdk")).unwrap(), disk);
        let files = vec![file(folder.path(), "web.ova", &ova).await];
        let error = vcenter.upload(&cx, &made, files, Some(members(700_001))).await.unwrap_err();
        assert!(
            told(&error).contains("`web-disk1.vmdk` has 700000 bytes there, not 700001"),
            "{}",
            told(&error)
        );
        assert_requests_valid(&bench.vcsim);
    }
}

#[tokio::test]
async fn a_machine_goes_into_a_library_and_comes_out_again() {
    for api in [false, true] {
        let bench = Bench::start(api, &["-vm", "1"]).await;
        let (vcenter, cx) = (&bench.vcenter, cx());
        let library = bench.library().await;
        let machine = bench.machine().await;
        let datacenter = vcenter.datacenter(None).await.unwrap();
        let (folder, _) = vcenter.folder(&datacenter, "").await.unwrap();
        let root = vcenter.service("rootFolder").unwrap();
        let before = vcenter.all_named(Named::Machine, &root).await.unwrap();
        let first = async |what| vcenter.all_named(what, &root).await.unwrap().remove(0).0;
        let (pool, datastore) = (first(Named::ResourcePool).await, first(Named::Datastore).await);
        let network = first(Named::Network).await;
        let new = |name: &str| DeploySpec {
            name: name.to_owned(),
            annotation: "From the library".into(),
            folder: folder.clone(),
            pool: pool.clone(),
            host: None,
            datastore: Some(datastore.clone()),
            networks: BTreeMap::from([("VM Network".to_owned(), network.clone())]),
            network: Some(network.clone()),
            provisioning: Some(Provisioning::Thin),
            accept_licences: false,
        };

        let captured = vcenter
            .capture_ovf(&cx, &mark(&cx), &machine, &spec(&library, "package", Existing::Refuse))
            .await
            .unwrap();
        assert_eq!(captured.item.kind, "ovf");
        assert!(
            vcenter.item_files(&captured.item).await.unwrap().iter().any(|file| file.name.contains(".ovf"))
        );
        let again = vcenter
            .capture_ovf(&cx, &mark(&cx), &machine, &spec(&library, "package", Existing::Replace))
            .await
            .unwrap();
        assert_eq!((&again.item.id, again.undo), (&captured.item.id, None));

        let template = vcenter
            .capture_template(
                &cx,
                &mark(&cx),
                &machine,
                &spec(&library, "template", Existing::Refuse),
                &folder,
                &pool,
            )
            .await
            .unwrap();
        assert_eq!(template.item.kind, "vm-template");
        for (item, name) in [(&captured.item, "from package"), (&template.item, "from template")] {
            let deployed = vcenter.deploy(&cx, &mark(&cx), item, &new(name)).await.unwrap();
            assert_eq!(vcenter.at_path(deployed.path()).await.unwrap().as_ref(), Some(deployed.moref()));
            let annotation = deployed.annotation().await.unwrap();
            assert!(is_marked(&annotation, cx.id().as_str()), "{annotation}");
            let error = vcenter.deploy(&cx, &mark(&cx), item, &new(name)).await.unwrap_err();
            assert_eq!(error.kind(), VsphereErrorKind::Exists);
        }
        bench.undo(&cx).await;
        assert_eq!(vcenter.library_items(&library).await.unwrap(), Vec::<String>::new());
        let machines = vcenter.all_named(Named::Machine, &root).await.unwrap();
        assert_eq!(machines.len(), before.len(), "{machines:?}");
        assert_requests_valid(&bench.vcsim);
    }
}
