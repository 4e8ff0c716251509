//! Files of a datastore: what is brought there is what is there, however the way is.
use super::{
    checks::assert_requests_valid,
    world::{World, told},
};
use goldsmith::{
    cx::Undo,
    value::{Digest, DigestAlgorithm},
    vsphere::{self, Kind, VsphereErrorKind, datastore::Datastore, machine::Storage},
};
use rand::{RngCore as _, SeedableRng as _};
use sha2::Digest as _;
use std::path::PathBuf;

async fn datastore(world: &World) -> Datastore {
    let Storage::Datastore(moref) = &world.home.storage else { panic!() };
    world.vcenter.datastore(&world.datacenter, moref).await.unwrap()
}

/// A file of a few MiB with its bytes.
fn file(world: &World) -> (PathBuf, Vec<u8>) {
    let mut bytes = vec![0; 3_000_001];
    rand::rngs::StdRng::seed_from_u64(7).fill_bytes(&mut bytes);
    let path = world.cx.work().join("some.iso");
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(DigestAlgorithm::Sha256, &sha2::Sha256::digest(bytes)).unwrap()
}

#[tokio::test]
async fn files_are_brought_there_and_back() {
    let world = World::start(&[]).await;
    let (cx, datastore, (path, bytes)) = (&world.cx, datastore(&world).await, file(&world));
    assert_eq!(datastore.list(cx, "no-such-folder", "*").await.unwrap(), []);
    datastore.make_folders("a/b").await.unwrap();
    datastore.make_folders("a/b").await.unwrap();
    datastore.upload(cx, &path, "a/b/with blank & more.iso").await.unwrap();
    let there = std::fs::read(world.vcsim.datastore().join("a/b/with blank & more.iso")).unwrap();
    assert!(there == bytes, "other bytes arrived");
    let listed = datastore.list(cx, "a/b", "*.iso").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].size, listed[0].is_folder), (Some(bytes.len() as u64), false));
    assert!(datastore.list(cx, "a", "*").await.unwrap()[0].is_folder);
    let back = cx.work().join("back.iso");
    assert_eq!(datastore.download(cx, "a/b/with blank & more.iso", &back).await.unwrap(), bytes.len() as u64);
    assert!(std::fs::read(&back).unwrap() == bytes, "other bytes came back");
    let error = datastore.download(cx, "a/none.iso", &back).await.unwrap_err();
    assert_eq!(error.kind(), VsphereErrorKind::NotFound);
    datastore.move_file(cx, "a/b/with blank & more.iso", "a/moved.iso").await.unwrap();
    assert!(datastore.file(cx, "a/moved.iso").await.unwrap().is_some());
    datastore.delete(cx, "a").await.unwrap();
    datastore.delete(cx, "a").await.unwrap();
    assert!(!world.vcsim.datastore().join("a").exists());
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn an_upload_survives_cuts_errors_and_the_session_s_end() {
    let world = World::start(&[]).await;
    let (cx, datastore, (path, bytes)) = (&world.cx, datastore(&world).await, file(&world));
    let fault = |rule: serde_json::Value| world.vcsim.fault(&rule);
    fault(serde_json::json!({"match":"PUT /folder/","cut_after":1_000_000}));
    fault(serde_json::json!({"match":"PUT /folder/","status":503,"after":1}));
    datastore.upload(cx, &path, "cut.iso").await.unwrap();
    assert!(std::fs::read(world.vcsim.datastore().join("cut.iso")).unwrap() == bytes);
    world.vcsim.expire();
    datastore.upload(cx, &path, "expired.iso").await.unwrap();
    assert!(std::fs::read(world.vcsim.datastore().join("expired.iso")).unwrap() == bytes);
    world.vcsim.expire();
    fault(serde_json::json!({"match":"GET /folder/","cut_after":1_000_000}));
    let back = cx.work().join("back.iso");
    datastore.download(cx, "cut.iso", &back).await.unwrap();
    assert!(std::fs::read(&back).unwrap() == bytes);

    fault(serde_json::json!({"match":"PUT /folder/","times":3,"status":500,"body":"Internal Server Error"}));
    let error = datastore.upload(cx, &path, "never.iso").await.unwrap_err();
    assert!(told(&error).contains("HTTP 500"), "{}", told(&error));
    assert!(error.hint_text().unwrap().contains("Cryptographer.Access"), "{error:?}");
    fault(serde_json::json!({"match":"PUT /folder/","status":403}));
    let error = datastore.upload(cx, &path, "never.iso").await.unwrap_err();
    assert_eq!(error.kind(), VsphereErrorKind::Permission);
    assert!(!world.vcsim.datastore().join("never.iso").exists());
}

