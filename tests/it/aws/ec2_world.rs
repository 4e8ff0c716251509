//! A build on EC2 against moto. Only the guest is not there: moto's instances are no machines, so whoever logs in gets a session that says yes.
//!
//! A test on a real guest may take the user data from the call `RunInstances` (it holds the build's keys), boot a guest with it, and lead
//! `[machine.ec2] ssh-port` to its SSH: [`Ec2World`] with `log_in` false then uses the world's own login.
pub(crate) use super::proxy::without_second_specification;
use super::{
    moto::{Moto, session},
    proxy::{Call, Fate, Proxy},
};
use async_trait::async_trait;
use goldsmith::{
    aws::{self, Aws},
    build::{self, BuildError, Dirs, Job, NoHooks, OnError, Outcome, RealWorld, Session, Upload},
    cx::{BuildId, Check, Cx, Events, Header, Journal, ResourceRef, Stop, UndoLog},
    definition,
    driver::{
        DriverError, Hypervisor,
        ec2::{Ec2, Pace},
    },
    guest::{Credentials, Login, Trouble},
    plan::{AmiPlan, Plan},
    provision::Secrets,
    source::{BaseDisk, Installer, KeptSource, Prepared},
    value::{Arch, HumanDuration},
};
use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

/// Ubuntu's, among moto's own.
pub(crate) const AMI: &str = "ami-1e749f67";

/// The server with Amazon's own images.
pub(crate) fn moto() -> &'static Moto {
    static WITH_IMAGES: LazyLock<Moto> = LazyLock::new(|| Moto::start(&[]));
    &WITH_IMAGES
}

/// What stands in the definitions of these tests, besides what a test adds to `[machine.ec2]` and behind it.
pub(crate) fn definition(name: &str, instance: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\narch = \"x86_64\"\n[source.ami]\nid = \"{AMI}\"\n[machine]\ndriver = \"ec2\"\n\
         [machine.ec2]\nssh-from = [\"192.0.2.1/32\"]\n{instance}\n[[output]]\nformat = \"ami\"\n{more}\n"
    )
}

pub(crate) fn plan(text: &str) -> Plan {
    let resolved = definition::resolve(text, Path::new("/ec2.toml"), &definition::Inputs::default());
    resolved.unwrap_or_else(|error| panic!("{:#?}", error.problems()))
}

/// The proxy of a test: what moto does not know is answered as Amazon does, and addresses are this host's.
pub(crate) async fn proxy(decide: impl Fn(&Call) -> Option<Fate> + Send + Sync + 'static) -> Proxy {
    Proxy::start(moto().port(), move |call| {
        if let Some(fate) = decide(call) {
            return fate;
        }
        match call.action().as_str() {
            "CreateImage" => Fate::Rewrite(without_second_specification(&call.body), true),
            "DescribeInstances" => Fate::Change(Box::new(|text| local(&text))),
            _ => Fate::Forward,
        }
    })
    .await
}

/// Public addresses are nobody's here.
fn local(text: &str) -> String {
    let (open, close) = ("<ipAddress>", "</ipAddress>");
    let mut parts = text.split(open);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once(close).map_or("", |(_, rest)| rest);
        out.push_str(&format!("{open}127.0.0.1{close}{rest}"));
    }
    out
}

/// Hypervisor and account are as they are, the guest is not.
pub(crate) struct Ec2World {
    pub(crate) real: RealWorld,
    pub(crate) aws: Aws,
    /// Whether logins succeed.
    pub(crate) log_in: bool,
    /// Where logins were tried.
    pub(crate) seen: Mutex<Vec<SocketAddr>>,
}

#[async_trait]
impl build::World for Ec2World {
    async fn hypervisor(&self, _: &Cx, plan: &Plan, _: &Secrets) -> Result<Arc<dyn Hypervisor>, DriverError> {
        let pace = Pace { every: Duration::from_millis(20), ..Pace::default() };
        let ec2 = plan.machine.ec2.as_deref().unwrap().clone();
        Ok(Arc::new(Ec2::new(self.aws.clone(), ec2).with_pace(pace)))
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        Ok(aws::remove_with(&self.aws, resource, stop).await?)
    }

    async fn upload(
        &self,
        cx: &Cx,
        plan: &Plan,
        ami: &AmiPlan,
        disk_bytes: u64,
    ) -> Result<Box<dyn Upload>, BuildError> {
        self.real.upload(cx, plan, ami, disk_bytes).await
    }

