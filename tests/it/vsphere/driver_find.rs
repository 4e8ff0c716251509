//! What the driver looks for before anything is made: the place, room, names that are free, and items of content libraries.
use super::{
    checks::assert_requests_valid,
    driver_create::{driver, extra, found, instance, machine, place, plan, spec, unhappy},
    libraries::{Bench, LIBRARY, mark},
    world::{World, told},
};
use goldsmith::{
    driver::{Boot, DriverErrorKind, Hypervisor as _, KeptKind, MachineSpec, vsphere::Vsphere},
    plan::{
        SourcePlan, VcenterPlan, VsphereImageKind, VsphereImagePlan, VsphereMachinePlan, VsphereProvisioning,
        VsphereSourcePlan,
    },
    value::{Arch, Size},
    vsphere::{Existing, ItemSpec, Named, VCenter, is_marked, machine::Device},
};
use std::collections::BTreeMap;

/// What preflight says against it, with the hint.
async fn against(driver: &Vsphere, boot: Boot) -> String {
    unhappy(&driver.preflight(&spec("build", boot)).await.unwrap_err())
}

fn result(name: &str, kind: VsphereImageKind, replace: bool) -> VsphereImagePlan {
    VsphereImagePlan {
        name: name.to_owned(),
        kind,
        snapshot: None,
        tags: vec![],
        attributes: BTreeMap::new(),
        description: None,
        replace,
    }
}

fn making(vcenter: &VCenter, result: VsphereImagePlan) -> Vsphere {
    Vsphere::new(vcenter.clone(), place(), plan(), Some(result))
}

