//! What the driver makes of a machine: every kind of result, kept and replaced, and nothing of it after a failure.
use super::{
    checks::assert_requests_valid,
    drives::Drive,
    libraries::{LIBRARY, make_library},
    world::told,
};
use crate::context::cx;
use goldsmith::{
    cx::Cx,
    driver::{Captured, DriverError, DriverErrorKind, Hypervisor, KeptKind, Machine, Wanted},
    plan::{VsphereImageKind, VsphereImagePlan},
    vsphere::{self, Mark, Moref, VCenter, is_marked, machine::Spec},
};
use serde_json::{Value, json};
use test_case::test_case;

fn plan(kind: VsphereImageKind) -> VsphereImagePlan {
    VsphereImagePlan {
        name: "web 1.34".to_owned(),
        kind,
        snapshot: None,
        tags: Vec::new(),
        attributes: [].into(),
        description: Some("Ubuntu 24.04".to_owned()),
        replace: false,
    }
}

/// With all that there is.
fn full(kind: VsphereImageKind) -> VsphereImagePlan {
    VsphereImagePlan {
        snapshot: Some("golden".to_owned()),
        tags: vec![("os".to_owned(), "os:ubuntu".to_owned())],
        attributes: [("owner".to_owned(), "platform".to_owned())].into(),
        ..plan(kind)
    }
}

async fn captured(drive: &Drive, machine: &dyn Machine, plan: &VsphereImagePlan) -> Captured {
    let captured = machine.capture(&drive.world.cx, Wanted::Vsphere(plan)).await;
    captured.unwrap_or_else(|error| panic!("{}", told(&error)))
}

async fn refused(drive: &Drive, machine: &dyn Machine, plan: &VsphereImagePlan) -> DriverError {
    machine.capture(&drive.world.cx, Wanted::Vsphere(plan)).await.unwrap_err()
}

/// How many of a tag and its category have to be made now.
async fn tags_missing(vcenter: &VCenter, of: &str) -> usize {
    let cx = cx();
    vcenter.tag(&cx, &Mark::of(cx.id(), "web"), "os", "os:ubuntu", &[of]).await.unwrap();
    cx.undo().owed().len()
}

const MACHINE: &str = "VirtualMachine";
const ITEM: &str = "com.vmware.content.library.Item";

#[test_case(VsphereImageKind::Machine, KeptKind::Machine; "a machine")]
#[test_case(VsphereImageKind::Template, KeptKind::Template; "a template")]
#[tokio::test]
async fn a_machine_becomes_the_result(kind: VsphereImageKind, kept: KeptKind) {
    let drive = Drive::start(&[]).await;
    let (cx, vcenter) = (&drive.world.cx, &drive.world.vcenter);
    let (machine, made) = drive.machine("web-build").await;
    let captured = captured(&drive, &*machine, &full(kind)).await;
    assert!(captured.is_the_machine && captured.undo.is_empty());
    assert_eq!((captured.image.kind, captured.image.id.as_str()), (kept, "/DC0/vm/web-build"));
    assert_eq!(drive.world.machines().await, ["web-build"], "it has its own name after the proof");
    assert!(is_marked(&made.annotation().await.unwrap(), cx.id().as_str()), "and is the build's until then");
    assert_eq!(made.is_template().await.unwrap(), kept == KeptKind::Template);

    let image = drive.driver.keep(cx, captured).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((image.kind, image.id.as_str()), (kept, "/DC0/vm/web 1.34"));
    assert_eq!((image.name.as_str(), image.place.as_str()), ("web 1.34", drive.world.vcsim.url()));
    let snapshot = made.current_snapshot().await.unwrap().unwrap();
    assert_eq!(image.disks, [snapshot.id]);
    assert_eq!(vcenter.at_path(&image.id).await.unwrap().as_ref(), Some(made.moref()));
    let annotation = made.annotation().await.unwrap();
    assert!(annotation.starts_with("Ubuntu 24.04\npublished by goldsmith "), "{annotation}");
    assert!(annotation.ends_with(" from web") && !annotation.contains("goldsmith-build"), "{annotation}");
    assert_eq!(image.description, annotation);
    let values = vcenter.properties(made.moref(), &["customValue"]).await.unwrap();
    assert_eq!(values.get("customValue").unwrap().nodes[0].text_at("value"), Some("platform"));

    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, ["web 1.34"]);
    let tags = vcenter.tags_of(made.moref()).await.unwrap();
    assert_eq!(tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), ["os:ubuntu"]);
    assert_requests_valid(&drive.world.vcsim);
}

