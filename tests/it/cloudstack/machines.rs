//! Machines of the cloud, and what they are made with: offerings, networks, public addresses and their rules.
use super::cloud::{Call, Cloud, Refusal, ZONES, gone, list};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The type of system of what builds start from.
pub(crate) const OS_TYPE: u128 = 900;

/// A machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) id: String,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) state: &'static str,
    pub(crate) address: Option<String>,
    pub(crate) iso: Option<String>,
    pub(crate) job: String,
    /// What is on its disk when it is off.
    pub(crate) disk: Vec<u8>,
}

/// A network.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) services: Vec<&'static str>,
    pub(crate) vpc: bool,
}

/// A public address.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) id: String,
    pub(crate) ip: String,
    pub(crate) network: String,
    pub(crate) source_nat: bool,
    pub(crate) tags: Vec<(String, String)>,
}

/// A rule of an address.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) port: String,
    /// Where it leads, or nowhere if it only lets somebody in.
    pub(crate) machine: Option<String>,
    pub(crate) to: String,
    pub(crate) cidrs: String,
}

#[derive(Debug)]
pub(crate) struct Machines {
    pub(crate) all: Vec<Machine>,
    pub(crate) networks: Vec<Net>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) may_expunge: bool,
    pub(crate) is_admin: bool,
    /// Calls that the account may not make.
    pub(crate) denied: BTreeSet<&'static str>,
    /// What the next public address is.
    pub(crate) next_ip: Option<String>,
    /// Machines get no address.
    pub(crate) no_addresses: bool,
    /// Somebody else runs the machines: one that is stopped is off when they say so.
    pub(crate) hosted: bool,
    /// Names of the media that there are.
    pub(crate) isos: Vec<(String, &'static str)>,
    /// Disks of machines that are too large to be kept here.
    pub(crate) files: BTreeMap<String, std::path::PathBuf>,
    /// What was put where it can be fetched.
    extracted: BTreeMap<String, Vec<u8>>,
}

impl Default for Machines {
    fn default() -> Self {
        let net = |number, name, services: &[&'static str]| Net {
            id: Uuid::from_u128(number).to_string(),
            name,
            services: services.to_vec(),
            vpc: false,
        };
        Self {
            all: Vec::new(),
            networks: vec![net(0x77, "build-net", &["Dhcp", "UserData", "PortForwarding", "Firewall"])],
            addresses: Vec::new(),
            rules: Vec::new(),
            may_expunge: true,
            is_admin: false,
            denied: BTreeSet::new(),
            next_ip: None,
            no_addresses: false,
            hosted: false,
            isos: vec![(Uuid::from_u128(0x150).to_string(), "installer")],
            files: BTreeMap::new(),
            extracted: BTreeMap::new(),
        }
    }
}

impl Machines {
    pub(crate) fn of_template(&self, id: &str) -> bool {
        self.all.iter().any(|machine| machine.params.get("templateid").map(String::as_str) == Some(id))
    }

    pub(crate) fn is_off(&self, id: &str) -> bool {
        self.all.iter().all(|machine| machine.id != id || machine.state == "Stopped")
    }

    pub(crate) fn extracted(&self, id: &str) -> Option<Vec<u8>> {
        let extracted = self.extracted.get(id)?;
        Some(self.files.get(id).map_or_else(|| extracted.clone(), |file| std::fs::read(file).unwrap()))
    }

    fn get(&mut self, id: &str) -> Result<&mut Machine, Refusal> {
        self.all
            .iter_mut()
            .find(|machine| machine.id == id && machine.state != "Destroyed")
            .ok_or_else(|| gone("id", id))
    }
}

/// Offerings: name, whether it is customized, CPUs and memory.
const OFFERINGS: [(u128, &str, bool); 4] =
    [(0x51, "Small", false), (0x52, "Custom", true), (0x53, "twin", false), (0x54, "Twin", false)];

