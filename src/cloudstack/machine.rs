//! Machines: made of a template or of a medium, started, stopped, looked at.
//!
//! A machine is made without being started (`startvm=false`), which versions since 3 know: so it has its identifier, and its undo, before anything of it runs.
use super::{
    CloudStack, CloudStackError, Named, Params, Scope,
    answer::text,
    remove::{Made, machine_resource},
};
use crate::{
    cx::{Cx, Undo},
    value::Secret,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::{net::IpAddr, time::Duration};

/// How long the cloud may take to write a machine down.
const MADE: Duration = Duration::from_mins(10);

/// How a machine is, in fewer words than the server has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VmState {
    /// It runs, or is on its way from one host to another.
    Running,
    /// It is about to run.
    Starting,
    /// It is about to be off.
    Stopping,
    /// It is off.
    Stopped,
    /// It was destroyed. The cloud may keep its remains for a while.
    Gone,
    /// It could not be made.
    Failed,
    /// The cloud does not know, or says what we do not.
    #[default]
    Unknown,
}

impl VmState {
    fn of(said: &str) -> Self {
        match said {
            "Running" | "Migrating" => Self::Running,
            "Starting" => Self::Starting,
            "Stopping" | "Shutdown" => Self::Stopping,
            "Stopped" => Self::Stopped,
            "Destroyed" | "Expunging" => Self::Gone,
            "Error" => Self::Failed,
            _ => Self::Unknown,
        }
    }
}

/// A network card of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmNic {
    /// The network.
    pub network: Named,
    /// Whether it is the one with the default route.
    pub default: bool,
    /// Its addresses, as the cloud gave them out.
    pub addresses: Vec<IpAddr>,
}

/// What the cloud tells of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vm {
    /// The identifier.
    pub id: String,
    /// The name, which is its host name, too.
    pub name: String,
    /// What people read.
    pub displayname: String,
    /// How it is.
    pub state: VmState,
    /// The same in the server's words.
    pub said: String,
    /// The job that works on it at present.
    pub job: Option<String>,
    /// Its network cards, that with the default route first.
    pub nics: Vec<VmNic>,
    /// The medium in its drive.
    pub iso: Option<String>,
}

impl Vm {
    fn of(value: &Value) -> Self {
        let own = |key: &str| text(&value[key]);
        let mut nics: Vec<VmNic> =
            value["nic"].as_array().map(|all| all.iter().map(nic).collect()).unwrap_or_default();
        nics.sort_by_key(|nic| !nic.default);
        Self {
            id: own("id"),
            name: own("name"),
            displayname: own("displayname"),
            state: VmState::of(&own("state")),
            said: own("state"),
            job: pending(value),
            nics,
            iso: Some(own("isoid")).filter(|id| !id.is_empty()),
        }
    }
}

fn nic(value: &Value) -> VmNic {
    VmNic {
        network: Named { id: text(&value["networkid"]), name: text(&value["networkname"]) },
        default: value["isdefault"].as_bool().unwrap_or_default(),
        addresses: ["ipaddress", "ip6address"]
            .iter()
            .filter_map(|key| text(&value[*key]).parse().ok())
            .collect(),
    }
}

/// The job that works on a listed thing at present.
pub(super) fn pending(value: &Value) -> Option<String> {
    (value["jobstatus"].as_u64() == Some(0)).then(|| text(&value["jobid"])).filter(|job| !job.is_empty())
}

/// The root disk of a machine that starts from a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDisk {
    /// Identifier of its disk offering.
    pub offering: String,
    /// Its size in GiB, for an offering without a size of its own.
    pub gib: Option<u64>,
    /// The hypervisor, which a medium does not say.
    pub hypervisor: String,
}

/// A machine to make. Identifiers, where nothing else is said.
#[derive(Debug, Clone)]
pub struct DeploySpec {
    /// Its name, unique, and good as a host name.
    pub name: String,
    /// What people read, with the build's mark.
    pub displayname: String,
    /// The zone.
    pub zone: Named,
    /// The template or the medium.
    pub source: String,
    /// The service offering.
    pub offering: String,
    /// The root disk, where the source is a medium.
    pub new_disk: Option<NewDisk>,
    /// The size that the root disk of a template grows to, in GiB.
    pub disk_gib: Option<u64>,
    /// Networks; the first has the default route.
    pub networks: Vec<String>,
    /// Security groups.
    pub groups: Vec<String>,
    /// `boottype` and `bootmode`.
    pub boot: Option<(&'static str, Option<&'static str>)>,
    /// More about it.
    pub details: Vec<(String, String)>,
    /// What cloud-init is told.
    pub user_data: Option<Secret>,
}

