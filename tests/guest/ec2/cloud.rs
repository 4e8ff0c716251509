//! A small EC2 of our own: moto answers its API, and QEMU runs its instances.
//!
//! The proxy before moto looks at what is asked for: an instance that is launched boots a copy of its image's disk, with the user data
//! of the call in a volume for cloud-init; one that is stopped is powered off; an image that is created is the stopped disk. Everything
//! else is moto's.
use crate::{
    instance::Instance,
    moto::{self, Moto},
    proxy::{Call, Fate, Proxy, without_second_specification},
    snapshot,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// The whole of it; it ends with this value.
pub(crate) struct Cloud {
    runtime: tokio::runtime::Runtime,
    proxy: Proxy,
    state: Arc<Mutex<State>>,
    moto: Moto,
}

struct State {
    folder: PathBuf,
    /// Where instances answer SSH.
    port: u16,
    /// Disks by image; what has no entry is not bootable here.
    disks: BTreeMap<String, PathBuf>,
    /// The disk of the image that was made last.
    created: Option<PathBuf>,
    running: Option<Instance>,
    launched: u32,
    stopped: Option<PathBuf>,
}

impl Cloud {
    /// Keeps its disks in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            folder: folder.to_owned(),
            port,
            disks: BTreeMap::new(),
            created: None,
            running: None,
            launched: 0,
            stopped: None,
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let moto = Moto::bare();
        let shared = Arc::clone(&state);
        let proxy = runtime.block_on(Proxy::start(moto.port(), move |call| {
            tokio::task::block_in_place(|| fate(&mut shared.lock().unwrap(), call))
        }));
        Self { runtime, proxy, state, moto }
    }

    pub(crate) fn url(&self) -> String {
        self.proxy.url()
    }

    /// The port that instances answer SSH at, on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.state.lock().unwrap().port
    }

    /// Says which disk instances of an image start from.
    pub(crate) fn boots_from(&self, image: &str, disk: &Path) {
        self.state.lock().unwrap().disks.insert(image.to_owned(), disk.to_owned());
    }

    /// Writes what a snapshot holds to a file, a disk of `bytes`.
    pub(crate) fn read_back(&self, snapshot: &str, bytes: u64, path: &Path) {
        let url = self.direct();
        self.runtime.block_on(snapshot::read_back(&url, &[snapshot], bytes, path));
    }

    /// The id of the image of this name.
    pub(crate) fn image(&self, name: &str) -> String {
        self.runtime.block_on(async {
            let ec2 = moto::session(&self.direct()).await.ec2();
            let found = ec2.describe_images().owners("self").send().await.unwrap();
            let image = found.images().iter().find(|image| image.name() == Some(name)).unwrap();
            image.image_id().unwrap().to_owned()
        })
    }

    /// What a build made in the account and should have removed.
    pub(crate) fn left(&self) -> Vec<String> {
        self.runtime.block_on(async {
            let ec2 = moto::session(&self.direct()).await.ec2();
            let mut left = Vec::new();
            let instances = ec2.describe_instances().send().await.unwrap();
            for instance in instances.reservations().iter().flat_map(|reservation| reservation.instances()) {
                let state = instance.state().unwrap().name().unwrap().as_str().to_owned();
                if state != "terminated" {
                    left.push(format!("instance {} is {state}", instance.instance_id().unwrap()));
                }
            }
            for key in ec2.describe_key_pairs().send().await.unwrap().key_pairs() {
                left.push(format!("key pair {}", key.key_name().unwrap()));
            }
            for group in ec2.describe_security_groups().send().await.unwrap().security_groups() {
                if group.group_name() != Some("default") {
                    left.push(format!("security group {}", group.group_name().unwrap()));
                }
            }
            left
        })
    }

    /// moto itself, past the proxy.
    fn direct(&self) -> String {
        self.moto.url()
    }

    /// Everything that was asked for so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.proxy.calls()
    }
}

fn fate(state: &mut State, call: &Call) -> Fate {
    if call.parameter("DryRun").as_deref() == Some("true") {
        return Fate::Forward;
    }
    match call.action().as_str() {
        "RunInstances" => launch(state, call),
        "StopInstances" => stop(state),
        "CreateImage" => {
            state.created.clone_from(&state.stopped);
            return Fate::Rewrite(without_second_specification(&call.body), true);
        }
        "TerminateInstances" => state.running = None,
        // moto forgets what an image is for.
        "DescribeImages" => {
            return Fate::Change(Box::new(|answer| {
                if answer.contains("<architecture>") {
                    return answer;
                }
                let known = "<architecture>x86_64</architecture><imageType>";
                with(&answer.replace("<imageType>", known), "rootDeviceType", "ebs")
            }));
        }
        "DescribeInstances" => {
            return Fate::Change(Box::new(|answer| {
                let answer = with(&answer, "ipAddress", "127.0.0.1");
                with(&answer, "privateIpAddress", "127.0.0.1")
            }));
        }
        _ => {}
    }
    Fate::Forward
}

/// `text` with another value in every element called `name`.
fn with(text: &str, name: &str, value: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut changed = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&open) {
        let Some((_, after)) = after.split_once(&close) else { break };
        changed.push_str(&format!("{before}{open}{value}{close}"));
        rest = after;
    }
    changed + rest
}

fn launch(state: &mut State, call: &Call) {
    let image = call.parameter("ImageId").unwrap();
    let base = state.disks.get(&image).or(state.created.as_ref()).expect("the image was made here").clone();
    state.launched += 1;
    let folder = state.folder.join(format!("instance-{}", state.launched));
    let user_data = BASE64_STANDARD.decode(call.parameter("UserData").unwrap_or_default()).unwrap();
    let id = format!("instance-id: i-{}\n", state.launched);
    state.running = Some(Instance::launch(&folder, &base, &user_data, id.as_bytes(), state.port));
}

/// Presses the power button and waits, as EC2 does.
fn stop(state: &mut State) {
    let Some(instance) = state.running.take() else { return };
    state.stopped = Some(instance.power_off());
}
