//! Machines, subnets, projects, templates and OVAs of the tests' Prism Central. Answers about machines of v3 have the shape of a recorded
//! one (pc.2024.3.0.1); those of v4 that of the SDK's models.
use super::{
    fixture::Call,
    prism::{Answer, CLUSTER, Kept, SECOND, State, etag, fresh, listed, of, paged, v3_error, v4_error},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// A machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) cluster: String,
    pub(crate) project: Option<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) subnets: Vec<String>,
    pub(crate) image: String,
    pub(crate) disk_uuid: String,
    /// What is on its disk, and how large that is.
    pub(crate) disk: Vec<u8>,
    pub(crate) disk_bytes: u64,
    pub(crate) user_data: Option<Vec<u8>>,
    pub(crate) boot: String,
    pub(crate) cpus: (u64, u64),
    pub(crate) memory: u64,
    pub(crate) on: bool,
    /// Whether its power button was pressed.
    pub(crate) pressed: bool,
    pub(crate) addresses: Vec<String>,
    /// So often it was changed: `spec_version`, and what an ETag is made of.
    pub(crate) version: u64,
    /// Whether what cloud-init is told is in a drive.
    pub(crate) cd: bool,
    /// Why it is in the state ERROR: v3.
    pub(crate) error: Option<String>,
}

/// A template or an OVA.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// Of which machine, as it was then.
    pub(crate) machine: Machine,
    pub(crate) version: u64,
}

/// All of it, and what goes wrong.
#[derive(Debug, Default)]
pub(crate) struct Park {
    pub(crate) machines: Vec<Machine>,
    /// UUID, name, cluster.
    pub(crate) subnets: Vec<(String, String, String)>,
    pub(crate) projects: Vec<(String, String)>,
    pub(crate) templates: Vec<Content>,
    pub(crate) ovas: Vec<Content>,
    /// What guests that are on have.
    pub(crate) addresses: Vec<String>,
    /// Guests do not listen to the power button; or somebody else does it.
    pub(crate) deaf: bool,
    /// Tasks that make machines end so.
    pub(crate) fail: Option<String>,
}

pub(crate) const SUBNET: &str = "b2e46975-2cde-4a49-9dda-815eb4fcd679";
/// The drive with what cloud-init is told.
const CD: &str = "537e0352-0af0-4aa5-af01-28e5964c5e80";
pub(crate) const PROJECT: &str = "f33d30fb-12f1-4afa-b393-b195a259fcd6";

