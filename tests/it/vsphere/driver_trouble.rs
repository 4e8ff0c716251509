//! Trouble while the driver makes machines: it is told in words, and after it nothing is left.
use super::{
    checks::assert_requests_valid,
    driver_create::{
        copy_of, driver, found, images, instance, machine, media, nothing_is_left, original, place, plan,
        spec, unhappy,
    },
    world::{World, told},
};
use goldsmith::{
    driver::{Boot, DriverError, DriverErrorKind, Hypervisor as _, MachineSpec},
    plan::{VcenterPlan, VsphereMachinePlan},
    value::Arch,
    vsphere::machine::Home,
};
use serde_json::{Value, json};

/// The next call of a name gets a fault as an answer, or its task does.
fn rule(call: &str, way: &str, kind: &str) -> Value {
    json!({ "match": call, way: { "type": kind, "message": "as a test asked for" } })
}

/// Makes a new machine under trouble.
async fn new_under(world: &World, rule: &Value) -> DriverError {
    let driver = driver(&world.vcenter, place(), plan());
    let spec = MachineSpec { optical: media(&world.cx), ..spec("build", Boot::Optical) };
    world.vcsim.fault(rule);
    let error = driver.create(&world.cx, &spec).await.unwrap_err();
    assert_eq!(world.vcsim.faults_left(), 0, "the trouble did not happen");
    nothing_is_left(world, &driver, &[]).await;
    error
}

