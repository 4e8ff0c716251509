//! A build from an installer's medium in a vCenter, as far as it goes without a guest: the medium in a drive, keys, the end of the installer, the
//! seed in its place.
use super::{
    bench::said,
    build::{Scene, wait_for, walk},
    checks::assert_requests_valid,
};
use goldsmith::vsphere::{
    Named,
    machine::{Device, Machine},
};
use std::time::Duration;

/// The build's machine, and what is in its drives.
async fn look(scene: &Scene) -> (Machine, Vec<String>) {
    let vcenter = scene.session().await;
    let root = vcenter.service("rootFolder").unwrap();
    let all = vcenter.all_named(Named::Machine, &root).await.unwrap();
    let (object, name) = all.into_iter().find(|(_, name)| name == "web").unwrap();
    let machine = Machine::new(&vcenter, object, format!("/DC0/vm/images/web/{name}"));
    let devices = machine.devices().await.unwrap();
    let images = devices.iter().filter_map(Device::image).map(ToOwned::to_owned).collect();
    (machine, images)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_is_typed_at_and_the_build_goes_on_with_its_machine() {
    let scene = Scene::new();
    std::fs::write(scene.bench.path("medium.iso"), vec![7; 1 << 20]).unwrap();
    let text = format!(
        "{}\
         [source.iso]\npath = \"medium.iso\"\n\
         [[source.iso.type]]\nname = \"menu\"\nafter = \"100ms\"\nkeys = \"c<wait1s>linux /k ks=hd:LABEL=OEMDRV:/ks.cfg<enter>boot<enter>\"\n\
         [source.iso.answers]\nvolume = \"OEMDRV\"\nfile = [{{ name = \"ks.cfg\", content = \"poweroff\\n\" }}]\n\
         [machine]\ndriver = \"vsphere\"\nmemory = \"1GiB\"\ndisk = \"1GiB\"\n\
         [machine.vsphere]\nguest-os = \"otherLinux64Guest\"\nssh-port = 1\nip-networks = [\"127.0.0.0/8\"]\nip-settle = \"100ms\"\n\
         [guest]\nconnect-timeout = \"4s\"\n\
         [[output]]\nformat = \"vsphere\"\nvsphere = {{ as = \"machine\" }}\n",
        scene.head("DC0_C0"),
    );
    std::fs::write(scene.bench.path("web.toml"), text).unwrap();
    let child = scene.start();
    // `c`, and after the wait two lines, each in one call.
    wait_for(|| scene.vcsim.calls("PutUsbScanCodes").len() == 3).await;
    let (machine, images) = look(&scene).await;
    assert_eq!(images.len(), 2, "the medium and its answers: {images:?}");
    assert!(images[0].contains("goldsmith/iso/") && images[0].ends_with("-medium.iso"), "{images:?}");
    assert!(images[1].contains("goldsmith/build/") && images[1].ends_with("-answers.iso"), "{images:?}");
    let answers = walk(&scene.vcsim.datastore().join("goldsmith/build"));
    let answers = std::fs::read(answers.iter().find(|path| path.is_file()).unwrap()).unwrap();
    assert!(answers.windows(8).any(|bytes| bytes == b"poweroff"), "the answers are in the volume");

    // The installer is done. What is in the drives now lets the build in.
    machine.power_off(&crate::context::cx()).await.unwrap();
    wait_for(|| scene.vcsim.calls("PowerOnVM_Task").len() == 2).await;
    let (machine, images) = look(&scene).await;
    assert_eq!(images.len(), 1, "{images:?}");
    assert!(images[0].contains("goldsmith/build/") && images[0].ends_with("-seed-build.iso"), "{images:?}");
    let left = walk(&scene.vcsim.datastore().join("goldsmith/build"));
    let seed: Vec<_> = left.iter().filter(|path| path.is_file()).collect();
    assert_eq!(seed.len(), 1, "the answers are gone: {seed:?}");
    let seed = std::fs::read(seed[0]).unwrap();
    assert!(seed.windows(9).any(|bytes| bytes == b"user-data"), "cloud-init finds its files");

    scene.vcsim.guest(&machine.moref().id, "127.0.0.1", Duration::ZERO);
    let output = child.wait_with_output().unwrap();
    assert!(said(&output).contains("127.0.0.1:1"), "{}", said(&output));
    assert_eq!(scene.machines().await, ["base"]);
    assert_eq!(scene.bench.journals(), 0);
    // The medium stays for the next build, whole.
    let kept: Vec<_> =
        walk(&scene.vcsim.datastore().join("goldsmith")).into_iter().filter(|path| path.is_file()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().len(), 1 << 20);
    assert_requests_valid(&scene.vcsim);
}