#[tokio::test]
async fn a_medium_is_brought_there_once() {
    let world = World::start(&[]).await;
    let (cx, datastore, (path, bytes)) = (&world.cx, datastore(&world).await, file(&world));
    let digest = digest(&bytes);
    let uploads = || {
        let trace = world.vcsim.trace();
        trace.iter().filter(|exchange| exchange.method == "PUT").count()
    };
    let full = datastore.cached(cx, &path, &digest, "some.iso").await.unwrap();
    assert_eq!(full, format!("[LocalDS_0] goldsmith/iso/{}-some.iso", digest.hex()));
    let there = world.vcsim.datastore().join("goldsmith/iso").join(format!("{}-some.iso", digest.hex()));
    assert!(std::fs::read(&there).unwrap() == bytes);
    assert_eq!(uploads(), 1);
    assert_eq!(datastore.cached(cx, &path, &digest, "some.iso").await.unwrap(), full);
    assert_eq!(uploads(), 1, "it was there");
    world.unwind().await;
    assert!(there.exists(), "it stays for the next build");

    // What is not whole has another name, and goes.
    std::fs::write(&there, b"cut").unwrap();
    let error = datastore.cached(cx, &path, &digest, "some.iso").await.unwrap_err();
    assert!(told(&error).contains("what is there has 3 bytes, and not 3000001"), "{}", told(&error));
    std::fs::remove_file(&there).unwrap();
    let fault =
        serde_json::json!({"match":"MoveDatastoreFile_Task","fault":{"type":"NoPermission","message":"no"}});
    world.vcsim.fault(&fault);
    datastore.cached(cx, &path, &digest, "some.iso").await.unwrap_err();
    let listed = datastore.list(cx, "goldsmith/iso", "*").await.unwrap();
    assert!(listed[0].name.ends_with(&format!(".part-{}", cx.id())), "{listed:?}");
    let seed = datastore.upload_temporary(cx, &path, "seed.iso").await.unwrap();
    assert_eq!(seed.full_path, format!("[LocalDS_0] goldsmith/build/{}-seed.iso", cx.id()));
    world.unwind().await;
    assert_eq!(datastore.list(cx, "goldsmith/iso", "*").await.unwrap(), []);
    assert_eq!(datastore.list(cx, "goldsmith/build", "*").await.unwrap(), []);
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn only_files_with_the_build_s_id_are_removed() {
    let world = World::start(&[]).await;
    let (cx, datastore, (path, _)) = (&world.cx, datastore(&world).await, file(&world));
    datastore.upload(cx, &path, "theirs.iso").await.unwrap();
    let details = [("datacenter", "/DC0")];
    let theirs =
        vsphere::resource(&world.vcenter, Kind::File, "[LocalDS_0] theirs.iso", cx.id().as_str(), &details);
    let error = vsphere::remove_with(&world.vcenter, &theirs, cx.stop()).await.unwrap_err();
    assert!(told(&error).contains("does not say that the build made it"), "{}", told(&error));
    assert!(datastore.file(cx, "theirs.iso").await.unwrap().is_some());
    // Gone already is a success.
    let id = format!("[LocalDS_0] {}-gone.iso", cx.id());
    let gone = vsphere::resource(&world.vcenter, Kind::File, id, cx.id().as_str(), &details);
    let _ = cx.undo().plan(Undo::Resource(gone)).unwrap();
    world.unwind().await;
}