impl Cloud {
    /// A template that is ready in the first zone.
    pub(crate) fn source(&mut self, name: &str, bytes: Vec<u8>) -> String {
        let params = [
            ("name", name),
            ("displaytext", name),
            ("format", "QCOW2"),
            ("hypervisor", "KVM"),
            ("ostypeid", &Uuid::from_u128(OS_TYPE).to_string()),
        ];
        let params = params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let call = Call { command: "registerTemplate".to_owned(), params };
        let id = self.make(&call, vec![(ZONES[0].0.to_owned(), 0)], "Active");
        self.templates.last_mut().unwrap().bytes = bytes;
        id
    }

    /// A call whose job makes something that has this identifier.
    fn making(&mut self, call: &Call, id: &str, result: Value) -> Value {
        let mut answer = self.job(call, result);
        answer["id"] = json!(id);
        answer
    }

    pub(crate) fn tag_address(&mut self, call: &Call, id: &str) -> Result<Value, Refusal> {
        let own = |key: &str| call.params.get(key).cloned().unwrap_or_default();
        let found = self.machines.addresses.iter_mut().find(|address| address.id == id);
        let address = found.ok_or_else(|| gone("resourceids", id))?;
        address.tags.push((own("tags[0].key"), own("tags[0].value")));
        Ok(self.job(call, json!({"success": true})))
    }

    pub(crate) fn act_on_machines(&mut self, call: &Call) -> Result<Value, Refusal> {
        let param = |name: &str| call.params.get(name).cloned();
        let own = |name: &str| param(name).unwrap_or_default();
        let machines = &mut self.machines;
        match call.command.as_str() {
            "listApis" => {
                let text = include_str!("apis.json");
                let known: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
                let may = known.keys().filter(|name| !machines.denied.contains(name.as_str()));
                Ok(list("api", may.map(|name| json!({"name": name, "isasync": false})).collect()))
            }
            "listCapabilities" => {
                let may = machines.may_expunge;
                Ok(json!({"capability": {"cloudstackversion": "4.19.1", "allowuserexpungerecovervm": may}}))
            }
            "listServiceOfferings" => {
                let shown = OFFERINGS.iter().map(|(id, name, customized)| {
                    let id = Uuid::from_u128(*id).to_string();
                    if *customized {
                        json!({"id": id, "name": name, "displaytext": name, "iscustomized": true, "cpuspeed": 1000})
                    } else {
                        json!({"id": id, "name": name, "displaytext": name, "iscustomized": false,
                            "cpunumber": 2, "cpuspeed": 1000, "memory": 1024})
                    }
                });
                Ok(list("serviceoffering", shown.collect()))
            }
            "listDiskOfferings" => {
                let id = |number| Uuid::from_u128(number).to_string();
                Ok(list(
                    "diskoffering",
                    vec![
                        json!({"id": id(0xd1), "name": "8 GB", "displaytext": "8 GB", "disksize": 8, "iscustomized": false}),
                        json!({"id": id(0xd2), "name": "Any", "displaytext": "Any", "disksize": 0, "iscustomized": true}),
                    ],
                ))
            }
            "listNetworks" => Ok(list("network", machines.networks.iter().map(shown_network).collect())),
            "listSecurityGroups" => Ok(list(
                "securitygroup",
                vec![json!({"id": Uuid::from_u128(0x59).to_string(), "name": "default"})],
            )),
            "listIsos" => {
                let isos = machines.isos.iter().map(|(id, name)| {
                    json!({"id": id, "name": name, "displaytext": name, "isready": true, "bootable": true,
                        "zoneid": ZONES[0].0, "zonename": ZONES[0].1, "size": 5_242_880,
                        "ostypeid": Uuid::from_u128(OS_TYPE).to_string(), "ostypename": "Red Hat Enterprise Linux 9"})
                });
                Ok(list("iso", isos.collect()))
            }
            "deployVirtualMachine" => self.deploy(call),
            "listVirtualMachines" => self.list_machines(call),
            "startVirtualMachine" => {
                let address = (!machines.no_addresses).then(|| "127.0.0.1".to_owned());
                let machine = machines.get(&own("id"))?;
                machine.state = "Running";
                machine.address = machine.address.take().or(address);
                let shown = shown_machine(machine);
                Ok(self.job(call, json!({"virtualmachine": shown})))
            }
            "stopVirtualMachine" => {
                let hosted = machines.hosted && own("forced") != "true";
                let id = own("id");
                let machine = machines.get(&id)?;
                machine.state = if hosted && machine.state == "Running" { "Stopping" } else { "Stopped" };
                let shown = shown_machine(machine);
                let answer = self.job(call, json!({"virtualmachine": shown}));
                self.change_job(&answer, |job| job.until_off = hosted.then_some(id));
                Ok(answer)
            }
            "destroyVirtualMachine" => {
                let id = own("id");
                let expunge = own("expunge") == "true";
                let may = machines.may_expunge;
                let machine = machines.get(&id)?;
                if expunge && !may {
                    let text = "Account does not have permission for expunging.";
                    let answer = self.job(call, Value::Null);
                    self.change_job(&answer, |job| job.result = Err((530, text.to_owned())));
                    return Ok(answer);
                }
                machine.state = "Destroyed";
                if expunge {
                    machines.all.retain(|machine| machine.id != id);
                    machines.rules.retain(|rule| rule.machine.as_ref() != Some(&id));
                }
                Ok(self.job(call, json!({"success": true})))
            }
            "detachIso" => {
                let machine = machines.get(&own("virtualmachineid"))?;
                machine.iso = None;
                let shown = shown_machine(machine);
                Ok(self.job(call, json!({"virtualmachine": shown})))
            }
            "listVolumes" => {
                let id = own("virtualmachineid");
                machines.get(&id)?;
                let volume = json!({"id": id, "name": format!("ROOT-{}", &id[..4]), "type": "ROOT", "deviceid": 0,
                    "virtualmachineid": id, "state": "Ready", "size": 8_u64 << 30, "isextractable": true});
                Ok(list("volume", vec![volume]))
            }
            "createTemplate" => {
                let machine = machines.get(&own("volumeid"))?;
                if machine.state != "Stopped" {
                    return Err((431, "the volume is in use".to_owned()));
                }
                let (zone, disk) = (machine.params["zoneid"].clone(), machine.disk.clone());
                let id = self.make(call, vec![(zone, 2)], "Active");
                self.templates.last_mut().unwrap().bytes = disk;
                Ok(self.making(call, &id, json!({"template": {"id": id, "name": own("name")}})))
            }
            "extractVolume" => {
                let id = own("id");
                let machine = machines.get(&id)?;
                if machine.state != "Stopped" {
                    return Err((431, "Invalid state of the volume: it should be either detached or the VM should be in stopped state.".to_owned()));
                }
                let disk = machine.disk.clone();
                machines.extracted.insert(id.clone(), disk);
                let url = format!("http://{}/userdata/{id}.qcow2", self.address);
                let told = json!({"id": id, "extractMode": "HTTP_DOWNLOAD", "state": "DOWNLOAD_URL_CREATED", "url": url});
                Ok(self.job(call, json!({"volume": told})))
            }
            _ => self.act_on_addresses(call),
        }
    }