#[test_case(VsphereImageKind::Machine; "a machine")]
#[test_case(VsphereImageKind::Template; "a template")]
#[tokio::test]
async fn a_build_that_fails_after_the_capture_leaves_nothing(kind: VsphereImageKind) {
    let drive = Drive::start(&["-api"]).await;
    let (machine, _) = drive.machine("web-build").await;
    let _ = captured(&drive, &*machine, &full(kind)).await;
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
    assert_eq!(tags_missing(&drive.world.vcenter, MACHINE).await, 2, "the tag and its category are gone");
    assert_requests_valid(&drive.world.vcsim);
}

#[tokio::test]
async fn a_result_takes_the_place_of_an_older_one() {
    let drive = Drive::start(&[]).await;
    let (cx, vcenter) = (&drive.world.cx, &drive.world.vcenter);
    let wanted = VsphereImagePlan { replace: true, ..full(VsphereImageKind::Template) };
    let (first, old) = drive.machine("first").await;
    let image = drive.driver.keep(cx, captured(&drive, &*first, &wanted).await).await.unwrap();
    let (second, new) = drive.machine("second").await;
    let kept = captured(&drive, &*second, &wanted).await;
    let mut both = drive.world.machines().await;
    both.sort();
    assert_eq!(both, ["second", "web 1.34"], "the old one is there until the new one is proved");
    let again = drive.driver.keep(cx, kept).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(again.id, image.id);
    assert_ne!(old.moref(), new.moref());
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, ["web 1.34"]);
    assert_eq!(vcenter.at_path(&again.id).await.unwrap().as_ref(), Some(new.moref()));
    assert_requests_valid(&drive.world.vcsim);
}

#[test_case(false, "there is a machine or a template of this name", "replace = true"; "when nothing is to be replaced")]
#[test_case(true, "goldsmith did not make it", "by hand"; "when it is another's")]
#[tokio::test]
async fn a_name_that_was_taken_meanwhile_is_told(replace: bool, why: &str, hint: &str) {
    let drive = Drive::start(&[]).await;
    let (world, other) = (&drive.world, cx());
    let (machine, _) = drive.machine("web-build").await;
    let wanted = VsphereImagePlan { replace, ..full(VsphereImageKind::Machine) };
    let kept = captured(&drive, &*machine, &wanted).await;
    let theirs = Spec { mark: Mark::of(other.id(), "other"), ..world.spec("web 1.34") };
    world.vcenter.create_machine(&other, &theirs, &world.home).await.unwrap();
    let error = drive.driver.keep(&world.cx, kept).await.unwrap_err();
    assert!(told(&error).contains(why), "{}", told(&error));
    assert!(error.hint_text().unwrap().contains(hint), "{:?}", error.hint_text());
    world.unwind().await;
    assert_eq!(world.machines().await, ["web 1.34"], "theirs stays, ours goes");
    assert_eq!(tags_missing(&world.vcenter, MACHINE).await, 2);
}

#[tokio::test]
async fn a_name_that_is_taken_between_a_look_and_the_renaming_is_told() {
    let drive = Drive::start(&[]).await;
    let (machine, _) = drive.machine("web-build").await;
    let kept = captured(&drive, &*machine, &plan(VsphereImageKind::Machine)).await;
    let task = json!({"type": "DuplicateName", "message": "The name 'web 1.34' already exists.",
        "fields": {"name": "web 1.34", "object": {"type": "VirtualMachine", "value": "vm-1"}}});
    drive.world.vcsim.fault(&json!({"match": "Rename_Task", "task": task}));
    let error = drive.driver.keep(&drive.world.cx, kept).await.unwrap_err();
    assert!(told(&error).contains("already exists."), "{}", told(&error));
    assert!(error.hint_text().unwrap().contains("replace = true"));
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
}

#[test_case(&json!({"match": "CreateSnapshot_Task", "task": {"type": "NoDiskSpace", "message": "There is no space left.", "fields": {"datastore": "LocalDS_0"}}}), "There is no space left. (datastore LocalDS_0)", DriverErrorKind::Other; "a datastore that is full")]
#[test_case(&json!({"match": "MarkAsTemplate", "fault": {"type": "NoPermission", "message": "Not you.", "fields": {"privilegeId": "VirtualMachine.Provisioning.MarkAsTemplate"}}}), "VirtualMachine.Provisioning.MarkAsTemplate", DriverErrorKind::Permission; "a permission that is missing")]
#[test_case(&json!({"match": "SetField", "fault": {"type": "HostCommunication", "message": "Unable to communicate with the host."}}), "Unable to communicate", DriverErrorKind::Unavailable; "a host that does not answer")]
#[tokio::test]
async fn trouble_in_the_middle_is_told_and_leaves_nothing(rule: &Value, word: &str, kind: DriverErrorKind) {
    let drive = Drive::start(&[]).await;
    let (machine, _) = drive.machine("web-build").await;
    drive.world.vcsim.fault(rule);
    let error = refused(&drive, &*machine, &full(VsphereImageKind::Template)).await;
    assert!(told(&error).contains(word), "{}", told(&error));
    assert_eq!(error.kind(), kind);
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
    assert_eq!(tags_missing(&drive.world.vcenter, MACHINE).await, 2);
}

