//! What a cloud tells of itself and of who asks, for whoever checks whether all is there.
use super::{CloudStack, CloudStackError, Named, Params, answer::text};
use std::collections::BTreeSet;

/// A storage VM of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageVm {
    /// Its name: `s-2-VM`.
    pub name: String,
    /// `Running`, if all is well.
    pub state: String,
    /// `Up`, if the management server hears from it.
    pub agent: String,
}

impl CloudStack {
    /// The calls that the user of the keys may make.
    pub async fn allowed_calls(&self) -> Result<BTreeSet<String>, CloudStackError> {
        let attempt = "ask which calls may be made";
        let answer = self.call(attempt, "listApis", &Params::new()).await?;
        let items = answer["api"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(items.iter().map(|item| text(&item["name"])).filter(|name| !name.is_empty()).collect())
    }

    /// The version of the cloud: `4.19.0.0`.
    pub async fn version(&self) -> Result<String, CloudStackError> {
        let answer = self.call("ask for the cloud's version", "listCapabilities", &Params::new()).await?;
        Ok(text(&answer["capability"]["cloudstackversion"]))
    }

    /// The secondary storage VMs of a zone, which only administrators may see.
    pub async fn storage_vms(&self, zone: &Named) -> Result<Vec<StorageVm>, CloudStackError> {
        let attempt = format!("look at the storage VMs of the zone `{}`", zone.name);
        let params = Params::new().with("systemvmtype", "secondarystoragevm").with("zoneid", &zone.id);
        let all = self.list(&attempt, "listSystemVms", "systemvm", &params).await?;
        Ok(all
            .iter()
            .map(|item| StorageVm {
                name: text(&item["name"]),
                state: text(&item["state"]),
                agent: text(&item["agentstate"]),
            })
            .collect())
    }
}