impl DeploySpec {
    fn params(&self, scope: &Scope) -> Params {
        let list = |all: &[String]| (!all.is_empty()).then(|| all.join(","));
        let disk = self.new_disk.as_ref();
        Params::new()
            .with("zoneid", &self.zone.id)
            .with("templateid", &self.source)
            .with("serviceofferingid", &self.offering)
            .with("name", &self.name)
            .with("displayname", &self.displayname)
            .with("startvm", false)
            .maybe("projectid", scope.project.as_deref())
            .maybe("networkids", list(&self.networks))
            .maybe("securitygroupids", list(&self.groups))
            .maybe("rootdisksize", self.disk_gib.filter(|_| disk.is_none()))
            .maybe("diskofferingid", disk.map(|disk| &disk.offering))
            .maybe("size", disk.and_then(|disk| disk.gib))
            .maybe("hypervisor", disk.map(|disk| &disk.hypervisor))
            .maybe("boottype", self.boot.map(|(kind, _)| kind))
            .maybe("bootmode", self.boot.and_then(|(_, mode)| mode))
            .maybe("userdata", self.user_data.as_ref().map(|data| BASE64_STANDARD.encode(data.expose())))
            .details("details", &self.details)
    }
}

impl CloudStack {
    /// The machines of the caller or the project: of this identifier, of this name, or all. Those that were destroyed may be among them.
    pub async fn machines(
        &self,
        scope: &Scope,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Result<Vec<Vm>, CloudStackError> {
        let params =
            Params::new().maybe("id", id).maybe("name", name).maybe("projectid", scope.project.as_deref());
        let attempt = match id.or(name) {
            Some(said) => format!("look at the machine `{said}`"),
            None => "list the machines".to_owned(),
        };
        let found = self.list(&attempt, "listVirtualMachines", "virtualmachine", &params).await?;
        // The server takes a part of a name for it.
        let is_it = |vm: &Vm| name.is_none_or(|name| vm.name == name);
        Ok(found.iter().map(Vm::of).filter(is_it).collect())
    }

    /// The machine with this identifier, if it is there.
    pub async fn machine(&self, scope: &Scope, id: &str) -> Result<Option<Vm>, CloudStackError> {
        match self.machines(scope, Some(id), None).await {
            Ok(found) => Ok(found.into_iter().next().filter(|vm| vm.state != VmState::Gone)),
            Err(error) if error.kind() == super::CloudStackErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a machine, and does not start it. It is in the journal before: by its name, then by its identifier. Returns that.
    pub async fn deploy(&self, cx: &Cx, scope: &Scope, spec: &DeploySpec) -> Result<String, CloudStackError> {
        let attempt = format!("make the machine `{}`", spec.name);
        let resource = |made| Undo::Resource(machine_resource(self, scope, &spec.name, cx.id(), made));
        cx.check()?;
        let undo = cx.undo().plan(resource(Made::Asked))?;
        let begun = match self.begin(&attempt, "deployVirtualMachine", &spec.params(scope)).await {
            Ok(begun) => begun,
            Err(error) => {
                if error.fault().is_some() {
                    cx.undo().resolve(undo, resource(Made::Refused))?;
                }
                return Err(error);
            }
        };
        let id = begun.made(&attempt)?;
        cx.undo().resolve(undo, resource(Made::Known(id)))?;
        self.finish(cx, &attempt, &begun, MADE).await?;
        Ok(id.to_owned())
    }

    /// Starts a machine and waits until it runs.
    pub async fn start_machine(&self, cx: &Cx, vm: &Named, limit: Duration) -> Result<(), CloudStackError> {
        let attempt = format!("start the machine `{}`", vm.name);
        let params = Params::new().with("id", &vm.id);
        self.job(cx, &attempt, "startVirtualMachine", &params, limit).await.map(drop)
    }

    /// Presses its power button and waits until it is off; `forced` pulls the plug instead.
    pub async fn stop_machine(
        &self,
        cx: &Cx,
        vm: &Named,
        forced: bool,
        limit: Duration,
    ) -> Result<(), CloudStackError> {
        let how = if forced { "turn off" } else { "shut down" };
        let params = Params::new().with("id", &vm.id).with("forced", forced);
        let attempt = format!("{how} the machine `{}`", vm.name);
        self.job(cx, &attempt, "stopVirtualMachine", &params, limit).await.map(drop)
    }

    /// Takes the medium out of its drive.
    pub async fn detach_iso(&self, cx: &Cx, vm: &Named) -> Result<(), CloudStackError> {
        const LIMIT: Duration = Duration::from_mins(5);
        let params = Params::new().with("virtualmachineid", &vm.id);
        let attempt = format!("take the medium out of the machine `{}`", vm.name);
        self.job(cx, &attempt, "detachIso", &params, LIMIT).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_machine_is_told_as_recorded_ones_are() {
        let vm = Vm::of(&json!({
            "id": "a", "name": "n", "state": "Starting", "jobid": "j", "jobstatus": 0, "isoid": "i",
            "nic": [
                {"networkid": "2", "networkname": "b", "ipaddress": "10.1.2.1", "isdefault": false},
                {"networkid": "1", "networkname": "a", "ipaddress": "10.1.1.1", "ip6address": "fd00::1", "isdefault": true},
            ],
        }));
        assert_eq!(
            (vm.state, vm.job.as_deref(), vm.iso.as_deref()),
            (VmState::Starting, Some("j"), Some("i"))
        );
        let addresses: Vec<String> =
            vm.nics.iter().flat_map(|nic| &nic.addresses).map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.1.1.1", "fd00::1", "10.1.2.1"]);
        let over = Vm::of(&json!({"id": "a", "state": "Stopped", "jobid": "j", "jobstatus": 1}));
        assert_eq!((over.state, over.job), (VmState::Stopped, None));
    }
}
