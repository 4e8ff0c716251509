//! What the tests of the driver share: a driver of a simulated vCenter, and machines that are there already.
use super::world::World;
use goldsmith::{
    driver::{
        Boot, InstanceSeed, Machine, MachineSpec,
        vsphere::{Pace, Vsphere},
    },
    plan::{Accelerator, Firmware, VcenterPlan, VsphereMachinePlan},
    value::{Arch, HumanDuration, Size},
    vsphere::{
        self,
        machine::{Nic, NicModel, Spec},
    },
};
use std::time::Duration;

/// A vCenter and a driver for it that has little patience.
pub(super) struct Drive {
    pub(super) world: World,
    pub(super) driver: Vsphere,
}

impl Drive {
    pub(super) async fn start(flags: &[&str]) -> Self {
        let quick = HumanDuration::from(Duration::from_millis(400));
        Self::planned(flags, VsphereMachinePlan { ip_settle: quick, ..VsphereMachinePlan::default() }).await
    }

    pub(super) async fn planned(flags: &[&str], plan: VsphereMachinePlan) -> Self {
        let world = World::start(flags).await;
        let pace = Pace { every: Duration::from_millis(60), address: Duration::from_secs(3) };
        let driver = Vsphere::new(world.vcenter.clone(), VcenterPlan::default(), plan, None).with_pace(pace);
        Self { world, driver }
    }

    /// A machine as the driver would make it, with a disk and a network card.
    pub(super) async fn machine(&self, name: &str) -> (Box<dyn Machine>, vsphere::machine::Machine) {
        let world = &self.world;
        let network = world.network("VM Network").await;
        let nics = vec![Nic { network, model: NicModel::Vmxnet3, mac: None }];
        let spec = Spec { nics, ..world.spec(name) };
        let made = world.vcenter.create_machine(&world.cx, &spec, &world.home).await.unwrap();
        (self.driver.adopt(&world.cx, &built(), made.clone()), made)
    }

    /// One that runs.
    pub(super) async fn running(&self, name: &str) -> (Box<dyn Machine>, vsphere::machine::Machine) {
        let (machine, made) = self.machine(name).await;
        machine.power_on(&self.world.cx).await.unwrap();
        (machine, made)
    }
}

/// What a build asks of a driver.
pub(super) fn built() -> MachineSpec {
    MachineSpec {
        role: "build".to_owned(),
        image: "web".to_owned(),
        arch: Arch::X86_64,
        firmware: Firmware::Bios,
        cpus: 2,
        memory: Size::gib(1),
        accelerator: Accelerator::Auto,
        disks: Vec::new(),
        credentials: Vec::new(),
        boot: Boot::Optical,
        optical: Vec::new(),
        ends_at_restart: false,
        isolated: false,
        instance: InstanceSeed::default(),
    }
}