#[tokio::test]
async fn a_new_machine_that_fails_leaves_nothing() {
    let world = World::start(&[]).await;
    let error = new_under(&world, &rule("CreateVM_Task", "task", "NoDiskSpace")).await;
    assert!(told(&error).starts_with("could not create the machine `web-"), "{}", told(&error));
    assert!(told(&error).contains("as a test asked for"), "{}", told(&error));
    let error = new_under(&world, &rule("CreateVM_Task", "fault", "NoPermission")).await;
    assert_eq!(error.kind(), DriverErrorKind::Permission, "{}", unhappy(&error));
    let error = new_under(&world, &rule("CreateFolder", "fault", "NoPermission")).await;
    assert_eq!(error.kind(), DriverErrorKind::Permission, "{}", unhappy(&error));
    // Its boot order is set when it is there already.
    let error = new_under(&world, &rule("ReconfigVM_Task", "task", "GenericVmConfigFault")).await;
    assert!(told(&error).contains("could not set what `/DC0/vm/images/ubuntu/web-"), "{}", told(&error));
    let error = new_under(&world, &json!({ "match": "PUT /folder/", "status": 403 })).await;
    assert_eq!(error.kind(), DriverErrorKind::Permission, "{}", unhappy(&error));
    // Its answer gets lost, and it is made all the same.
    let error = new_under(&world, &json!({ "match": "CreateVM_Task", "lose_answer": true })).await;
    assert_eq!(error.kind(), DriverErrorKind::Unavailable, "{}", unhappy(&error));
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_session_that_ends_in_the_middle_is_begun_again() {
    let world = World::start(&[]).await;
    let driver = driver(&world.vcenter, place(), plan());
    let spec = MachineSpec { optical: media(&world.cx), ..spec("build", Boot::Optical) };
    driver.preflight(&spec).await.unwrap();
    world.vcsim.expire();
    world.vcsim.fault(&rule("CreateVM_Task", "fault", "NotAuthenticated"));
    let made = driver.create(&world.cx, &spec).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    world.vcsim.expire();
    assert_eq!(images(&machine(&world.vcenter, made.resource()).await).await.len(), 2);
    world.vcsim.expire();
    driver.forget(&world.cx, made.resource()).await.unwrap();
    nothing_is_left(&world, &driver, &[]).await;
}

#[tokio::test]
async fn a_copy_that_fails_leaves_nothing() {
    let world = World::start(&[]).await;
    let (source, _) = original(&world).await;
    for (trouble, expected) in [
        (rule("CloneVM_Task", "task", "NoDiskSpace"), "could not clone `/DC0/vm/original` as `web-"),
        (rule("CloneVM_Task", "fault", "NoPermission"), "could not clone `/DC0/vm/original` as `web-"),
        (rule("UpgradeVM_Task", "task", "GenericVmConfigFault"), "could not upgrade the hardware of"),
    ] {
        let plan = VsphereMachinePlan { disk: None, ..plan() };
        let driver = driver(&world.vcenter, place(), plan);
        let image = found(&driver, &world.cx, &copy_of("original", false, None)).await;
        let mut optical = media(&world.cx);
        let wanted = MachineSpec {
            optical: vec![optical.remove(1)],
            instance: instance(&world.cx, false),
            ..spec("build", Boot::Image(image.id))
        };
        world.vcsim.fault(&trouble);
        let error = driver.create(&world.cx, &wanted).await.unwrap_err();
        assert_eq!(world.vcsim.faults_left(), 0, "the trouble did not happen: {trouble}");
        assert!(told(&error).starts_with(expected), "{}", told(&error));
        nothing_is_left(&world, &driver, &["original"]).await;
    }
    let names: Vec<String> = source.snapshots().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["one", "two"], "the source is as it was");
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn what_cannot_be_is_told_and_somebody_else_s_machine_stays() {
    let world = World::start(&[]).await;
    original(&world).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let copies = VsphereMachinePlan { disk: None, hardware_version: None, ..plan() };
    // More networks than it has cards.
    let two = VcenterPlan { networks: vec!["VM Network".to_owned(), "DC0_DVPG0".to_owned()], ..place() };
    let driver_of_two = driver(vcenter, two, copies.clone());
    let image = found(&driver_of_two, cx, &copy_of("original", false, None)).await;
    let error = driver_of_two.create(cx, &spec("build", Boot::Image(image.id.clone()))).await.unwrap_err();
    assert!(told(&error).contains("it has one network card, and 2 networks are named"), "{}", told(&error));
    nothing_is_left(&world, &driver_of_two, &["original"]).await;
    // A smaller disk.
    let small = VsphereMachinePlan { disk: Some(goldsmith::value::Size::gib(1)), ..copies.clone() };
    let driver_of_small = driver(vcenter, place(), small);
    let error = driver_of_small.create(cx, &spec("build", Boot::Image(image.id.clone()))).await.unwrap_err();
    assert!(told(&error).contains("cannot shrink to 1 GiB"), "{}", told(&error));
    nothing_is_left(&world, &driver_of_small, &["original"]).await;
    // A larger one of a linked copy.
    let larger = VsphereMachinePlan { disk: Some(goldsmith::value::Size::gib(30)), ..copies.clone() };
    let source = copy_of("original", true, None);
    let found = driver(vcenter, place(), larger).find_image(cx, &source, Arch::X86_64).await;
    let error = found.unwrap_err();
    assert!(told(&error).contains("have the size of the original's"), "{}", told(&error));
    // A path that nothing is at.
    let driver = driver(vcenter, place(), copies);
    let error = driver.create(cx, &spec("build", Boot::Image("/DC0/vm/none".to_owned()))).await.unwrap_err();
    assert_eq!(error.kind(), DriverErrorKind::NotFound);
    // The machine's name is taken.
    let folder = vcenter.folder_made(cx, &world.datacenter, "images/ubuntu").await.unwrap();
    let home = Home { folder, ..world.home.clone() };
    let taken = world.spec(&format!("web-{}", cx.id()));
    vcenter.create_machine(cx, &taken, &home).await.unwrap();
    let error = driver.create(cx, &spec("build", Boot::Image(image.id))).await.unwrap_err();
    assert!(
        told(&error).contains("there is a VirtualMachine at `/DC0/vm/images/ubuntu/web-"),
        "{}",
        told(&error)
    );
    nothing_is_left(&world, &driver, &["original"]).await;
    assert_requests_valid(&world.vcsim);
}