#[tokio::test]
async fn sessions_may_end_at_any_time() {
    let drive = Drive::start(&["-api"]).await;
    let (machine, _) = drive.machine("web-build").await;
    drive.world.vcsim.expire();
    let kept = captured(&drive, &*machine, &full(VsphereImageKind::Template)).await;
    drive.world.vcsim.expire();
    drive.driver.keep(&drive.world.cx, kept).await.unwrap();
    drive.world.vcsim.expire();
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, ["web 1.34"]);
    assert_requests_valid(&drive.world.vcsim);
}

#[tokio::test]
async fn where_only_files_are_wanted_the_machine_is_for_the_proof() {
    let drive = Drive::start(&[]).await;
    let (machine, made) = drive.running("web-build").await;
    let wanted = plan(VsphereImageKind::Nothing);
    let error = refused(&drive, &*machine, &wanted).await;
    assert!(told(&error).contains("not off"), "{}", told(&error));
    made.power_off(&drive.world.cx).await.unwrap();
    let captured = captured(&drive, &*machine, &wanted).await;
    assert!(captured.is_the_machine && captured.undo.is_empty());
    assert_eq!((captured.image.kind, captured.image.id.as_str()), (KeptKind::Machine, "/DC0/vm/web-build"));
    // Its proof starts from this at once.
    assert!(made.current_snapshot().await.unwrap().is_some());
    let error = drive.driver.keep(&drive.world.cx, captured).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::NotFound);
    drive.world.unwind().await;
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
    assert_requests_valid(&drive.world.vcsim);
}

/// The items of the library, by name.
async fn items(drive: &Drive) -> Vec<String> {
    let library = drive.world.vcenter.library(LIBRARY).await.unwrap();
    drive.world.vcenter.library_items(&library).await.unwrap()
}

fn in_library(template: bool) -> VsphereImagePlan {
    let name = LIBRARY.to_owned();
    let kind =
        if template { VsphereImageKind::LibraryTemplate(name) } else { VsphereImageKind::LibraryOvf(name) };
    VsphereImagePlan { snapshot: None, attributes: [].into(), ..full(kind) }
}

#[test_case(false, &[]; "a package")]
#[test_case(true, &[]; "a template")]
#[test_case(false, &["-api"]; "a package by the newer interface")]
#[test_case(true, &["-api"]; "a template by the newer interface")]
#[tokio::test]
async fn an_item_of_a_library_is_made_and_kept_or_goes(template: bool, flags: &[&str]) {
    let drive = Drive::start(flags).await;
    let (cx, vcenter): (&Cx, _) = (&drive.world.cx, &drive.world.vcenter);
    let library = make_library(&drive.world.vcsim, vcenter).await;
    let (machine, _) = drive.machine("web-build").await;
    let kept = captured(&drive, &*machine, &in_library(template)).await;
    assert!(!kept.is_the_machine && kept.undo.len() == 1);
    assert_eq!(kept.image.kind, KeptKind::LibraryItem);
    let image = drive.driver.keep(cx, kept).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((image.id.as_str(), image.name.as_str()), ("golden images/web 1.34", "web 1.34"));
    let item = vcenter.library_item(&library, "web 1.34").await.unwrap().unwrap();
    assert!(item.description.starts_with("Ubuntu 24.04\npublished by goldsmith "), "{}", item.description);
    assert!(!item.description.contains("goldsmith-build"), "{}", item.description);
    assert_eq!(item.kind, if template { "vm-template" } else { "ovf" });
    assert_eq!(vcenter.tags_of(&item.moref()).await.unwrap().len(), 1);

    // A second one of the name is refused, and nothing of it is left.
    let error = refused(&drive, &*machine, &in_library(template)).await;
    assert!(told(&error).contains("there is one of this name"), "{}", told(&error));
    assert!(error.hint_text().unwrap().contains("choose another name"));
    // Another that is not kept goes.
    let other = VsphereImagePlan { name: "other".to_owned(), ..in_library(template) };
    let _ = captured(&drive, &*machine, &other).await;
    assert_eq!(items(&drive).await, ["other", "web 1.34"]);
    drive.world.unwind().await;
    assert_eq!(items(&drive).await, ["web 1.34"]);
    assert_eq!(tags_missing(vcenter, ITEM).await, 0, "the item bears them");
    assert_requests_valid(&drive.world.vcsim);
}

