//! What the tests of the driver share: a driver of a cloud of ours, its context, and a definition's plan.
use super::{
    checks::check,
    cloud::{KEY, SECRET},
    server::Server,
};
use crate::context::cx;
use async_trait::async_trait;
use goldsmith::{
    cloudstack::{self, CloudStack, Endpoint, Place, Trust},
    cx::{Cx, Stop, Undo, UndoError, Undoer},
    definition::{Inputs, resolve},
    driver::{
        Boot, DriverError, Hypervisor, InstanceSeed, KeptImage, Machine, MachineSpec,
        cloudstack::{Cloudstack, Pace},
    },
    plan::{Accelerator, Firmware, Plan},
    value::{Arch, Secret, Size},
};
use std::{path::Path, time::Duration};

/// A template that builds start from.
pub(super) const BASE: &str = "base";

/// A cloud with a template in it, and a driver that has little patience.
pub(super) struct Drive {
    pub(super) server: Server,
    pub(super) cloud: CloudStack,
    pub(super) driver: Cloudstack,
    pub(super) plan: Plan,
    pub(super) cx: Cx,
}

/// A definition with these keys in `[machine]`, in `[machine.cloudstack]` and of its output.
pub(super) fn definition(source: &str, machine: &str, more: &str, output: &str) -> String {
    format!(
        "name = \"web\"\narch = \"x86_64\"\n[cloudstack]\nzone = \"zone-a\"\n[source.cloudstack]\n{source}\n\
         [machine]\ndriver = \"cloudstack\"\n{machine}\n[machine.cloudstack]\n{more}\n\
         [[output]]\nformat = \"cloudstack\"\ncloudstack = {{ {output} }}\n"
    )
}

impl Drive {
    pub(super) async fn start() -> Self {
        Self::of(&definition("template = \"BASE\"", "", "offering = \"small\"", "name = \"web-1\"")).await
    }

    /// For this definition.
    pub(super) async fn of(text: &str) -> Self {
        let plan = resolve(text, Path::new("/images/web.toml"), &Inputs::default()).unwrap();
        let server = Server::start().await;
        server.cloud().source(BASE, image(8));
        let endpoint = Endpoint::new(&server.url(), Trust::System).unwrap();
        let place = Place { endpoint, key: Secret::new(KEY), secret: Secret::new(SECRET) };
        let cloud = CloudStack::open(&place).unwrap();
        let pace = Pace { every: Duration::from_millis(60), template: Duration::from_secs(30) };
        let machine = *plan.machine.cloudstack.clone().unwrap();
        let driver = Cloudstack::new(cloud.clone(), plan.cloud.clone(), machine, plan.cloudstack.clone());
        Self { server, cloud, driver: driver.with_pace(pace), plan, cx: cx() }
    }

    /// What a build starts from, after what is looked at before.
    pub(super) async fn source(&self) -> Result<KeptImage, DriverError> {
        self.driver.preflight(&spec("build", "")).await?;
        self.driver.find_image(&self.cx, &self.plan.source, self.plan.arch).await
    }

    /// A machine that is off.
    pub(super) async fn machine(&self) -> Result<Box<dyn Machine>, DriverError> {
        let image = self.source().await?;
        self.driver.create(&self.cx, &self.told("build", &image.id)).await
    }

    /// A machine that is told something.
    pub(super) fn told(&self, role: &str, image: &str) -> MachineSpec {
        let path = self.cx.work().join("user-data");
        std::fs::write(&path, "#cloud-config\n{}\n").unwrap();
        let instance = InstanceSeed { user_data: Some(path), ..InstanceSeed::default() };
        MachineSpec { instance, ..spec(role, image) }
    }

    /// Undoes what the build did not keep; nothing may be left in the journal.
    pub(super) async fn unwind(&self) {
        let report = self.cx.unwind(&Remover(&self.cloud)).await;
        assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
    }

    /// Undoes everything: the cloud is as it was. All calls were right.
    pub(super) async fn leaves_nothing(&self) {
        self.unwind().await;
        let cloud = self.server.cloud();
        let machines = &cloud.machines;
        assert!(machines.all.is_empty(), "{:?}", machines.all);
        assert!(machines.addresses.is_empty() && machines.rules.is_empty(), "{machines:?}");
        let names: Vec<&String> = cloud.templates.iter().map(|template| &template.params["name"]).collect();
        assert_eq!(names, [BASE]);
        let calls = cloud.calls.clone();
        drop(cloud);
        check(&calls);
    }
}

fn spec(role: &str, image: &str) -> MachineSpec {
    MachineSpec {
        role: role.to_owned(),
        image: "web".to_owned(),
        arch: Arch::X86_64,
        firmware: Firmware::Bios,
        cpus: 2,
        memory: Size::gib(1),
        accelerator: Accelerator::Auto,
        disks: Vec::new(),
        credentials: Vec::new(),
        boot: Boot::Image(image.to_owned()),
        optical: Vec::new(),
        ends_at_restart: false,
        isolated: false,
        instance: InstanceSeed::default(),
    }
}

/// The beginning of a qcow2 whose disk has so many GiB.
pub(super) fn image(gib: u64) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    bytes[24..32].copy_from_slice(&(gib << 30).to_be_bytes());
    bytes
}

/// Removes with keys that are known.
pub(super) struct Remover<'a>(pub(super) &'a CloudStack);

#[async_trait]
impl Undoer for Remover<'_> {
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError> {
        match undo {
            Undo::Resource(resource) => cloudstack::remove_with(self.0, resource, stop)
                .await
                .map_err(|error| UndoError { what: undo.to_string(), source: error.into() }),
            Undo::Path { path } => {
                let _ = std::fs::remove_file(path);
                Ok(())
            }
            Undo::Process { .. } => panic!("{undo}"),
        }
    }
}

/// All that an error says.
pub(super) fn told(error: &DriverError) -> String {
    let hint = error.hint_text().unwrap_or_default();
    format!("{} | {hint}", goldsmith::cx::causes(error).join(": "))
}
