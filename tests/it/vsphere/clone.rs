//! Copies: full, linked, as templates; snapshots.
use super::{
    checks::assert_requests_valid,
    world::{World, told},
};
use goldsmith::{
    value::{Secret, Size},
    vsphere::{
        Mark, VsphereErrorKind, is_marked,
        machine::{Change, CloneKind, CloneSpec, Machine},
    },
};

fn copy(world: &World, name: &str, kind: CloneKind) -> CloneSpec {
    CloneSpec {
        name: name.to_owned(),
        annotation: "a copy".to_owned(),
        mark: Mark::of(world.cx.id(), "web"),
        kind,
        template: false,
        change: Change::default(),
        first_disk: None,
    }
}

async fn first_disk(machine: &Machine) -> Option<u64> {
    machine.devices().await.unwrap().iter().find(|device| device.is_disk()).and_then(|disk| disk.capacity())
}

#[tokio::test]
async fn a_full_copy_differs_where_it_was_asked_to() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let original = vcenter.create_machine(cx, &world.spec("original"), &world.home).await.unwrap();
    let change = Change {
        cpus: Some(4),
        memory_mib: Some(4096),
        extra: vec![("guestinfo.metadata".to_owned(), Secret::new("e30="))],
        ..Change::default()
    };
    let spec =
        CloneSpec { change, first_disk: Some(Size::gib(30)), ..copy(&world, "copy", CloneKind::Full(None)) };
    let small = CloneSpec { first_disk: Some(Size::gib(1)), ..spec.clone() };
    let error = original.clone_to(cx, &small, &world.home).await.unwrap_err();
    assert!(told(&error).contains("its first disk has 8 GiB and cannot shrink to 1 GiB"), "{}", told(&error));

    let made =
        original.clone_to(cx, &spec, &world.home).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(made.path(), "/DC0/vm/copy");
    let paths = ["config.hardware.numCPU", "config.hardware.memoryMB"];
    let properties = vcenter.properties(made.moref(), &paths).await.unwrap();
    assert_eq!((properties.text(paths[0]), properties.text(paths[1])), (Some("4"), Some("4096")));
    let annotation = made.annotation().await.unwrap();
    assert!(annotation.starts_with("a copy\n") && is_marked(&annotation, cx.id().as_str()), "{annotation}");
    assert_eq!(first_disk(&made).await, Some(30 << 30));
    assert_eq!(first_disk(&original).await, Some(8 << 30));
    world.unwind().await;
    assert_eq!(world.machines().await, [] as [&str; 0]);
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_linked_copy_needs_a_snapshot() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let original = vcenter.create_machine(cx, &world.spec("original"), &world.home).await.unwrap();
    let spec = copy(&world, "linked", CloneKind::Linked(None));
    let error = original.clone_to(cx, &spec, &world.home).await.unwrap_err();
    assert_eq!(error.kind(), VsphereErrorKind::Usage);
    assert!(
        told(&error).contains("reads from a snapshot of the original, which has none"),
        "{}",
        told(&error)
    );
    let snapshot = original.create_snapshot(cx, "base", "made by a test").await.unwrap();
    assert_eq!(original.current_snapshot().await.unwrap(), Some(snapshot.clone()));
    let grown = CloneSpec { first_disk: Some(Size::gib(30)), ..spec.clone() };
    let error = original.clone_to(cx, &grown, &world.home).await.unwrap_err();
    assert!(told(&error).contains("have the size of the original's"), "{}", told(&error));
    original.clone_to(cx, &spec, &world.home).await.unwrap();
    let body = world.vcsim.calls("CloneVM_Task").pop().unwrap().body;
    assert!(body.contains("<diskMoveType>createNewChildDiskBacking</diskMoveType>"), "{body}");
    assert!(
        body.contains(&format!("<snapshot type=\"VirtualMachineSnapshot\">{}</snapshot>", snapshot.id)),
        "{body}"
    );
    original.remove_snapshots(cx).await.unwrap();
    assert_eq!(original.current_snapshot().await.unwrap(), None);
    world.unwind().await;
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn templates_are_made_copied_and_removed() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let original = vcenter.create_machine(cx, &world.spec("original"), &world.home).await.unwrap();
    for (name, first_disk) in [("template", None), ("grown", Some(Size::gib(9)))] {
        let spec = CloneSpec { template: true, first_disk, ..copy(&world, name, CloneKind::Full(None)) };
        let made = original
            .clone_to(cx, &spec, &world.home)
            .await
            .unwrap_or_else(|error| panic!("{}", told(&error)));
        assert!(made.is_template().await.unwrap(), "{name}");
        assert!(is_marked(&made.annotation().await.unwrap(), cx.id().as_str()), "{name}");
    }
    let template = vcenter.machine(&world.datacenter, "template").await.unwrap();
    template.clone_to(cx, &copy(&world, "of-template", CloneKind::Full(None)), &world.home).await.unwrap();
    template.mark_as_machine(&world.home.pool, None).await.unwrap();
    assert!(!template.is_template().await.unwrap());
    template.mark_as_template().await.unwrap();
    template.keep(cx).await.unwrap();
    world.unwind().await;
    assert_eq!(world.machines().await, ["template"]);
    assert_requests_valid(&world.vcsim);
}