pub(crate) fn park() -> Park {
    let subnet = |uuid: &str, name: &str, of: &str| (uuid.to_owned(), name.to_owned(), of.to_owned());
    Park {
        subnets: vec![
            subnet(SUBNET, "vlan173", CLUSTER),
            subnet("b2e46975-2cde-4a49-9dda-815eb4fcd680", "twin", CLUSTER),
            subnet("b2e46975-2cde-4a49-9dda-815eb4fcd681", "Twin", CLUSTER),
            subnet("b2e46975-2cde-4a49-9dda-815eb4fcd682", "vlan173", SECOND),
            // Of a virtual private cloud.
            subnet("b2e46975-2cde-4a49-9dda-815eb4fcd683", "overlay", ""),
        ],
        projects: vec![(PROJECT.to_owned(), "Images".to_owned())],
        addresses: vec!["169.254.1.1".to_owned(), "127.0.0.1".to_owned()],
        ..Park::default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn decoded(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| BASE64_STANDARD.decode(text).unwrap())
}

impl State {
    fn machine(&mut self, uuid: &str) -> Option<&mut Machine> {
        self.park.machines.iter_mut().find(|machine| machine.uuid == uuid)
    }

    /// The disk of this UUID.
    pub(crate) fn disk(&self, uuid: &str) -> Option<(Vec<u8>, bool)> {
        let found = self.park.machines.iter().find(|machine| machine.disk_uuid == uuid);
        found.map(|machine| (machine.disk.clone(), machine.on))
    }

    /// Adds a machine with a copy of its image, or has the task of that fail.
    fn add(&mut self, mut machine: Machine, kind: &'static str) -> (String, String) {
        (machine.uuid, machine.disk_uuid) = (fresh(), fresh());
        machine.cd = machine.user_data.is_some();
        let uuid = machine.uuid.clone();
        let image = self.images.iter().find(|image| image.uuid == machine.image);
        let trouble = match image {
            None => Some("The image does not exist.".to_owned()),
            Some(_) => self.park.fail.clone(),
        };
        if let Some(image) = image {
            machine.disk.clone_from(&image.bytes);
            machine.disk_bytes = machine.disk_bytes.max(image.bytes.len() as u64);
        }
        if let Some(why) = trouble {
            if kind == "vm" {
                // What failed stays, and says so.
                machine.error = Some(why.clone());
                self.park.machines.push(machine);
            }
            return (uuid, self.task(Err(why)));
        }
        self.park.machines.push(machine);
        let task = self.task(Ok((kind, uuid.clone())));
        (uuid, task)
    }

    fn set_power(&mut self, uuid: &str, on: bool) {
        let addresses = self.park.addresses.clone();
        if let Some(machine) = self.machine(uuid) {
            machine.on = on;
            machine.version += 1;
            machine.pressed = false;
            machine.addresses = if on { addresses } else { Vec::new() };
        }
    }

    fn press(&mut self, uuid: &str) {
        let deaf = self.park.deaf;
        if let Some(machine) = self.machine(uuid) {
            machine.pressed = true;
        }
        if !deaf {
            self.set_power(uuid, false);
        }
    }
}

/// Calls of v3 that are about these.
pub(super) fn v3(state: &mut State, call: &Call, parts: &[&str], body: &Value) -> Option<Answer> {
    let missing = || v3_error(404, "ENTITY_NOT_FOUND", "The VM does not exist.");
    Some(match (call.method.as_str(), parts) {
        ("POST", ["subnets", "list"]) => {
            let entries = state.park.subnets.iter().map(|(uuid, name, cluster)| {
                let mut status = json!({ "state": "COMPLETE", "name": name, "resources": {} });
                if !cluster.is_empty() {
                    status["cluster_reference"] = json!({ "kind": "cluster", "uuid": cluster });
                }
                json!({ "metadata": { "kind": "subnet", "uuid": uuid }, "spec": { "name": name }, "status": status })
            });
            listed(state.page, body, "subnet", entries.collect())
        }
        ("POST", ["projects", "list"]) => {
            let entries = state.park.projects.iter().map(|(uuid, name)| {
                json!({ "metadata": { "kind": "project", "uuid": uuid }, "spec": { "name": name },
                    "status": { "state": "COMPLETE", "name": name } })
            });
            listed(state.page, body, "project", entries.collect())
        }
        ("POST", ["vms", "list"]) => {
            let wanted = body["filter"].as_str().and_then(|filter| filter.strip_prefix("vm_name=="));
            let all = state.park.machines.iter();
            let entries =
                all.filter(|machine| wanted.is_none_or(|name| name == machine.name)).map(v3_machine);
            listed(state.page, body, "vm", entries.collect())
        }
        ("POST", ["vms"]) => {
            let (spec, metadata) = (&body["spec"], &body["metadata"]);
            let resources = &spec["resources"];
            let disk = &resources["disk_list"][0];
            let mut categories = Vec::new();
            for (key, values) in metadata["categories_mapping"].as_object().cloned().unwrap_or_default() {
                categories.extend(list(&values).iter().map(|value| format!("{key}={}", text(value))));
            }
            let machine = Machine {
                name: text(&spec["name"]),
                description: text(&spec["description"]),
                cluster: text(&spec["cluster_reference"]["uuid"]),
                project: metadata["project_reference"]["uuid"].as_str().map(ToOwned::to_owned),
                categories,
                subnets: list(&resources["nic_list"])
                    .iter()
                    .map(|nic| text(&nic["subnet_reference"]["uuid"]))
                    .collect(),
                image: text(&disk["data_source_reference"]["uuid"]),
                disk_bytes: disk["disk_size_mib"].as_u64().unwrap_or_default() << 20,
                user_data: decoded(&resources["guest_customization"]["cloud_init"]["user_data"]),
                boot: text(&resources["boot_config"]["boot_type"]),
                cpus: (
                    resources["num_sockets"].as_u64().unwrap(),
                    resources["num_vcpus_per_socket"].as_u64().unwrap(),
                ),
                memory: resources["memory_size_mib"].as_u64().unwrap() << 20,
                ..Machine::default()
            };
            let (uuid, task) = state.add(machine, "vm");
            of(
                202,
                &json!({ "api_version": "3.1", "spec": spec,
                "status": { "state": "PENDING", "execution_context": { "task_uuid": task } },
                "metadata": { "kind": "vm", "uuid": uuid, "spec_version": 0, "use_categories_mapping": false } }),
            )
        }
        ("GET", ["vms", uuid]) => {
            state.machine(uuid).map_or_else(missing, |machine| of(200, &v3_machine(machine)))
        }
        ("PUT", ["vms", uuid]) => {
            let Some(machine) = state.machine(uuid) else { return Some(missing()) };
            if body["metadata"]["spec_version"] != machine.version {
                return Some(v3_error(
                    409,
                    "CONCURRENT_REQUESTS_NOT_ALLOWED",
                    "Edit conflict: spec version mismatch.",
                ));
            }
            // All else must be as it was told.
            let mut told = v3_machine(machine)["spec"].clone();
            told["resources"]["power_state"] = body["spec"]["resources"]["power_state"].clone();
            told["resources"]["power_state_mechanism"] =
                body["spec"]["resources"]["power_state_mechanism"].clone();
            if told != body["spec"] {
                return Some(v3_error(422, "INVALID_REQUEST", "Something else was changed, too."));
            }
            state.set_power(uuid, body["spec"]["resources"]["power_state"] == "ON");
            let task = state.task(Ok(("vm", (*uuid).to_owned())));
            of(
                202,
                &json!({ "api_version": "3.1", "spec": body["spec"], "metadata": body["metadata"],
                "status": { "state": "PENDING", "execution_context": { "task_uuid": task } } }),
            )
        }
        ("POST", ["vms", uuid, "acpi_shutdown"]) => {
            if state.machine(uuid).is_none() {
                return Some(missing());
            }
            state.press(uuid);
            let task = state.task(Ok(("vm", (*uuid).to_owned())));
            of(202, &json!({ "task_uuid": task }))
        }
        ("DELETE", ["vms", uuid]) => {
            if state.machine(uuid).is_none() {
                return Some(missing());
            }
            state.park.machines.retain(|machine| machine.uuid != *uuid);
            let task = state.task(Ok(("vm", (*uuid).to_owned())));
            of(
                202,
                &json!({ "status": { "state": "DELETE_PENDING", "execution_context": { "task_uuid": task } },
                "spec": "", "api_version": "3.1", "metadata": { "kind": "vm", "uuid": uuid } }),
            )
        }
        _ => return None,
    })
}

fn v3_machine(machine: &Machine) -> Value {
    let ends: Vec<Value> =
        machine.addresses.iter().map(|ip| json!({ "type": "ASSIGNED", "ip": ip })).collect();
    let nics: Vec<Value> = machine
        .subnets
        .iter()
        .map(|subnet| {
            json!({ "nic_type": "NORMAL_NIC", "vlan_mode": "ACCESS", "trunked_vlan_list": [], "num_queues": 1,
                "mac_address": "50:6b:8d:24:19:54", "ip_endpoint_list": ends, "is_connected": true,
                "subnet_reference": { "kind": "subnet", "uuid": subnet } })
        })
        .collect();
    let disks = json!([{
        "uuid": machine.disk_uuid, "disk_size_bytes": machine.disk_bytes, "disk_size_mib": machine.disk_bytes >> 20,
        "device_properties": { "disk_address": { "adapter_type": "SCSI", "device_index": 0 }, "device_type": "DISK" },
        "data_source_reference": { "kind": "image", "uuid": machine.image },
    }, {
        // The server's own, with what cloud-init is told.
        "uuid": CD, "disk_size_mib": 1,
        "device_properties": { "disk_address": { "adapter_type": "IDE", "device_index": 3 }, "device_type": "CDROM" },
    }]);
    let resources = json!({
        "num_sockets": machine.cpus.0, "num_vcpus_per_socket": machine.cpus.1, "num_threads_per_core": 1,
        "memory_size_mib": machine.memory >> 20, "power_state": if machine.on { "ON" } else { "OFF" },
        "power_state_mechanism": { "mechanism": "HARD", "guest_transition_config": { "enable_script_exec": false } },
        "hardware_clock_timezone": "UTC", "machine_type": "PC", "boot_config": { "boot_type": machine.boot },
        "disk_list": disks, "nic_list": nics, "gpu_list": [], "serial_port_list": [], "vga_console_enabled": true,
    });
    let cluster = json!({ "kind": "cluster", "name": "PE-cluster", "uuid": machine.cluster });
    let mut status = json!({ "name": machine.name, "description": machine.description, "state": "COMPLETE",
        "resources": resources, "cluster_reference": cluster });
    if let Some(why) = &machine.error {
        status = json!({ "name": machine.name, "state": "ERROR", "resources": {},
            "message_list": [{ "message": why, "reason": "INTERNAL_ERROR" }] });
    }
    json!({
        "metadata": { "kind": "vm", "uuid": machine.uuid, "spec_version": machine.version, "categories": {},
            "categories_mapping": {}, "creation_time": "2025-06-07T18:23:52Z", "entity_version": "1" },
        "spec": { "name": machine.name, "description": machine.description, "resources": resources,
            "cluster_reference": cluster },
        "status": status,
    })
}

fn task_answer(state: &mut State, end: Result<(&'static str, String), String>) -> Answer {
    let task = state.task(end);
    of(
        202,
        &json!({ "data": { "$objectType": "prism.v4.config.TaskReference", "extId": format!("ZXJnb24=:{task}") } }),
    )
}

fn with_etag(value: &Value, uuid: &str, version: u64) -> Answer {
    let mut answer = of(200, &json!({ "data": value }));
    answer.headers.push(("etag", etag(&format!("{uuid}-{version}"))));
    answer
}

/// Who changes something says what it was like, and it is like that still.
fn wrong_state(call: &Call, uuid: &str, version: u64) -> Option<Answer> {
    match call.header("if-match") {
        Some(said) if said == etag(&format!("{uuid}-{version}")) => None,
        Some(_) => Some(v4_error(412, "VMM-412", "The entity has changed.")),
        None => Some(v4_error(428, "VMM-428", "If-Match is missing.")),
    }
}

fn v4_new(body: &Value) -> Machine {
    let disk = &body["disks"][0]["backingInfo"];
    Machine {
        name: text(&body["name"]),
        description: text(&body["description"]),
        cluster: text(&body["cluster"]["extId"]),
        project: body["project"]["extId"].as_str().map(ToOwned::to_owned),
        categories: list(&body["categories"]).iter().map(|one| text(&one["extId"])).collect(),
        subnets: list(&body["nics"]).iter().map(|nic| text(&nic["networkInfo"]["subnet"]["extId"])).collect(),
        image: text(&disk["dataSource"]["reference"]["imageExtId"]),
        disk_bytes: disk["diskSizeBytes"].as_u64().unwrap_or_default(),
        user_data: decoded(&body["guestCustomization"]["config"]["cloudInitScript"]["value"]),
        boot: text(&body["bootConfig"]["$objectType"]),
        cpus: (body["numSockets"].as_u64().unwrap(), body["numCoresPerSocket"].as_u64().unwrap()),
        memory: body["memorySizeBytes"].as_u64().unwrap(),
        ..Machine::default()
    }
}

/// Calls of v4 that are about these.
pub(super) fn v4(state: &mut State, call: &Call, parts: &[&str], body: &Value) -> Option<Answer> {
    const VM: &str = "vmm:ahv:config:vm";
    let missing = || v4_error(404, "VMM-30100", "The requested entity does not exist.");
    let wanted = |field: &str| {
        let filter = call.parameter("$filter")?;
        let name = filter.strip_prefix(&format!("{field} eq '"))?.strip_suffix('\'')?;
        Some(name.replace("''", "'"))
    };
    Some(match (call.method.as_str(), parts) {
        ("GET", ["networking", "v4.0", "config", "subnets"]) => {
            let entries = state.park.subnets.iter().map(|(uuid, name, cluster)| {
                let mut entry =
                    json!({ "$objectType": "networking.v4.config.Subnet", "extId": uuid, "name": name });
                if !cluster.is_empty() {
                    entry["clusterReference"] = cluster.as_str().into();
                }
                entry
            });
            paged(call, entries.collect())
        }
        ("GET", ["vmm", "v4.0", "ahv", "config", "vms"]) => {
            let name = wanted("name");
            let all = state.park.machines.iter();
            let some = all.filter(|machine| name.as_ref().is_none_or(|name| *name == machine.name));
            paged(call, some.map(v4_machine).collect())
        }
        ("POST", ["vmm", "v4.0" | "v4.1", "ahv", "config", "vms"]) => {
            let (_, task) = state.add(v4_new(body), VM);
            of(
                202,
                &json!({ "data": { "$objectType": "prism.v4.config.TaskReference", "extId": format!("ZXJnb24=:{task}") } }),
            )
        }
        ("GET", ["vmm", "v4.0", "ahv", "config", "vms", uuid]) => {
            let Some(machine) = state.machine(uuid) else { return Some(missing()) };
            with_etag(&v4_machine(machine), uuid, machine.version)
        }
        ("GET", ["vmm", "v4.0", "ahv", "config", "vms", uuid, "cd-roms", CD]) => {
            let Some(machine) = state.machine(uuid).filter(|machine| machine.cd) else {
                return Some(missing());
            };
            with_etag(&json!({ "extId": CD }), uuid, machine.version)
        }
        (method, ["vmm", "v4.0", "ahv", "config", "vms", uuid, rest @ ..]) => {
            let Some(machine) = state.machine(uuid) else { return Some(missing()) };
            if let Some(wrong) = wrong_state(call, uuid, machine.version) {
                return Some(wrong);
            }
            match (method, rest) {
                ("DELETE", []) => state.park.machines.retain(|machine| machine.uuid != *uuid),
                ("DELETE", ["cd-roms", CD]) => machine.cd = false,
                ("POST", ["$actions", "power-on"]) => state.set_power(uuid, true),
                ("POST", ["$actions", "power-off"]) => state.set_power(uuid, false),
                ("POST", ["$actions", "shutdown"]) => state.press(uuid),
                _ => return None,
            }
            task_answer(state, Ok((VM, (*uuid).to_owned())))
        }
        (method, ["vmm", "v4.0", "content", "templates", rest @ ..]) => {
            content(state, call, method, rest, body, true)?
        }
        (method, ["vmm", "v4.1", "content", "ovas", rest @ ..]) => {
            content(state, call, method, rest, body, false)?
        }
        _ => return None,
    })
}

/// Templates and OVAs are much alike.
fn content(
    state: &mut State,
    call: &Call,
    method: &str,
    rest: &[&str],
    body: &Value,
    template: bool,
) -> Option<Answer> {
    let (field, rel) =
        if template { ("templateName", "vmm:content:template") } else { ("name", "vmm:content:ova") };
    let all = |state: &mut State| {
        if template { state.park.templates.clone() } else { state.park.ovas.clone() }
    };
    let set = |state: &mut State, now: Vec<Content>| {
        if template { state.park.templates = now } else { state.park.ovas = now }
    };
    let shown = |one: &Content| {
        if template {
            json!({ "$objectType": "vmm.v4.content.Template", "extId": one.uuid, "templateName": one.name,
                "templateDescription": one.description, "createTime": "2025-06-07T18:23:52Z",
                "templateVersionSpec": { "versionName": "1", "vmSpec": v4_machine(&one.machine) } })
        } else {
            json!({ "$objectType": "vmm.v4.content.Ova", "extId": one.uuid, "name": one.name,
                "parentVm": one.machine.name, "diskFormat": "QCOW2", "links": [] })
        }
    };
    let mut known = all(state);
    if rest.is_empty() && method == "GET" {
        let filter = call.parameter("$filter").unwrap_or_default().to_owned();
        let some = known.iter().filter(|one| {
            filter.is_empty() || filter == format!("{field} eq '{}'", one.name.replace('\'', "''"))
        });
        return Some(paged(call, some.map(shown).collect()));
    }
    if rest.is_empty() && method == "POST" {
        let source = if template {
            &body["templateVersionSpec"]["versionSource"]["extId"]
        } else {
            &body["source"]["vmExtId"]
        };
        let Some(machine) = state.machine(source.as_str().unwrap_or_default()).cloned() else {
            return Some(task_answer(state, Err("The VM does not exist.".to_owned())));
        };
        if machine.on {
            return Some(task_answer(state, Err("The VM is not off.".to_owned())));
        }
        if let Some(why) = state.fail.clone() {
            return Some(task_answer(state, Err(why)));
        }
        let made = Content {
            uuid: fresh(),
            name: text(&body[field]),
            description: text(&body["templateDescription"]),
            machine,
            version: 0,
        };
        let uuid = made.uuid.clone();
        known.push(made);
        set(state, known);
        return Some(task_answer(state, Ok((rel, uuid))));
    }
    let uuid = *rest.first()?;
    let Some(at) = known.iter().position(|one| one.uuid == uuid) else {
        return Some(v4_error(404, "VMM-30100", "The requested entity does not exist."));
    };
    if method == "GET" && rest.len() == 1 {
        return Some(with_etag(&shown(&known[at]), uuid, known[at].version));
    }
    if let Some(wrong) = wrong_state(call, uuid, known[at].version) {
        return Some(wrong);
    }
    match (method, &rest[1..]) {
        ("DELETE", []) => {
            known.remove(at);
        }
        ("PUT", []) => {
            known[at].name = text(&body[field]);
            known[at].version += 1;
        }
        ("POST", ["$actions", "deploy"]) if template => {
            let change = &body["overrideVmConfigMap"]["0"];
            let original = known[at].machine.clone();
            let nics = list(&change["nics"]);
            let machine = Machine {
                name: text(&change["name"]),
                subnets: nics.iter().map(|nic| text(&nic["networkInfo"]["subnet"]["extId"])).collect(),
                user_data: decoded(&change["guestCustomization"]["config"]["cloudInitScript"]["value"]),
                cluster: text(&body["clusterReference"]),
                version: 0,
                ..original
            };
            // Its disk comes from the template, and not from the image any more.
            let disk = machine.disk.clone();
            let bytes = Kept { uuid: fresh(), bytes: disk, ..Kept::default() };
            let machine = Machine { image: bytes.uuid.clone(), ..machine };
            let image = bytes.uuid.clone();
            state.images.push(bytes);
            let (uuid, task) = state.add(machine, "vmm:ahv:config:vm");
            state.images.retain(|known| known.uuid != image);
            drop(uuid);
            return Some(of(
                202,
                &json!({ "data": { "$objectType": "prism.v4.config.TaskReference", "extId": format!("ZXJnb24=:{task}") } }),
            ));
        }
        _ => return None,
    }
    set(state, known);
    if method == "PUT" && !template {
        return Some(task_answer(state, Ok((rel, uuid.to_owned()))));
    }
    Some(task_answer(state, Ok((rel, uuid.to_owned()))))
}

fn v4_machine(machine: &Machine) -> Value {
    let (first, learned) = machine.addresses.split_first().unzip();
    let learned: Vec<Value> =
        learned.unwrap_or_default().iter().map(|ip| json!({ "value": ip, "prefixLength": 32 })).collect();
    let nics: Vec<Value> = machine
        .subnets
        .iter()
        .map(|subnet| {
            let mut info =
                json!({ "nicType": "NORMAL_NIC", "subnet": { "extId": subnet }, "vlanMode": "ACCESS" });
            if let Some(ip) = first {
                info["ipv4Config"] = json!({ "ipAddress": { "value": ip, "prefixLength": 32 } });
                info["ipv4Info"] = json!({ "learnedIpAddresses": learned });
            }
            json!({ "extId": "22a6684a-c8be-49f8-b679-5fca3ac1d4ae",
                "backingInfo": { "model": "VIRTIO", "isConnected": true }, "networkInfo": info })
        })
        .collect();
    let cds: Vec<Value> = machine.cd.then(|| json!({ "extId": CD })).into_iter().collect();
    json!({
        "$objectType": "vmm.v4.ahv.config.Vm", "extId": machine.uuid, "name": machine.name,
        "description": machine.description, "numSockets": machine.cpus.0, "numCoresPerSocket": machine.cpus.1,
        "memorySizeBytes": machine.memory, "powerState": if machine.on { "ON" } else { "OFF" },
        "cluster": { "extId": machine.cluster }, "nics": nics,
        "disks": [{ "extId": machine.disk_uuid, "diskAddress": { "busType": "SCSI", "index": 0 },
            "backingInfo": { "$objectType": "vmm.v4.ahv.config.VmDisk", "diskSizeBytes": machine.disk_bytes } }],
        "cdRoms": cds,
    })
}
