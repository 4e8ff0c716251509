//! What the tests of the driver share: a driver of a Prism Central of ours, which has little patience.
use super::{
    fixture::{Fixture, PASSWORD, USER},
    machines::Machine as There,
    prism::{CLUSTER, Kept, state},
};
use crate::context::cx;
use async_trait::async_trait;
use goldsmith::{
    cx::{Cx, Stop, Undo, UndoError, Undoer, causes},
    driver::{
        Boot, DriverError, Hypervisor, InstanceSeed, Machine, MachineSpec,
        nutanix::{Job, Nutanix, Pace},
    },
    nutanix::{self, Dialect, Place, Prism, Server, Trust},
    plan::{
        Accelerator, Firmware, NutanixBoot, NutanixImageKind, NutanixImagePlan, NutanixMachinePlan,
        NutanixSourcePlan, PrismPlan, SourcePlan,
    },
    value::{Arch, HumanDuration, Secret, Size},
};
use std::time::Duration;

pub(super) const MIB: u64 = 1 << 20;
/// What cloud-init is told in these tests.
pub(super) const TOLD: &[u8] = b"#cloud-config\nusers: []\n";

/// A Prism Central with an image in it, and one build.
pub(super) struct Drive {
    pub(super) fixture: Fixture,
    pub(super) prism: Prism,
    pub(super) cx: Cx,
    runtime: tokio::runtime::Runtime,
}

/// Runs a test in both dialects.
pub(super) fn both(test: impl Fn(&Drive)) {
    for v4 in [false, true] {
        test(&Drive::start(v4));
    }
}

pub(super) fn base() -> Kept {
    Kept {
        uuid: "70cfd137-a8d9-4169-a5ac-cf9ad6ddb03a".to_owned(),
        name: "base".to_owned(),
        image_type: "DISK_IMAGE".to_owned(),
        clusters: vec![CLUSTER.to_owned()],
        bytes: (0..3 * MIB).map(|number| (number / 4096) as u8).collect(),
        ..Kept::default()
    }
}

pub(super) fn job() -> Job {
    Job {
        place: PrismPlan {
            cluster: Some("pe-cluster".to_owned()),
            subnets: vec!["VLAN173".to_owned()],
            ..PrismPlan::default()
        },
        machine: NutanixMachinePlan {
            cpus: 4,
            cores_per_socket: 2,
            memory: Size::gib(2),
            disk: Some(Size::mib(10)),
            boot: NutanixBoot::Legacy,
            categories: Vec::new(),
            ip_settle: HumanDuration::from(Duration::from_millis(200)),
            ip_networks: vec!["127.0.0.0/8".to_owned()],
            ssh_port: 2222,
        },
        source: NutanixSourcePlan::Image("base".to_owned()),
        result: Some(result(NutanixImageKind::Image)),
    }
}

pub(super) fn result(kind: NutanixImageKind) -> NutanixImagePlan {
    NutanixImagePlan {
        name: Some("web-1".to_owned()),
        kind,
        categories: Vec::new(),
        description: None,
        replace: false,
    }
}

impl Drive {
    pub(super) fn start(v4: bool) -> Self {
        let fixture = Fixture::start(state(v4));
        fixture.state().images.push(base());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let place = Place {
            server: Server { host: fixture.url(), port: None, trust: Trust::System },
            user: USER.to_owned(),
            password: Secret::new(PASSWORD),
        };
        let prism = runtime.block_on(Prism::connect(&place, None)).unwrap();
        assert_eq!(prism.dialect(), if v4 { Dialect::V4 } else { Dialect::V3 });
        Self { fixture, prism, cx: cx(), runtime }
    }

    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(super) fn driver(&self, job: Job) -> Nutanix {
        let pace = Pace { every: Duration::from_millis(40), address: Duration::from_secs(2) };
        Nutanix::new(self.prism.clone(), job).with_pace(pace)
    }

    /// What a build asks for: a machine of this image.
    pub(super) fn spec(&self, role: &str, image: &str) -> MachineSpec {
        let user_data = self.cx.work().join("user-data");
        std::fs::write(&user_data, TOLD).unwrap();
        MachineSpec {
            role: role.to_owned(),
            image: "web".to_owned(),
            arch: Arch::X86_64,
            firmware: Firmware::Bios,
            cpus: 1,
            memory: Size::gib(1),
            accelerator: Accelerator::Auto,
            disks: Vec::new(),
            credentials: Vec::new(),
            boot: Boot::Image(image.to_owned()),
            optical: Vec::new(),
            ends_at_restart: false,
            isolated: false,
            instance: InstanceSeed { user_data: Some(user_data), ..InstanceSeed::default() },
        }
    }

    /// The machine that is built in, off.
    pub(super) async fn machine(&self, driver: &Nutanix) -> Result<Box<dyn Machine>, DriverError> {
        let source = SourcePlan::Nutanix(NutanixSourcePlan::Image("base".to_owned()));
        let image = driver.find_image(&self.cx, &source, Arch::X86_64).await?;
        driver.create(&self.cx, &self.spec("build", &image.id)).await
    }

    /// The only machine that is there.
    pub(super) fn only(&self) -> There {
        let state = self.fixture.state();
        let [machine] = state.park.machines.as_slice() else { panic!("{:?}", state.park.machines) };
        machine.clone()
    }

    /// Undoes what the build did not keep; nothing of it may be left, and all requests were right.
    pub(super) fn nothing_is_left(&self) {
        self.fixture.trouble(|_| super::fixture::Fate::Forward);
        let report = self.run(self.cx.unwind(&Remover(&self.prism)));
        assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
        let state = self.fixture.state();
        assert!(state.park.machines.is_empty(), "{:?}", state.park.machines);
        let ours = state.images.iter().filter(|image| image.description.contains(self.cx.id().as_str()));
        let kept: Vec<&str> = ours.map(|image| image.name.as_str()).collect();
        assert!(kept.iter().all(|name| *name == "web-1"), "{kept:?}");
        drop(state);
        assert_eq!(self.fixture.wrongs(), Vec::<String>::new());
    }
}

/// Removes through a session that is there.
struct Remover<'a>(&'a Prism);

#[async_trait]
impl Undoer for Remover<'_> {
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError> {
        let Undo::Resource(resource) = undo else { return Ok(()) };
        nutanix::remove_with(self.0, resource, stop)
            .await
            .map_err(|error| UndoError { what: undo.to_string(), source: error.into() })
    }
}

/// All that an error says.
pub(super) fn told(error: &DriverError) -> String {
    format!("{} ({})", causes(error).join(": "), error.hint_text().unwrap_or_default())
}
