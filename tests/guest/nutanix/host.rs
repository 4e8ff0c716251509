//! A host of the tests' Prism Central: what is powered on there boots here.
//!
//! It watches the machines. One that is powered on boots a copy of the base's disk, or, when it proves a result, of the disk that was shut
//! down last; what cloud-init is told is in a volume. When the power button is pressed, its guest is shut down, and images of its disk
//! are of what it left.
use super::{
    fixture::Fixture,
    machines::Machine,
    prism::{CLUSTER, Kept, state},
};
use crate::{instance::Instance, support::tool};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often the machines are looked at.
const EVERY: Duration = Duration::from_millis(300);

/// The Prism Central with its host; they end with this value.
pub(crate) struct Host {
    pub(crate) prism: Arc<Fixture>,
    /// Where guests answer SSH, on 127.0.0.1.
    pub(crate) port: u16,
    /// The disks that were shut down.
    stopped: Arc<Mutex<Vec<PathBuf>>>,
    over: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Host {
    /// Keeps disks in `folder`; guests start from `base`, which is the image of that name.
    pub(crate) fn start(folder: &Path, base: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let prism = Arc::new(Fixture::start(state(true)));
        {
            let mut state = prism.state();
            state.images.push(Kept {
                uuid: "70cfd137-a8d9-4169-a5ac-cf9ad6ddb03a".to_owned(),
                name: "base".to_owned(),
                image_type: "DISK_IMAGE".to_owned(),
                clusters: vec![CLUSTER.to_owned()],
                // The host has the real ones.
                bytes: b"the base".to_vec(),
                ..Kept::default()
            });
            state.park.addresses = vec!["127.0.0.1".to_owned()];
            state.park.deaf = true;
        }
        let (stopped, over) = (Arc::<Mutex<Vec<PathBuf>>>::default(), Arc::<AtomicBool>::default());
        let work = Work {
            prism: Arc::clone(&prism),
            folder: folder.to_owned(),
            base: base.to_owned(),
            port,
            stopped: Arc::clone(&stopped),
            running: BTreeMap::new(),
            launched: 0,
        };
        let end = Arc::clone(&over);
        let worker = std::thread::spawn(move || work.run(&end));
        Self { prism, port, stopped, over, worker: Some(worker) }
    }

    /// The disks that were shut down by the power button.
    pub(crate) fn stopped(&self) -> Vec<PathBuf> {
        self.stopped.lock().unwrap().clone()
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

struct Work {
    prism: Arc<Fixture>,
    folder: PathBuf,
    base: PathBuf,
    port: u16,
    stopped: Arc<Mutex<Vec<PathBuf>>>,
    running: BTreeMap<String, Instance>,
    launched: u32,
}

impl Work {
    fn run(mut self, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(EVERY);
            // Without their disks, which are large.
            let machines: Vec<Machine> = self
                .prism
                .state()
                .park
                .machines
                .iter()
                .map(|machine| Machine {
                    uuid: machine.uuid.clone(),
                    name: machine.name.clone(),
                    on: machine.on,
                    pressed: machine.pressed,
                    user_data: machine.user_data.clone(),
                    ..Machine::default()
                })
                .collect();
            // Who pulls the plug, or removes a machine, gets no disk.
            self.running.retain(|uuid, _| machines.iter().any(|machine| machine.uuid == *uuid && machine.on));
            for machine in machines.into_iter().filter(|machine| machine.on) {
                match (self.running.contains_key(&machine.uuid), machine.pressed) {
                    (false, _) => self.launch(&machine),
                    (true, true) => self.shut_down(&machine.uuid),
                    (true, false) => {}
                }
            }
        }
    }

    fn launch(&mut self, machine: &Machine) {
        self.launched += 1;
        let proves = machine.name.contains("-proof-");
        let last = self.stopped.lock().unwrap().last().cloned();
        let base = last.filter(|_| proves).unwrap_or(self.base.clone());
        let folder = self.folder.join(format!("instance-{}", self.launched));
        let user_data = machine.user_data.as_deref().expect("it is told who gets in");
        let meta_data = format!("instance-id: {}\n", machine.uuid);
        let instance = Instance::launch(&folder, &base, user_data, meta_data.as_bytes(), self.port);
        self.running.insert(machine.uuid.clone(), instance);
    }

    fn shut_down(&mut self, uuid: &str) {
        let disk = self.running.remove(uuid).unwrap().power_off();
        // As the server would give it: one file without others below it.
        let whole = self.folder.join(format!("stopped-{}.qcow2", self.launched));
        let (from, to) = (disk.to_str().unwrap(), whole.to_str().unwrap());
        tool("qemu-img", &["convert", "-O", "qcow2", from, to], &self.folder);
        let bytes = std::fs::read(&whole).unwrap();
        std::fs::remove_file(&whole).unwrap();
        self.stopped.lock().unwrap().push(disk);
        let mut state = self.prism.state();
        let machine = state.park.machines.iter_mut().find(|machine| machine.uuid == uuid).unwrap();
        machine.disk = bytes;
        machine.on = false;
        machine.pressed = false;
        machine.version += 1;
        machine.addresses.clear();
    }
}