    fn deploy(&mut self, call: &Call) -> Result<Value, Refusal> {
        let own = |name: &str| call.params.get(name).cloned().unwrap_or_default();
        let iso = self.machines.isos.iter().any(|(id, _)| *id == own("templateid"));
        let disk = self.templates.iter().find(|template| template.id == own("templateid"));
        let disk = match (disk, iso) {
            (Some(template), _) => template.bytes.clone(),
            (None, true) => vec![0; 1 << 20],
            (None, false) => return Err(gone("templateid", &own("templateid"))),
        };
        if iso && (own("diskofferingid").is_empty() || own("hypervisor").is_empty()) {
            return Err((431, "hypervisor and disk offering are required for ISOs".to_owned()));
        }
        let custom = own("serviceofferingid") == Uuid::from_u128(0x52).to_string();
        if custom && (own("details[0].cpuNumber").is_empty() || own("details[0].memory").is_empty()) {
            return Err((431, "Need to specify custom parameter values cpu and memory".to_owned()));
        }
        if self.machines.all.iter().any(|machine| machine.params["name"] == own("name")) {
            return Err((431, format!("The vm with hostName {} already exists", own("name"))));
        }
        let id = Uuid::new_v4().to_string();
        let machine = Machine {
            id: id.clone(),
            params: call.params.clone(),
            state: if own("startvm") == "false" { "Stopped" } else { "Running" },
            address: None,
            iso: iso.then(|| own("templateid")),
            job: String::new(),
            disk,
        };
        let answer = self.making(call, &id, json!({"virtualmachine": shown_machine(&machine)}));
        let job = answer["jobid"].as_str().unwrap().to_owned();
        self.machines.all.push(Machine { job, ..machine });
        Ok(answer)
    }

