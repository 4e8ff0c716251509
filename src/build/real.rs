//! The real world: libvirt, the source module, SSH.
use super::{
    BuildError, BuildErrorKind, Dirs, amis,
    clouds::Clouds,
    preflight::room,
    preview::certain,
    prisms::Prisms,
    vcenters::{self, Vcenters},
    world::{Session, Upload, World},
};
use crate::{
    cloudstack::{self, CloudStack},
    cx::{Check, Cx, ResourceRef, Stop},
    driver::{DriverError, DriverErrorKind, Hypervisor},
    fetch::Fetcher,
    guest::{self, Credentials, Facts, Growth, Guest, GuestError, Login, Trouble},
    nutanix::{self, Prism},
    plan::{AmiPlan, Ec2Plan, Plan, SeedKind, SourcePlan, VsphereSourcePlan},
    provision::{self, Secrets, StepError, Supplies},
    source::{self, BaseDisk, Installer, KeptSource, MadeSource, Prepared, SourceError},
    value::{HumanDuration, Size},
    vsphere::{self, VCenter},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Hypervisors, sources and guests as they are.
#[derive(Debug)]
pub struct RealWorld {
    dirs: Dirs,
    fetcher: Arc<Fetcher>,
    /// One per connection URI: builds of one process share it.
    hypervisors: Mutex<BTreeMap<String, Arc<dyn Hypervisor>>>,
    vcenters: Vcenters,
    clouds: Clouds,
    prisms: Prisms,
}

impl RealWorld {
    /// Keeps its files in `dirs`. Connects to nothing yet.
    pub fn new(dirs: Dirs) -> Self {
        let fetcher = Arc::new(Fetcher::new(dirs.cache()));
        Self {
            dirs,
            fetcher,
            hypervisors: Mutex::default(),
            vcenters: Vcenters::default(),
            clouds: Clouds::default(),
            prisms: Prisms::default(),
        }
    }

    /// What is in this session's vCenter is removed in this session. Anything else needs a password from the environment.
    #[must_use]
    pub fn with_vcenter(self, vcenter: VCenter) -> Self {
        Self { vcenters: Vcenters::with(vcenter), ..self }
    }

    /// What is in this Prism Central is removed with what it knows. Anything else needs a password from the environment.
    #[must_use]
    pub fn with_prism(self, prism: Prism) -> Self {
        Self { prisms: Prisms::with(prism), ..self }
    }

    /// What is in this cloud is removed with the keys of this session. Anything else needs keys from the environment.
    #[must_use]
    pub fn with_cloud(self, cloud: CloudStack) -> Self {
        Self { clouds: Clouds::with(cloud), ..self }
    }

    /// Ends sessions that builds opened. What is removed later needs another one.
    pub async fn close(&self) {
        self.vcenters.close().await;
    }

    fn libvirt(&self, uri: &str) -> Result<Arc<dyn Hypervisor>, DriverError> {
        let mut hypervisors = self.hypervisors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hypervisors.get(uri) {
            return Ok(Arc::clone(known));
        }
        let made = open_libvirt(uri, &self.dirs)?;
        hypervisors.insert(uri.to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

#[cfg(feature = "libvirt")]
fn open_libvirt(uri: &str, dirs: &Dirs) -> Result<Arc<dyn Hypervisor>, DriverError> {
    Ok(Arc::new(crate::driver::libvirt::Libvirt::connect(uri, dirs.run_root())?))
}

#[cfg(feature = "libvirt")]
async fn sweep_libvirt(dirs: &Dirs) -> Result<(), DriverError> {
    crate::driver::libvirt::Libvirt::connect(crate::plan::EMBEDDED_URI, dirs.run_root())?.sweep().await
}

#[cfg(not(feature = "libvirt"))]
async fn sweep_libvirt(_: &Dirs) -> Result<(), DriverError> {
    Ok(())
}

#[cfg(not(feature = "libvirt"))]
fn open_libvirt(uri: &str, _: &Dirs) -> Result<Arc<dyn Hypervisor>, DriverError> {
    Err(DriverError::new(DriverErrorKind::Unsupported, format!("connect to `{uri}`"))
        .because("this goldsmith was compiled without the feature `libvirt`"))
}

#[cfg(feature = "aws")]
async fn open_ec2(
    plan: &Plan,
    ec2: &Ec2Plan,
    fetcher: &Arc<Fetcher>,
) -> Result<Arc<dyn Hypervisor>, DriverError> {
    let crate::plan::AwsPlan { profile, region, endpoint } = plan.aws.clone();
    let aws = crate::aws::Aws::open(&crate::aws::Account { profile, region, endpoint }).await?;
    let ec2 = crate::driver::ec2::Ec2::new(aws, ec2.clone());
    Ok(Arc::new(ec2.with_own_address(Arc::new(WhoAmI(Arc::clone(fetcher))))))
}

/// Asks Amazon, by HTTP: what it answers is what EC2's public addresses see, unless HTTP takes another way out than SSH.
#[cfg(feature = "aws")]
#[derive(Debug)]
struct WhoAmI(Arc<Fetcher>);

#[cfg(feature = "aws")]
#[async_trait]
impl crate::driver::ec2::OwnAddress for WhoAmI {
    async fn own_address(
        &self,
        cx: &Cx,
    ) -> Result<std::net::IpAddr, Box<dyn std::error::Error + Send + Sync>> {
        const TELLS: &str = "https://checkip.amazonaws.com/";
        const LONGEST: usize = 100;
        let answer = self.0.small(cx, &url::Url::parse(TELLS)?, LONGEST).await?;
        let text = String::from_utf8_lossy(&answer);
        let told = text.trim().parse();
        told.map_err(|_| format!("{TELLS} answered `{}`", text.escape_debug()).into())
    }
}

#[cfg(not(feature = "aws"))]
async fn open_ec2(_: &Plan, _: &Ec2Plan, _: &Arc<Fetcher>) -> Result<Arc<dyn Hypervisor>, DriverError> {
    Err(DriverError::new(DriverErrorKind::Unsupported, "build on EC2")
        .because("this goldsmith was compiled without the feature `aws`"))
}

#[cfg(feature = "aws")]
async fn remove_from_aws(resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
    crate::aws::remove(resource, stop).await.map_err(|error| {
        DriverError::new(DriverErrorKind::Other, format!("remove {resource}")).because(error)
    })
}

#[cfg(not(feature = "aws"))]
async fn remove_from_aws(resource: &ResourceRef, _: &Stop) -> Result<(), DriverError> {
    Err(DriverError::new(DriverErrorKind::Unsupported, format!("remove {resource}"))
        .because("this goldsmith was compiled without the feature `aws`"))
}

#[async_trait]
impl World for RealWorld {
    async fn hypervisor(
        &self,
        cx: &Cx,
        plan: &Plan,
        secrets: &Secrets,
    ) -> Result<Arc<dyn Hypervisor>, DriverError> {
        if let Some(machine) = &plan.machine.vsphere {
            return Ok(Arc::new(self.vcenters.driver(cx, plan, machine, secrets).await?));
        }
        if let Some(machine) = &plan.machine.nutanix {
            return Ok(Arc::new(self.prisms.driver(cx, plan, machine, secrets).await?));
        }
        if let Some(machine) = &plan.machine.cloudstack {
            return Ok(Arc::new(self.clouds.driver(cx, plan, machine, secrets).await?));
        }
        if let Some(ec2) = &plan.machine.ec2 {
            return open_ec2(plan, ec2, &self.fetcher).await;
        }
        self.libvirt(&plan.machine.uri)
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        match (resource.driver.as_str(), resource.details.get("uri")) {
            ("libvirt", Some(uri)) => self.libvirt(uri)?.destroy(resource, stop).await,
            ("aws", _) => remove_from_aws(resource, stop).await,
            (cloudstack::DRIVER, _) => self.clouds.remove(resource, stop).await,
            (vsphere::DRIVER, _) => self.vcenters.remove(resource, stop).await,
            (nutanix::DRIVER, _) => self.prisms.remove(resource, stop).await,
            _ => Err(DriverError::new(DriverErrorKind::Unsupported, format!("remove {resource}"))
                .because("this version of goldsmith does not know how it was made")),
        }
    }

    async fn sweep(&self) -> Result<(), DriverError> {
        sweep_libvirt(&self.dirs).await
    }

    async fn preflight(&self, cx: &Cx, plan: &Plan) -> Result<(), BuildError> {
        if let Some(error) = provision::preflight(&plan.provision) {
            let (attempt, hint) =
                (format!("step {} cannot run ({})", error.number, error.at), error.source.hint());
            return Err(with_hint(BuildError::because(attempt, error.source), hint));
        }
        if let SourcePlan::Vsphere(VsphereSourcePlan::Ova(image)) = &plan.source {
            vcenters::check(image).await?;
        }
        if plan.machine.ec2.is_none() {
            // Of an instance, the driver looks for itself.
            Box::pin(amis::preflight(cx, plan)).await?;
        }
        let needs = cx.stop().unless_cancelled(source::preflight(plan, self.dirs.cache())).await?.map_err(
            |error| {
                let hint = error.hint();
                with_hint(BuildError::because("the source of the first disk is not ready", error), hint)
            },
        )?;
        // The proof of a packed output unpacks it beside the disk that was built.
        let compressed = plan.outputs.iter().any(|output| output.format.is_packed());
        let proof = if plan.verify.boot && compressed { needs.bytes_work.as_bytes() / 2 } else { 0 };
        let bytes_work = Size::bytes(needs.bytes_work.as_bytes().saturating_add(proof));
        let (work, cache) = (self.dirs.work_root(), self.dirs.cache());
        for (folder, need) in (source::Needs { bytes_work, ..needs }).room(work, cache) {
            let variable = if folder == work { "GOLDSMITH_WORK_DIR" } else { "GOLDSMITH_CACHE_DIR" };
            room(folder, need, "this build", variable)?;
        }
        Ok(())
    }

    async fn fetch(&self, cx: &Cx, plan: &Plan, secrets: &Secrets) -> Result<(), BuildError> {
        let supplies = Supplies { secrets, fetcher: &self.fetcher };
        provision::fetch(cx, &certain(plan), supplies).await.map_err(|error| {
            let hint = match &error.source {
                StepError::Fetch(error) => error.hint(),
                _ => None,
            };
            with_hint(BuildError::because("the files for the steps are not ready", error), hint)
        })
    }

    async fn prepare_source(
        &self,
        cx: &Cx,
        plan: &Plan,
        hypervisor: &dyn Hypervisor,
        secrets: &Secrets,
    ) -> Result<Prepared, BuildError> {
        if let SourcePlan::Vsphere(VsphereSourcePlan::Ova(image)) = &plan.source {
            let machine = Box::pin(self.vcenters.import(cx, plan, image, secrets)).await?;
            let description = format!("`{}`, imported", image.display());
            return Ok(Prepared::Made(MadeSource { machine, description }));
        }
        if matches!(
            plan.source,
            SourcePlan::Ami(_) | SourcePlan::Vsphere(_) | SourcePlan::Nutanix(_) | SourcePlan::Cloudstack(_)
        ) {
            let found = hypervisor.find_image(cx, &plan.source, plan.arch).await?;
            cx.events().notice(format!("it starts from {}", found.description));
            return Ok(Prepared::Kept(KeptSource { id: found.id, description: found.description }));
        }
        source::prepare(cx, plan, &self.fetcher).await.map_err(no_disk)
    }

    async fn upload(
        &self,
        cx: &Cx,
        plan: &Plan,
        ami: &AmiPlan,
        disk_bytes: u64,
    ) -> Result<Box<dyn Upload>, BuildError> {
        let folder = self
            .dirs
            .make_uploads()
            .map_err(|error| BuildError::because("could not prepare the folder of uploads", error))?;
        amis::upload(cx, plan, ami, disk_bytes, &folder).await
    }

    async fn adopt_installed(
        &self,
        cx: &Cx,
        plan: &Plan,
        installer: Installer,
    ) -> Result<BaseDisk, BuildError> {
        source::adopt(cx, plan, installer).await.map_err(no_disk)
    }

    async fn connect(
        &self,
        cx: &Cx,
        address: SocketAddr,
        login: &Login,
        own: Option<&Credentials>,
        limit: HumanDuration,
        trouble: Trouble<'_>,
    ) -> Result<Box<dyn Session>, BuildError> {
        let start = std::time::Instant::now();
        let guest = match own {
            None => guest::connect(cx, address, login, limit, trouble).await,
            Some(own) => guest::adopt(cx, address, own, login, limit, trouble).await,
        };
        let guest = guest.map_err(unreachable)?;
        let left = limit.get().saturating_sub(start.elapsed()).into();
        guest.become_root(cx).await.map_err(unreachable)?;
        guest.settle(cx, left, trouble).await.map_err(unreachable)?;
        let facts = Facts::gather(cx, &guest).await.map_err(unreachable)?;
        Ok(Box::new(RealSession { guest, facts, fetcher: Arc::clone(&self.fetcher) }))
    }
}

fn no_disk(error: SourceError) -> BuildError {
    let hint = error.hint();
    with_hint(BuildError::because("could not make the first disk", error), hint)
}

fn with_hint(error: BuildError, hint: Option<String>) -> BuildError {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn unreachable(error: GuestError) -> BuildError {
    let hint = error.hint().map(str::to_owned);
    let attempt = match error {
        GuestError::NoRoot { .. } => "nothing can be done in the guest",
        _ => "the guest could not be reached",
    };
    with_hint(BuildError::because(attempt, error), hint)
}

/// How long the guest's own package jobs may hold the locks before provisioning.
const QUIESCE: HumanDuration = HumanDuration::seconds(600);

/// A guest over SSH.
#[derive(Debug)]
struct RealSession {
    guest: Guest,
    facts: Facts,
    fetcher: Arc<Fetcher>,
}

#[async_trait]
impl Session for RealSession {
    fn facts(&self) -> serde_json::Value {
        serde_json::to_value(&self.facts).unwrap_or_default()
    }

    async fn provision(
        &mut self,
        cx: &Cx,
        plan: &Plan,
        secrets: &Secrets,
        trouble: Trouble<'_>,
    ) -> Result<(), BuildError> {
        // Only here: a booted result is to be checked as it is.
        self.guest.quiesce(cx, QUIESCE, trouble).await.map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            with_hint(BuildError::because("the guest's own package jobs did not make way", error), hint)
        })?;
        // An existing image is mostly smaller than the disk that was asked for. cloud-init grows it where it has a seed.
        if plan.guest.seed != SeedKind::NoCloud && matches!(plan.source, SourcePlan::Disk(_)) {
            let grown = self.guest.grow_root(cx).await;
            match grown.map_err(|error| BuildError::because("could not prepare the guest", error))? {
                Growth::Kept(_) => {}
                Growth::Grown { from, to } => {
                    cx.events().notice(format!("the root file system has grown from {from} to {to}"));
                }
                Growth::Impossible(why) => cx.events().warn(why, None),
            }
        }
        let steps = provision::resolve(plan, &self.facts).map_err(|error| {
            BuildError::because("the steps for this guest could not be worked out", error)
        })?;
        let supplies = Supplies { secrets, fetcher: &self.fetcher };
        let run = Box::pin(provision::run(cx, &self.guest, &self.facts, &steps, supplies, trouble));
        run.await.map_err(|error| {
            let hint = error.source.hint();
            with_hint(BuildError::because("provisioning failed", error), hint)
        })
    }

    async fn seal(&mut self, cx: &Cx, plan: &Plan) -> Result<(), BuildError> {
        provision::seal(cx, &self.guest, plan)
            .await
            .map(|_| ())
            .map_err(|error| BuildError::because("could not seal the image", error))
    }

    async fn check(
        &mut self,
        cx: &Cx,
        subject: &str,
        plan: &Plan,
        built: &serde_json::Value,
    ) -> Result<Vec<Check>, BuildError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            BuildError::because(format!("could not check the {subject}"), error)
                .kind_unless_interrupted(BuildErrorKind::Unproven)
        };
        // Of an image that was built elsewhere, its own facts must do.
        let known = !built.is_null();
        let built: Facts = if known {
            serde_json::from_value(built.clone()).map_err(|error| failed(error.into()))?
        } else {
            self.facts.clone()
        };
        let mut checks = provision::general_checks(plan, &built, known);
        // The steps that built it, not the ones for the machine that proves it.
        let steps = provision::resolve(plan, &built).map_err(|error| failed(error.into()))?;
        checks.extend(provision::checks(&steps));
        provision::run_checks(cx, &self.guest, subject, &checks).await.map_err(|error| failed(error.into()))
    }

    async fn ask(
        &mut self,
        cx: &Cx,
        name: &str,
        script: &str,
        limit: HumanDuration,
    ) -> Result<(bool, String), BuildError> {
        let command = guest::Command::script(name, script).timeout(limit.get());
        let captured = guest::capture(&self.guest, cx, &command)
            .await
            .map_err(|error| BuildError::because(format!("could not ask the guest for its {name}"), error))?;
        Ok((captured.exit.success(), captured.stdout))
    }

    async fn diagnose(&mut self, cx: &Cx) -> Vec<(String, String)> {
        const LOGS: [(&str, &str); 4] = [
            ("journal", "journalctl --no-pager -b -n 2000 || tail -n 2000 /var/log/messages"),
            ("failed-units", "systemctl --no-pager --failed; systemctl --no-pager status --failed"),
            (
                "cloud-init",
                "cloud-init status --long; tail -n 500 /var/log/cloud-init.log /var/log/cloud-init-output.log",
            ),
            ("disk", "df -h; lsblk; cat /proc/mounts"),
        ];
        if self.guest.is_closed().await {
            // The connection may be all that is gone.
            let _then_it_is_silent = self.guest.reconnect(cx, HumanDuration::seconds(8), &|| None).await;
        }
        let mut files = Vec::new();
        for (name, script) in LOGS {
            let command = guest::Command::script(name, script).timeout(std::time::Duration::from_secs(8));
            if let Ok(captured) = guest::capture(&self.guest, cx, &command).await {
                files.push((name.to_owned(), format!("{}\n{}", captured.stdout, captured.stderr)));
            }
        }
        files
    }

    async fn close(&mut self) {
        self.guest.close().await;
    }
}
