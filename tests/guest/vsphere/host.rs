//! A host of the simulated vCenter: what is powered on there boots here.
//!
//! It watches the inventory. A machine that is powered on boots a copy of the base's disk, or, when it proves a result, of the disk that was
//! shut down last; what `guestinfo` tells cloud-init is in a volume. When the vCenter is asked to shut a guest down, its machine is off
//! as soon as the guest is, and exports of it serve the guest's disk.
use crate::{instance::Instance, support::tool, vcsim::Vcsim};
use base64::{Engine, prelude::BASE64_STANDARD};
use goldsmith::{
    value::Secret,
    vsphere::{Moref, Named, Place, Server, Trust, VCenter},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often the inventory is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// The vCenter with its host; they end with this value.
pub(crate) struct Host {
    pub(crate) vcsim: Arc<Vcsim>,
    /// Where guests answer SSH, on 127.0.0.1.
    pub(crate) port: u16,
    /// The disks that were shut down.
    stopped: Arc<Mutex<Vec<PathBuf>>>,
    over: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Host {
    /// Keeps disks in `folder`; guests start from `base`.
    pub(crate) fn start(folder: &Path, base: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let vcsim = Arc::new(Vcsim::start(&[]));
        let (stopped, over) = (Arc::<Mutex<Vec<PathBuf>>>::default(), Arc::<AtomicBool>::default());
        let state = Work {
            vcsim: Arc::clone(&vcsim),
            folder: folder.to_owned(),
            base: base.to_owned(),
            port,
            stopped: Arc::clone(&stopped),
            running: BTreeMap::new(),
            launched: 0,
            off: BTreeSet::new(),
        };
        let end = Arc::clone(&over);
        let worker = std::thread::spawn(move || state.run(&end));
        Self { vcsim, port, stopped, over, worker: Some(worker) }
    }

    /// The disk that was shut down last.
    pub(crate) fn last_disk(&self) -> PathBuf {
        self.stopped.lock().unwrap().last().cloned().expect("a guest was shut down")
    }

    /// How many guests were shut down by the vCenter.
    pub(crate) fn shut_down(&self) -> usize {
        self.stopped.lock().unwrap().len()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// A session as tests have it.
pub(crate) async fn session(vcsim: &Vcsim) -> VCenter {
    let trust = Trust::Thumbprint(vcsim.thumbprint_sha256().parse().unwrap());
    let server = Server { host: vcsim.url().to_owned(), trust };
    let place = Place { server, user: vcsim.user().to_owned(), password: Secret::new(vcsim.password()) };
    VCenter::connect(&place).await.unwrap()
}

struct Work {
    vcsim: Arc<Vcsim>,
    folder: PathBuf,
    base: PathBuf,
    port: u16,
    stopped: Arc<Mutex<Vec<PathBuf>>>,
    running: BTreeMap<Moref, Instance>,
    launched: u32,
    /// Those that were shut down: the vCenter says so a moment later.
    off: BTreeSet<Moref>,
}

impl Work {
    fn run(mut self, over: &AtomicBool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let vcenter = runtime.block_on(session(&self.vcsim));
        let mut until = self.hold_shutdown(0);
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(EVERY);
            // Tests end sessions, too.
            let Ok(machines) = runtime.block_on(machines(&vcenter)) else { continue };
            let asked = std::fs::read_to_string(until.with_extension("asked")).ok();
            let asked = asked.and_then(|object| object.parse::<Moref>().ok());
            if let Some(instance) = asked.as_ref().and_then(|object| self.running.remove(object)) {
                let object = asked.unwrap();
                let disk = instance.power_off();
                let vmdk = self.folder.join(format!("stopped-{}.vmdk", self.launched));
                let (from, to) = (disk.to_str().unwrap(), vmdk.to_str().unwrap());
                let options = ["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", from, to];
                tool("qemu-img", &options, &self.folder);
                self.vcsim.disk(&object.id, 0, &vmdk);
                self.stopped.lock().unwrap().push(disk);
                self.off.insert(object);
                std::fs::write(&until, "off").unwrap();
                until = self.hold_shutdown(self.launched);
                continue;
            }
            // Who pulls the plug, or removes a machine, gets no disk.
            self.running
                .retain(|object, _| machines.iter().any(|machine| machine.object == *object && machine.on));
            for machine in machines.into_iter().filter(|machine| machine.on) {
                if !self.running.contains_key(&machine.object) && !self.off.contains(&machine.object) {
                    self.launch(&machine);
                }
            }
        }
    }

    /// The next guest that is to shut down is waited for.
    fn hold_shutdown(&self, number: u32) -> PathBuf {
        let until = self.folder.join(format!("shut-down-{number}"));
        self.vcsim.fault(&json!({ "match": "ShutdownGuest", "off_when": until }));
        until
    }

    fn launch(&mut self, machine: &Running) {
        self.launched += 1;
        let proves = machine.name.contains("-proof-");
        let base =
            self.stopped.lock().unwrap().last().cloned().filter(|_| proves).unwrap_or(self.base.clone());
        let told = |key: &str| {
            let text = machine.extra.get(key).unwrap_or_else(|| panic!("{} has no {key}", machine.name));
            assert_eq!(machine.extra.get(&format!("{key}.encoding")).map(String::as_str), Some("base64"));
            BASE64_STANDARD.decode(text).unwrap()
        };
        let (user_data, meta_data) = (told("guestinfo.userdata"), told("guestinfo.metadata"));
        let folder = self.folder.join(format!("instance-{}", self.launched));
        let instance = Instance::launch(&folder, &base, &user_data, &meta_data, self.port);
        self.running.insert(machine.object.clone(), instance);
        self.vcsim.guest(&machine.object.id, "127.0.0.1", Duration::ZERO);
    }
}

struct Running {
    object: Moref,
    name: String,
    on: bool,
    extra: BTreeMap<String, String>,
}

async fn machines(vcenter: &VCenter) -> Result<Vec<Running>, goldsmith::vsphere::VsphereError> {
    let root = vcenter.service("rootFolder")?;
    let all = vcenter.all_named(Named::Machine, &root).await?;
    let objects: Vec<Moref> = all.iter().map(|(object, _)| object.clone()).collect();
    let paths = ["name", "runtime.powerState", "config.extraConfig"];
    let found = vcenter.properties_of_all(&objects, &paths).await?;
    let machine = |(object, properties): (Moref, goldsmith::vsphere::Properties)| {
        let options =
            properties.get("config.extraConfig").map(|all| all.nodes.as_slice()).unwrap_or_default();
        let pair = |node: &goldsmith::vsphere::Node| {
            Some((node.text_at("key")?.to_owned(), node.text_at("value")?.to_owned()))
        };
        Running {
            object,
            name: properties.text("name").unwrap_or_default().to_owned(),
            on: properties.text("runtime.powerState") == Some("poweredOn"),
            extra: options.iter().filter_map(pair).collect(),
        }
    };
    Ok(found.into_iter().map(machine).collect())
}
