//! What a server tells of machines.
use super::{Power, Vm, VmDisk};
use crate::nutanix::{
    Dialect, Fault, Prism, PrismError, PrismErrorKind,
    call::{Answer, Call, escape},
};
use serde_json::{Value, json};
use std::net::IpAddr;

pub(super) const V4: &str = "api/vmm/v4.0/ahv/config/vms";
const V3: &str = "api/nutanix/v3/vms";

impl Prism {
    /// The machine of this UUID.
    pub async fn vm(&self, uuid: &str) -> Result<Vm, PrismError> {
        let attempt = format!("look at the machine {uuid}");
        Ok(self.look_at_vm(&attempt, uuid).await?.0)
    }

    /// The same, with its state for who changes exactly that.
    pub(super) async fn look_at_vm(
        &self,
        attempt: &str,
        uuid: &str,
    ) -> Result<(Vm, Option<String>), PrismError> {
        let Answer { mut value, etag } = self.send(Call::get(attempt, self.vm_path(uuid))).await?;
        if self.dialect() == Dialect::V4 {
            value = value["data"].take();
        }
        let vm = read(self.dialect(), value).ok_or_else(|| {
            PrismError::new(PrismErrorKind::Other, attempt).because("the answer tells of no machine")
        })?;
        Ok((vm, etag))
    }

    /// All machines of exactly this name.
    pub async fn vms_named(&self, name: &str) -> Result<Vec<Vm>, PrismError> {
        let all = self.vms(Some(name)).await?;
        Ok(all.into_iter().filter(|vm| vm.name == name).collect())
    }

    /// All machines; at least those of a name.
    pub async fn vms(&self, name: Option<&str>) -> Result<Vec<Vm>, PrismError> {
        let attempt = match name {
            Some(name) => format!("look for machines called `{name}`"),
            None => "list the machines".to_owned(),
        };
        let entries = match self.dialect() {
            Dialect::V3 => {
                let mut body = json!({ "kind": "vm" });
                if let Some(name) = name
                    && is_plain(name)
                {
                    body["filter"] = format!("vm_name=={name}").into();
                }
                self.list_v3(&attempt, &format!("{V3}/list"), body).await?
            }
            Dialect::V4 => {
                let filter = name.map(|name| format!("name eq '{}'", name.replace('\'', "''")));
                self.list_v4(&attempt, V4, filter.as_deref()).await?
            }
        };
        Ok(entries.into_iter().filter_map(|entry| read(self.dialect(), entry)).collect())
    }

    pub(super) fn vm_path(&self, uuid: &str) -> String {
        match self.dialect() {
            Dialect::V3 => format!("{V3}/{}", escape(uuid)),
            Dialect::V4 => format!("{V4}/{}", escape(uuid)),
        }
    }
}

impl Vm {
    /// What it is besides its status, as v3 takes it back.
    pub(super) fn intent(&self) -> Value {
        json!({ "spec": self.told["spec"], "metadata": self.told["metadata"], "api_version": "3.1" })
    }
}