    fn list_machines(&mut self, call: &Call) -> Result<Value, Refusal> {
        let param = |name: &str| call.params.get(name);
        if let Some(id) = param("id")
            && !self.machines.all.iter().any(|machine| machine.id == *id)
        {
            return Err(gone("id", id));
        }
        let is = |machine: &&Machine| {
            param("id").is_none_or(|id| *id == machine.id)
                && param("name").is_none_or(|name| machine.params["name"].contains(name.as_str()))
                && param("projectid") == machine.params.get("projectid")
        };
        let mut all = Vec::new();
        for machine in self.machines.all.iter().filter(is) {
            let mut shown = shown_machine(machine);
            if let Some(job) = self.jobs.get_mut(&machine.job) {
                // Whoever does not ask for the job sees it end, too.
                shown["jobid"] = json!(machine.job);
                shown["jobstatus"] = json!(u8::from(job.looks == 0));
                job.looks = job.looks.saturating_sub(1);
            }
            all.push(shown);
        }
        Ok(if all.is_empty() { json!({}) } else { list("virtualmachine", all) })
    }

    fn act_on_addresses(&mut self, call: &Call) -> Result<Value, Refusal> {
        let own = |name: &str| call.params.get(name).cloned().unwrap_or_default();
        let machines = &mut self.machines;
        match call.command.as_str() {
            "listPublicIpAddresses" => {
                let network = own("associatednetworkid");
                let of = |address: &&Address| network.is_empty() || address.network == network;
                let all: Vec<Value> = machines.addresses.iter().filter(of).map(shown_address).collect();
                Ok(if all.is_empty() { json!({}) } else { list("publicipaddress", all) })
            }
            "associateIpAddress" => {
                let id = Uuid::new_v4().to_string();
                let number = machines.addresses.len() + 7;
                let ip = machines.next_ip.clone().unwrap_or_else(|| format!("203.0.113.{number}"));
                let (network, tags) = (own("networkid"), Vec::new());
                machines.addresses.push(Address { id: id.clone(), ip, network, source_nat: false, tags });
                let shown = shown_address(machines.addresses.last().unwrap());
                Ok(self.making(call, &id, json!({"ipaddress": shown})))
            }
            "disassociateIpAddress" => {
                let id = own("id");
                if !machines.addresses.iter().any(|address| address.id == id) {
                    return Err(gone("id", &id));
                }
                machines.addresses.retain(|address| address.id != id);
                machines.rules.retain(|rule| rule.address != id);
                Ok(self.job(call, json!({"success": true})))
            }
            "listPortForwardingRules" | "listFirewallRules" => {
                let forwards = call.command == "listPortForwardingRules";
                let of =
                    |rule: &&Rule| rule.address == own("ipaddressid") && rule.machine.is_some() == forwards;
                let all: Vec<Value> = machines.rules.iter().filter(of).map(shown_rule).collect();
                let field = if forwards { "portforwardingrule" } else { "firewallrule" };
                Ok(if all.is_empty() { json!({}) } else { list(field, all) })
            }
            "createPortForwardingRule" | "createFirewallRule" => {
                let forwards = call.command == "createPortForwardingRule";
                let (address, port) =
                    (own("ipaddressid"), own(if forwards { "publicport" } else { "startport" }));
                if !machines.addresses.iter().any(|known| known.id == address) {
                    return Err(gone("ipaddressid", &address));
                }
                let same = |rule: &Rule| {
                    rule.address == address && rule.port == port && rule.machine.is_some() == forwards
                };
                if let Some(rule) = machines.rules.iter().find(|rule| same(rule)) {
                    let text = format!("The range specified, {port}-{port}, conflicts with rule {}", rule.id);
                    return Err((537, text));
                }
                let rule = Rule {
                    id: Uuid::new_v4().to_string(),
                    address,
                    port,
                    machine: forwards.then(|| own("virtualmachineid")),
                    to: own("privateport"),
                    cidrs: own("cidrlist"),
                };
                let (id, shown) = (rule.id.clone(), shown_rule(&rule));
                machines.rules.push(rule);
                let field = if forwards { "portforwardingrule" } else { "firewallrule" };
                Ok(self.making(call, &id, json!({ field: shown })))
            }
            "deletePortForwardingRule" | "deleteFirewallRule" => {
                let id = own("id");
                if !machines.rules.iter().any(|rule| rule.id == id) {
                    return Err(gone("id", &id));
                }
                machines.rules.retain(|rule| rule.id != id);
                Ok(self.job(call, json!({"success": true})))
            }
            other => Err((432, format!("The given command {other} does not exist"))),
        }
    }
}

