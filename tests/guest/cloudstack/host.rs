//! A host of our cloud: machines that run there boot here.
//!
//! It watches the cloud. A machine that runs and to which a port leads boots a copy of the base's disk, or, when it is made of a template that was built there, of the disk
//! that was shut down last; it answers SSH at that port. When the cloud is asked to stop it, it is off as soon as the guest is, and its disk is the guest's.
use super::{
    cloud::{Cloud, ZONES},
    server::Server,
};
use crate::{instance::Instance, support::tool};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often the cloud is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// The cloud with its host; they end with this value.
pub(crate) struct Host {
    pub(crate) server: Arc<Server>,
    /// The template that builds start from.
    pub(crate) base: String,
    /// The disks that were shut down.
    stopped: Arc<Mutex<Vec<PathBuf>>>,
    over: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
    _runtime: tokio::runtime::Runtime,
}

impl Host {
    /// Keeps disks in `folder`; guests start from `disk`, which is a template of this name.
    pub(crate) fn start(folder: &Path, disk: &Path, name: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = Arc::new(runtime.block_on(Server::start()));
        let base = server.cloud().source(name, head(disk));
        assert_eq!(server.templates()[0].zones[0].0, ZONES[0].0);
        server.cloud().machines.hosted = true;
        server.cloud().machines.next_ip = Some("127.0.0.1".to_owned());
        let (stopped, over) = (Arc::<Mutex<Vec<PathBuf>>>::default(), Arc::<AtomicBool>::default());
        let work = Work {
            server: Arc::clone(&server),
            folder: folder.to_owned(),
            disk: disk.to_owned(),
            base: base.clone(),
            stopped: Arc::clone(&stopped),
            running: BTreeMap::new(),
            launched: 0,
        };
        let end = Arc::clone(&over);
        let worker = Some(std::thread::spawn(move || work.run(&end)));
        Self { server, base, stopped, over, worker, _runtime: runtime }
    }

    /// The disk that was shut down last.
    pub(crate) fn last_disk(&self) -> PathBuf {
        self.stopped.lock().unwrap().last().cloned().expect("a guest was shut down")
    }

    /// How many guests the cloud has shut down.
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

/// How a file begins, which is all that the cloud keeps of an image.
fn head(path: &Path) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    std::fs::File::open(path).unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

struct Work {
    server: Arc<Server>,
    folder: PathBuf,
    disk: PathBuf,
    base: String,
    stopped: Arc<Mutex<Vec<PathBuf>>>,
    running: BTreeMap<String, Instance>,
    launched: u32,
}

/// What is to be done with a machine.
enum Wanted {
    Launch { id: String, port: u16, template: String, user_data: Vec<u8> },
    Stop(String),
}

impl Work {
    fn run(mut self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(EVERY);
            for wanted in self.look() {
                match wanted {
                    Wanted::Launch { id, port, template, user_data } => {
                        self.launch(id, port, &template, &user_data);
                    }
                    Wanted::Stop(id) => self.stop(&id),
                }
            }
        }
    }

    fn look(&mut self) -> Vec<Wanted> {
        let cloud = self.server.cloud();
        // Who pulls the plug, or removes a machine, gets no disk.
        let on = |id: &str| {
            cloud
                .machines
                .all
                .iter()
                .any(|machine| machine.id == id && matches!(machine.state, "Running" | "Stopping"))
        };
        self.running.retain(|id, _| on(id));
        let mut wanted = Vec::new();
        for machine in &cloud.machines.all {
            let port = port_of(&cloud, &machine.id);
            match (machine.state, port, self.running.contains_key(&machine.id)) {
                ("Running", Some(port), false) => wanted.push(Wanted::Launch {
                    id: machine.id.clone(),
                    port,
                    template: machine.params["templateid"].clone(),
                    user_data: BASE64_STANDARD.decode(&machine.params["userdata"]).unwrap(),
                }),
                ("Stopping", ..) => wanted.push(Wanted::Stop(machine.id.clone())),
                _ => {}
            }
        }
        wanted
    }

    fn launch(&mut self, id: String, port: u16, template: &str, user_data: &[u8]) {
        self.launched += 1;
        let built = self.stopped.lock().unwrap().last().cloned().filter(|_| template != self.base);
        let disk = built.unwrap_or_else(|| self.disk.clone());
        let folder = self.folder.join(format!("instance-{}", self.launched));
        let meta_data = format!("instance-id: {id}\nlocal-hostname: guest-{}\n", self.launched);
        let instance = Instance::launch(&folder, &disk, user_data, meta_data.as_bytes(), port);
        self.running.insert(id, instance);
    }

    fn stop(&mut self, id: &str) {
        let file = self.running.remove(id).map(|instance| {
            let disk = instance.power_off();
            let file = self.folder.join(format!("stopped-{}.qcow2", self.launched));
            let (from, to) = (disk.to_str().unwrap(), file.to_str().unwrap());
            tool("qemu-img", &["convert", "-O", "qcow2", from, to], &self.folder);
            self.stopped.lock().unwrap().push(disk);
            file
        });
        let mut cloud = self.server.cloud();
        if let Some(machine) = cloud.machines.all.iter_mut().find(|machine| machine.id == id) {
            machine.disk = file.as_deref().map(head).unwrap_or_default();
            machine.state = "Stopped";
        }
        cloud.machines.files.extend(file.map(|file| (id.to_owned(), file)));
    }
}

/// The port that leads to a machine, once somebody is let in.
fn port_of(cloud: &Cloud, id: &str) -> Option<u16> {
    let rules = &cloud.machines.rules;
    let leads = rules.iter().find(|rule| rule.machine.as_deref() == Some(id) && rule.to == "22")?;
    let open = rules.iter().any(|rule| rule.machine.is_none() && rule.port == leads.port);
    open.then(|| leads.port.parse().unwrap())
}