    async fn sweep(&self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn preflight(&self, cx: &Cx, plan: &Plan) -> Result<(), BuildError> {
        self.real.preflight(cx, plan).await
    }

    async fn fetch(&self, cx: &Cx, plan: &Plan, secrets: &Secrets) -> Result<(), BuildError> {
        self.real.fetch(cx, plan, secrets).await
    }

    async fn prepare_source(
        &self,
        cx: &Cx,
        plan: &Plan,
        hypervisor: &dyn Hypervisor,
        _: &Secrets,
    ) -> Result<Prepared, BuildError> {
        let found = hypervisor.find_image(cx, &plan.source, Arch::X86_64).await?;
        Ok(Prepared::Kept(KeptSource { id: found.id, description: found.description }))
    }

    async fn adopt_installed(&self, _: &Cx, _: &Plan, _: Installer) -> Result<BaseDisk, BuildError> {
        panic!("there is no installer")
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
        self.seen.lock().unwrap().push(address);
        if self.log_in {
            return Ok(Box::new(Yes));
        }
        self.real.connect(cx, address, login, own, limit, trouble).await
    }
}

/// A guest in which everything is as it should be.
struct Yes;

#[async_trait]
impl Session for Yes {
    fn facts(&self) -> serde_json::Value {
        serde_json::json!({ "os-id": "ubuntu" })
    }

    async fn provision(&mut self, _: &Cx, _: &Plan, _: &Secrets, _: Trouble<'_>) -> Result<(), BuildError> {
        Ok(())
    }

    async fn seal(&mut self, _: &Cx, _: &Plan) -> Result<(), BuildError> {
        Ok(())
    }

    async fn check(
        &mut self,
        _: &Cx,
        _: &str,
        _: &Plan,
        _: &serde_json::Value,
    ) -> Result<Vec<Check>, BuildError> {
        Ok(vec![])
    }

    async fn ask(
        &mut self,
        _: &Cx,
        _: &str,
        _: &str,
        _: HumanDuration,
    ) -> Result<(bool, String), BuildError> {
        Ok((true, String::new()))
    }

    async fn diagnose(&mut self, _: &Cx) -> Vec<(String, String)> {
        vec![]
    }

    async fn close(&mut self) {}
}

/// One build in folders of its own, and what became of it.
pub(crate) struct Built {
    pub(crate) outcome: Outcome,
    pub(crate) seen: Vec<SocketAddr>,
    pub(crate) _root: tempfile::TempDir,
}

pub(crate) fn build(proxy: &Proxy, plan: Plan, log_in: bool) -> impl Future<Output = Built> {
    // Each test would hold all of it on its stack.
    Box::pin(async move {
        let root = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(root.path());
        let aws = session(&proxy.url()).await;
        let world = Ec2World { real: RealWorld::new(dirs.clone()), aws, log_in, seen: Mutex::default() };
        let job = Job { plan: Arc::new(plan), image: None, ami: None, on_error: OnError::Cleanup };
        let outcome = build::run(&world, &job, &dirs, vec![], &Stop::default(), &NoHooks).await.unwrap();
        Built { outcome, seen: world.seen.into_inner().unwrap(), _root: root }
    })
}

/// Everything of a build that is there in the account; what is terminated is not.
pub(crate) async fn left(build: &str) -> Vec<String> {
    let ec2 = session(&moto().url()).await.ec2();
    let filter =
        || aws_sdk_ec2::types::Filter::builder().name(format!("tag:{}", aws::BUILD)).values(build).build();
    let mut all = Vec::new();
    let instances = ec2.describe_instances().filters(filter()).send().await.unwrap();
    for instance in instances.reservations().iter().flat_map(|reservation| reservation.instances()) {
        let state = instance.state().and_then(|state| state.name()).map_or("", |name| name.as_str());
        if state != "terminated" {
            all.push(format!("{} {state}", instance.instance_id().unwrap()));
        }
    }
    let groups = ec2.describe_security_groups().filters(filter()).send().await.unwrap();
    all.extend(groups.security_groups().iter().map(|group| group.group_id().unwrap().to_owned()));
    let images = ec2.describe_images().owners("self").filters(filter()).send().await.unwrap();
    all.extend(images.images().iter().map(|image| image.image_id().unwrap().to_owned()));
    let snapshots = ec2.describe_snapshots().owner_ids("self").filters(filter()).send().await.unwrap();
    all.extend(snapshots.snapshots().iter().map(|snapshot| snapshot.snapshot_id().unwrap().to_owned()));
    let keys = ec2.describe_key_pairs().send().await.unwrap();
    let ours = format!("goldsmith-{build}-");
    all.extend(
        keys.key_pairs()
            .iter()
            .filter_map(|key| key.key_name())
            .filter(|name| name.starts_with(&ours))
            .map(ToOwned::to_owned),
    );
    all
}

/// What a call of the library gets, in folders below `root`.
pub(crate) fn context(root: &Path) -> Cx {
    let id = BuildId::random();
    let header = Header {
        build: id.clone(),
        name: "test".into(),
        definition: "test.toml".into(),
        created: jiff::Timestamp::UNIX_EPOCH,
        pid: std::process::id(),
    };
    let journal = Journal::create(&root.join(format!("journal-{id}")), &header).unwrap();
    let events = Events::new(id.clone(), "test", vec![]);
    Cx::new(id, root.to_owned(), root.to_owned(), events, Stop::default(), UndoLog::new(journal))
}