#[tokio::test]
async fn an_item_s_new_version_is_made_once_it_is_proved() {
    let drive = Drive::start(&[]).await;
    let (cx, vcenter) = (&drive.world.cx, &drive.world.vcenter);
    let library = make_library(&drive.world.vcsim, vcenter).await;
    let wanted = VsphereImagePlan { replace: true, ..in_library(false) };
    let (first, _) = drive.machine("first").await;
    drive.driver.keep(cx, captured(&drive, &*first, &wanted).await).await.unwrap();
    let item = async || vcenter.library_item(&library, "web 1.34").await.unwrap().unwrap();
    let before = item().await;

    // One whose proof fails changes nothing.
    let (failed, _) = drive.machine("failed").await;
    let kept = captured(&drive, &*failed, &wanted).await;
    assert!(kept.is_the_machine, "it is needed until the end");
    assert_eq!(items(&drive).await.len(), 2);
    drive.world.unwind().await;
    assert_eq!(items(&drive).await, ["web 1.34"]);
    assert_eq!(item().await, before);

    let (second, _) = drive.machine("second").await;
    let kept = captured(&drive, &*second, &wanted).await;
    assert_ne!(kept.image.id, "golden images/web 1.34");
    let image = drive.driver.keep(cx, kept).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(image.id, "golden images/web 1.34");
    drive.world.unwind().await;
    assert_eq!(items(&drive).await, ["web 1.34"]);
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
    let after = item().await;
    assert_eq!(after.id, before.id);
    // The simulator does not count versions.
    let captures: Vec<bool> = drive
        .world
        .vcsim
        .trace()
        .iter()
        .filter(|one| one.method == "POST" && one.path.ends_with("/vcenter/ovf/library-item"))
        .map(|one| one.body.contains(&before.id))
        .collect();
    assert_eq!(captures, [false, false, false, true], "the last one is to the item itself");
    assert!(!after.description.contains("goldsmith-build"), "{}", after.description);
    assert_requests_valid(&drive.world.vcsim);
}

#[tokio::test]
async fn a_library_that_fails_leaves_nothing() {
    let drive = Drive::start(&[]).await;
    let library = make_library(&drive.world.vcsim, &drive.world.vcenter).await;
    let (machine, _) = drive.machine("web-build").await;
    let none = VsphereImagePlan {
        kind: VsphereImageKind::LibraryOvf("none".to_owned()),
        ..plan(VsphereImageKind::Nothing)
    };
    let error = refused(&drive, &*machine, &none).await;
    assert_eq!(error.kind(), DriverErrorKind::NotFound);
    assert!(told(&error).ends_with("there are: golden images"), "{}", told(&error));
    // The machine is there and the answer is lost.
    let ovf = "POST /rest/com/vmware/vcenter/ovf/library-item";
    drive.world.vcsim.fault(&json!({"match": ovf, "lose_answer": true, "times": 9}));
    let error = refused(&drive, &*machine, &in_library(false)).await;
    assert_eq!(error.kind(), DriverErrorKind::Unavailable, "{}", told(&error));
    drive.world.vcsim.forget_faults();
    drive.world.unwind().await;
    assert_eq!(drive.world.vcenter.library_items(&library).await.unwrap(), [] as [&str; 0]);
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
    assert_eq!(tags_missing(&drive.world.vcenter, ITEM).await, 2);
}

#[tokio::test]
async fn an_interruption_ends_a_capture() {
    let drive = Drive::start(&[]).await;
    let (machine, made) = drive.machine("web-build").await;
    drive.world.cx.stop().cancel();
    let error = refused(&drive, &*machine, &full(VsphereImageKind::Template)).await;
    assert_eq!(error.kind(), DriverErrorKind::Cancelled, "{}", told(&error));
    let there: Option<Moref> = drive.world.vcenter.at_path(made.path()).await.unwrap();
    assert!(there.is_some());
    let resource = machine.resource();
    vsphere::remove_with(&drive.world.vcenter, resource, drive.world.cx.stop()).await.unwrap();
    assert_eq!(drive.world.machines().await, [] as [&str; 0]);
}