fn shown_network(net: &Net) -> Value {
    let services: Vec<Value> = net.services.iter().map(|name| json!({"name": name})).collect();
    let mut shown = json!({
        "id": net.id, "name": net.name, "displaytext": net.name, "zoneid": ZONES[0].0, "zonename": ZONES[0].1,
        "type": "Isolated", "traffictype": "Guest", "state": "Implemented", "canusefordeploy": true,
        "service": services, "tags": [],
    });
    if net.vpc {
        shown["vpcid"] = json!(Uuid::from_u128(0x99).to_string());
    }
    shown
}

/// A machine, with what is read of recorded ones.
pub(crate) fn shown_machine(machine: &Machine) -> Value {
    let own = |name: &str| machine.params.get(name).cloned().unwrap_or_default();
    let mut nic = json!({
        "id": Uuid::from_u128(0x41).to_string(), "networkid": own("networkids"), "networkname": "build-net",
        "netmask": "255.255.255.0", "gateway": "10.1.1.1", "traffictype": "Guest", "type": "Isolated", "isdefault": true,
        "macaddress": "02:00:34:fb:00:01",
    });
    if let Some(address) = &machine.address {
        nic["ipaddress"] = json!(address);
    }
    let mut shown = json!({
        "id": machine.id, "name": own("name"), "displayname": own("displayname"), "account": "admin",
        "created": "2026-11-22T09:24:38+0000", "state": machine.state, "haenable": false, "zoneid": own("zoneid"),
        "zonename": "Zone-A", "templateid": own("templateid"), "passwordenabled": false,
        "serviceofferingid": own("serviceofferingid"), "rootdeviceid": 0, "rootdevicetype": "ROOT",
        "securitygroup": [], "nic": [nic], "hypervisor": "KVM", "tags": [],
    });
    if let Some(iso) = &machine.iso {
        shown["isoid"] = json!(iso);
    }
    shown
}

/// A public address, with what is read of recorded ones.
pub(crate) fn shown_address(address: &Address) -> Value {
    let tags: Vec<Value> =
        address.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({
        "id": address.id, "ipaddress": address.ip, "allocated": "2026-11-22T05:20:39+0000", "zoneid": ZONES[0].0,
        "zonename": ZONES[0].1, "issourcenat": address.source_nat, "isstaticnat": false, "account": "admin",
        "forvirtualnetwork": true, "associatednetworkid": address.network, "state": "Allocated", "tags": tags,
    })
}

/// A rule, with what is read of recorded ones.
pub(crate) fn shown_rule(rule: &Rule) -> Value {
    let mut shown = json!({
        "id": rule.id, "protocol": "tcp", "ipaddressid": rule.address, "ipaddress": "?", "state": "Active",
        "cidrlist": rule.cidrs,
    });
    if let Some(machine) = &rule.machine {
        for (key, value) in
            [("publicport", &rule.port), ("publicendport", &rule.port), ("privateport", &rule.to)]
        {
            shown[key] = json!(value);
        }
        shown["virtualmachineid"] = json!(machine);
    } else {
        shown["startport"] = json!(rule.port);
        shown["endport"] = json!(rule.port);
    }
    shown
}