#[tokio::test]
async fn what_is_missing_is_told_before_anything_is_made() {
    let world = World::start(&[]).await;
    let vcenter = &world.vcenter;
    let at = |change: fn(&mut VcenterPlan)| {
        let mut place = place();
        change(&mut place);
        driver(vcenter, place, plan())
    };
    for (change, expected) in [
        ((|place| place.datacenter = Some("DC9".to_owned())) as fn(&mut VcenterPlan), "there are: DC0"),
        (|place| place.cluster = Some("none".to_owned()), "find the cluster or host `none`"),
        (|place| place.host = Some("none".to_owned()), "find the host `none`"),
        (|place| place.resource_pool = Some("none".to_owned()), "find the resource pool `none`"),
        (|place| place.datastore = Some("none".to_owned()), "there are: LocalDS_0"),
        (|place| place.networks = vec!["none".to_owned()], "find the network `none`"),
        (|place| place.networks = vec![], "choose a network"),
    ] {
        let told = against(&at(change), Boot::Optical).await;
        assert!(told.contains(expected), "{told}");
    }
    // A copy has the network of its source.
    at(|place| place.networks = vec![]).preflight(&spec("build", Boot::Disk)).await.unwrap();

    let with = |change: fn(&mut VsphereMachinePlan)| {
        let mut plan = plan();
        change(&mut plan);
        driver(vcenter, place(), plan)
    };
    for (change, expected) in [
        ((|plan| plan.guest_os = None) as fn(&mut VsphereMachinePlan), "nothing says which system it is for"),
        (|plan| plan.disk = None, "nothing says how large its disk is"),
        (|plan| plan.memory = Some(Size::mib(4097)), "no multiple of 4 MiB"),
        (|plan| plan.cores_per_socket = Some(3), "cannot be divided into sockets of 3"),
        (|plan| plan.ip_networks = vec!["192.0.2.0/33".to_owned()], "understand the network `192.0.2.0/33`"),
    ] {
        let told = against(&with(change), Boot::Optical).await;
        assert!(told.contains(expected), "{told}");
    }
    let told = against(&with(|plan| plan.more_disks = vec![Size::gib(1)]), Boot::Disk).await;
    assert!(told.contains("a copy has the disks of its source"), "{told}");

    let huge = |plan: &mut VsphereMachinePlan| plan.disk = Some(Size::gib(1 << 20));
    with(huge).preflight(&spec("build", Boot::Optical)).await.unwrap();
    let thick = with(|plan| {
        plan.disk = Some(Size::gib(1 << 20));
        plan.provisioning = VsphereProvisioning::Thick;
    });
    let told = against(&thick, Boot::Optical).await;
    assert!(told.contains("the disks need 1024 TiB at once"), "{told}");
    assert!(world.vcenter.at_path("/DC0/vm/images").await.unwrap().is_none());
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn a_result_s_name_must_fit_and_be_free() {
    let world = World::start(&[]).await;
    let (vcenter, cx) = (&world.vcenter, &world.cx);
    let folder = vcenter.folder_made(cx, &world.datacenter, "images/ubuntu").await.unwrap();
    let home = goldsmith::vsphere::machine::Home { folder, ..world.home.clone() };
    vcenter.create_machine(cx, &world.spec("theirs"), &home).await.unwrap();
    let published = goldsmith::vsphere::result::line("web.ova");
    let spec_of_ours = goldsmith::vsphere::machine::Spec { annotation: published, ..world.spec("ours") };
    vcenter.create_machine(cx, &spec_of_ours, &home).await.unwrap();

    let template = VsphereImageKind::Template;
    for (name, replace, expected) in [
        ("theirs", false, "there is a machine or a template of this name"),
        ("theirs", true, "goldsmith did not make it"),
        ("ours", false, "`replace = true` replaces what an earlier build made"),
        ("", false, "the name has 0 characters, and 1 to 80 fit"),
    ] {
        let told = against(&making(vcenter, result(name, template.clone(), replace)), Boot::Optical).await;
        assert!(told.contains(expected), "{told}");
    }
    let long = "x".repeat(80);
    let told = against(&making(vcenter, result(&long, template.clone(), true)), Boot::Optical).await;
    assert!(told.contains("1 to 63 fit"), "{told}");
    for right in [
        result("ours", template.clone(), true),
        result("free", template.clone(), false),
        result(&long, template, false),
        result("theirs", VsphereImageKind::Nothing, false),
    ] {
        let ready = making(vcenter, right).preflight(&spec("build", Boot::Optical)).await;
        ready.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
    }
    let library = VsphereImageKind::LibraryOvf("none".to_owned());
    let told = against(&making(vcenter, result("web", library, false)), Boot::Optical).await;
    assert!(told.contains("find the content library `none`"), "{told}");
    world.unwind().await;
    assert_requests_valid(&world.vcsim);
}

#[tokio::test]
async fn items_of_content_libraries_are_found_and_become_machines() {
    for api in [false, true] {
        let bench = Bench::start(api, &["-vm", "1"]).await;
        let (vcenter, cx, other) = (&bench.vcenter, crate::context::cx(), crate::context::cx());
        let library = bench.library().await;
        let source = bench.machine().await;
        let root = vcenter.service("rootFolder").unwrap();
        let before = vcenter.all_named(Named::Machine, &root).await.unwrap().len();
        let datacenter = vcenter.datacenter(None).await.unwrap();
        let (folder, _) = vcenter.folder(&datacenter, "").await.unwrap();
        let pool = vcenter.all_named(Named::ResourcePool, &root).await.unwrap().remove(0).0;
        let item = |name| ItemSpec { library: &library, name, description: "x", existing: Existing::Refuse };
        vcenter.capture_ovf(&other, &mark(&other), &source, &item("package")).await.unwrap();
        vcenter
            .capture_template(&other, &mark(&other), &source, &item("template"), &folder, &pool)
            .await
            .unwrap();
        let made_before = vcenter.all_named(Named::Machine, &root).await.unwrap().len();

        let plan = VsphereMachinePlan {
            cpus: Some(4),
            memory: Some(Size::gib(2)),
            disk: Some(Size::gib(30)),
            ..VsphereMachinePlan::default()
        };
        let driver = driver(vcenter, place(), plan);
        let of = |item: &str| {
            let (library, item) = (LIBRARY.to_owned(), item.to_owned());
            SourcePlan::Vsphere(VsphereSourcePlan::Item { library, item })
        };
        let error = driver.find_image(&cx, &of("none"), Arch::X86_64).await.unwrap_err();
        assert_eq!(error.kind(), DriverErrorKind::NotFound);
        assert!(told(&error).contains("there are: package, template"), "{}", told(&error));
        let mut all = Vec::new();
        for name in ["package", "template"] {
            let image = found(&driver, &cx, &of(name)).await;
            assert_eq!((image.kind, image.id.clone()), (KeptKind::LibraryItem, format!("{LIBRARY}/{name}")));
            assert!(image.description.contains(&format!("`{name}` of the content library")), "{image:?}");
            all.push(image.id);
        }
        let wanted =
            MachineSpec { instance: instance(&cx, false), ..spec("build", Boot::Image(all.remove(0))) };
        let made = driver.create(&cx, &wanted).await.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
        let made = machine(vcenter, made.resource()).await;
        assert!(is_marked(&made.annotation().await.unwrap(), cx.id().as_str()));
        let paths = ["config.hardware.numCPU", "config.hardware.memoryMB"];
        let properties = vcenter.properties(made.moref(), &paths).await.unwrap();
        assert_eq!(paths.map(|path| properties.text(path).unwrap()), ["4", "2048"]);
        assert_eq!(extra(&made, "guestinfo.metadata.encoding").await.as_deref(), Some("base64"));
        let devices = made.devices().await.unwrap();
        assert_eq!(devices.iter().find_map(Device::capacity), Some(30 << 30));
        // The simulator makes another template of a template, which cannot be changed: that of a proof without a network need not be.
        let plain = VcenterPlan { networks: vec![], ..place() };
        let other_driver = Vsphere::new(vcenter.clone(), plain, VsphereMachinePlan::default(), None);
        let image = found(&other_driver, &cx, &of("template")).await;
        let made = other_driver.create(&cx, &spec("proof", Boot::Image(image.id))).await;
        let made = made.unwrap_or_else(|error| panic!("{}", unhappy(&error)));
        let made = machine(vcenter, made.resource()).await;
        assert!(is_marked(&made.annotation().await.unwrap(), cx.id().as_str()));
        assert_eq!(driver.owned(cx.id()).await.unwrap().len(), 2);

        // A result may be a new version of a package, and of nothing else.
        let ovf = VsphereImageKind::LibraryOvf(LIBRARY.to_owned());
        let newer = making(vcenter, result("package", ovf.clone(), true));
        newer
            .preflight(&spec("build", Boot::Disk))
            .await
            .unwrap_or_else(|error| panic!("{}", unhappy(&error)));
        for (name, replace, expected) in
            [("package", false, "there is one of this name"), ("template", true, "of the type `vm-template`")]
        {
            let told = against(&making(vcenter, result(name, ovf.clone(), replace)), Boot::Disk).await;
            assert!(told.contains(expected), "{told}");
        }
        bench.undo(&cx).await;
        let after = vcenter.all_named(Named::Machine, &root).await.unwrap().len();
        assert_eq!(after, made_before);
        bench.undo(&other).await;
        assert!(vcenter.all_named(Named::Machine, &root).await.unwrap().len() >= before);
        assert_requests_valid(&bench.vcsim);
    }
}