/// Signs that mean something in a filter are compared here only.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The addresses that parse, each once.
fn addresses<'a>(told: impl Iterator<Item = &'a Value>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in told.filter_map(|value| value.as_str()?.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

pub(super) fn read(dialect: Dialect, told: Value) -> Option<Vm> {
    match dialect {
        Dialect::V3 => read_v3(told),
        Dialect::V4 => read_v4(told),
    }
}

fn read_v3(told: Value) -> Option<Vm> {
    let (status, spec) = (&told["status"], &told["spec"]);
    let resources = &status["resources"];
    let nics = list(&resources["nic_list"]);
    let ips = nics.iter().flat_map(|nic| list(&nic["ip_endpoint_list"])).map(|end| &end["ip"]);
    let disks = list(&spec["resources"]["disk_list"]).iter().filter(|disk| {
        // A disk that does not say what it is is one.
        disk["device_properties"]["device_type"].as_str().is_none_or(|kind| kind == "DISK")
    });
    let problem = (status["state"] == "ERROR").then(|| {
        let said = json!({ "message_list": status["message_list"] }).to_string();
        let why = Fault::of_answer("it", 0, &said).messages;
        if why.is_empty() { "the server says that it failed, and not why".to_owned() } else { why.join("; ") }
    });
    Some(Vm {
        uuid: told["metadata"]["uuid"].as_str()?.to_owned(),
        name: text(if spec["name"].is_string() { &spec["name"] } else { &status["name"] }),
        description: text(if spec["description"].is_string() {
            &spec["description"]
        } else {
            &status["description"]
        }),
        power: power(&resources["power_state"]),
        addresses: addresses(ips),
        disks: disks
            .filter_map(|disk| {
                let bytes = disk["disk_size_bytes"].as_u64();
                let bytes = bytes.or_else(|| disk["disk_size_mib"].as_u64()?.checked_mul(1 << 20));
                Some(VmDisk { uuid: disk["uuid"].as_str()?.to_owned(), bytes })
            })
            .collect(),
        cds: Vec::new(),
        cluster: spec["cluster_reference"]["uuid"]
            .as_str()
            .or(status["cluster_reference"]["uuid"].as_str())
            .map(ToOwned::to_owned),
        problem,
        told,
    })
}

fn read_v4(told: Value) -> Option<Vm> {
    let nics = list(&told["nics"]);
    let ips = nics.iter().flat_map(|nic| {
        // Newer servers tell it under another name, too.
        let info = if nic["networkInfo"].is_object() { &nic["networkInfo"] } else { &nic["nicNetworkInfo"] };
        let config = &info["ipv4Config"];
        let first = std::iter::once(&config["ipAddress"]);
        first
            .chain(list(&config["secondaryIpAddressList"]))
            .chain(list(&info["ipv4Info"]["learnedIpAddresses"]))
            .map(|address| &address["value"])
    });
    Some(Vm {
        uuid: told["extId"].as_str()?.to_owned(),
        name: text(&told["name"]),
        description: text(&told["description"]),
        power: power(&told["powerState"]),
        addresses: addresses(ips),
        disks: list(&told["disks"])
            .iter()
            .filter_map(|disk| {
                let bytes = disk["backingInfo"]["diskSizeBytes"].as_u64();
                Some(VmDisk { uuid: disk["extId"].as_str()?.to_owned(), bytes })
            })
            .collect(),
        cds: list(&told["cdRoms"]).iter().filter_map(|cd| Some(cd["extId"].as_str()?.to_owned())).collect(),
        cluster: told["cluster"]["extId"].as_str().map(ToOwned::to_owned),
        problem: None,
        told,
    })
}

fn power(word: &Value) -> Power {
    match word.as_str() {
        Some("ON") => Power::On,
        Some("OFF") => Power::Off,
        Some("PAUSED" | "SUSPENDED") => Power::Paused,
        _ => Power::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_tell_of_addresses_and_disks() {
        let v3 = json!({
            "metadata": { "uuid": "u" },
            "spec": { "name": "a", "resources": { "disk_list": [
                { "uuid": "cd", "device_properties": { "device_type": "CDROM" } },
                { "uuid": "d", "device_properties": { "device_type": "DISK" }, "disk_size_mib": 2 } ] } },
            "status": { "state": "COMPLETE", "resources": { "power_state": "ON", "nic_list": [
                { "ip_endpoint_list": [{ "type": "ASSIGNED", "ip": "10.0.0.1" }, { "ip": "10.0.0.1" }] },
                { "ip_endpoint_list": [{ "ip": "2001:db8::1" }] }, {} ] } },
        });
        let vm = read(Dialect::V3, v3).unwrap();
        assert_eq!(vm.power, Power::On);
        assert_eq!(vm.addresses, ["10.0.0.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]);
        assert_eq!(vm.disks, [VmDisk { uuid: "d".into(), bytes: Some(2 << 20) }]);
        let v4 = json!({
            "extId": "u", "name": "a", "powerState": "OFF",
            "disks": [{ "extId": "d", "backingInfo": { "diskSizeBytes": 5 } }],
            "nics": [{ "networkInfo": { "ipv4Config": { "ipAddress": { "value": "10.0.0.1" } },
                "ipv4Info": { "learnedIpAddresses": [{ "value": "10.0.0.1" }, { "value": "10.0.0.2" }] } } }],
        });
        let vm = read(Dialect::V4, v4).unwrap();
        assert_eq!((vm.power, vm.addresses.len()), (Power::Off, 2));
        assert_eq!(vm.disks, [VmDisk { uuid: "d".into(), bytes: Some(5) }]);
    }

    #[test]
    fn a_machine_that_failed_says_why() {
        let v3 = json!({ "metadata": { "uuid": "u" }, "spec": { "name": "a" },
            "status": { "state": "ERROR", "message_list": [{ "message": "no room", "reason": "X" }] } });
        assert_eq!(read(Dialect::V3, v3).unwrap().problem.as_deref(), Some("no room"));
    }
}
