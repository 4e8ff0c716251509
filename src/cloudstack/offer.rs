//! What machines are made with: offerings, networks, security groups, and what the caller may do.
use super::{CloudStack, CloudStackError, CloudStackErrorKind, Named, Params, Scope, answer::text, choose};
use serde_json::Value;
use std::collections::BTreeSet;

/// A service offering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOffering {
    /// What it is called.
    pub named: Named,
    /// Who uses it says the numbers.
    pub customized: bool,
    /// Virtual CPUs, if they are fixed.
    pub cpus: Option<u64>,
    /// Memory in MiB, if it is fixed.
    pub memory_mib: Option<u64>,
    /// Clock rate in MHz, if it is fixed.
    pub mhz: Option<u64>,
}

/// A disk offering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOffering {
    /// What it is called.
    pub named: Named,
    /// Its size in GiB, unless who uses it says that.
    pub gib: Option<u64>,
}

/// A network that machines can be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// What it is called.
    pub named: Named,
    /// `Isolated`, `Shared`, `L2`.
    pub kind: String,
    /// What it does: `PortForwarding`, `UserData`.
    pub services: BTreeSet<String>,
    /// Whether it is a part of a virtual private cloud.
    pub vpc: bool,
}

/// What is to be known of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneKind {
    /// Machines say which networks they are in.
    pub advanced: bool,
    /// Machines have security groups.
    pub groups: bool,
}

/// What is listed, with what it is called.
fn of<T>(items: &[Value], make: impl Fn(Named, &Value) -> T) -> Vec<T> {
    let named = |item: &Value| Named { id: text(&item["id"]), name: text(&item["name"]) };
    items.iter().map(|item| make(named(item), item)).collect()
}

/// The one of `all` that is meant.
fn one<T: Clone>(
    what: &str,
    all: &[T],
    named: impl Fn(&T) -> &Named,
    said: &str,
) -> Result<T, CloudStackError> {
    let names: Vec<Named> = all.iter().map(|one| named(one).clone()).collect();
    let found = choose(what, &names, said)?;
    all.iter().find(|one| named(one).id == found.id).cloned().ok_or_else(|| {
        CloudStackError::new(CloudStackErrorKind::NotFound, format!("find the {what} `{said}`"))
    })
}

fn number(value: &Value) -> Option<u64> {
    text(value).parse().ok().filter(|number| *number > 0)
}

impl CloudStack {
    /// The service offerings that there are.
    pub async fn service_offerings(&self) -> Result<Vec<ServiceOffering>, CloudStackError> {
        let all = self
            .list("list the service offerings", "listServiceOfferings", "serviceoffering", &Params::new())
            .await?;
        Ok(of(&all, |named, item| ServiceOffering {
            named,
            customized: item["iscustomized"].as_bool().unwrap_or_default(),
            cpus: number(&item["cpunumber"]),
            memory_mib: number(&item["memory"]),
            mhz: number(&item["cpuspeed"]),
        }))
    }

    /// The service offering that is meant.
    pub async fn service_offering(&self, said: &str) -> Result<ServiceOffering, CloudStackError> {
        let all = self.service_offerings().await?;
        one("service offering", &all, |offering| &offering.named, said)
    }

    /// The disk offering that is meant.
    pub async fn disk_offering(&self, said: &str) -> Result<DiskOffering, CloudStackError> {
        let all =
            self.list("list the disk offerings", "listDiskOfferings", "diskoffering", &Params::new()).await?;
        let all = of(&all, |named, item| DiskOffering {
            named,
            gib: number(&item["disksize"]).filter(|_| !item["iscustomized"].as_bool().unwrap_or_default()),
        });
        one("disk offering", &all, |offering| &offering.named, said)
    }

    /// The networks of a zone that machines of the caller or the project can be in.
    pub async fn networks(&self, scope: &Scope, zone: &Named) -> Result<Vec<Network>, CloudStackError> {
        let attempt = format!("list the networks of the zone `{}`", zone.name);
        let params = Params::new()
            .with("zoneid", &zone.id)
            .with("canusefordeploy", true)
            .maybe("projectid", scope.project.as_deref());
        let all = self.list(&attempt, "listNetworks", "network", &params).await?;
        let services = |item: &Value| -> BTreeSet<String> {
            let all = item["service"].as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().map(|service| text(&service["name"])).collect()
        };
        Ok(of(&all, |named, item| Network {
            named,
            kind: text(&item["type"]),
            services: services(item),
            vpc: !text(&item["vpcid"]).is_empty(),
        }))
    }

    /// The network that is meant.
    pub async fn network(&self, scope: &Scope, zone: &Named, said: &str) -> Result<Network, CloudStackError> {
        let all = self.networks(scope, zone).await?;
        one("network", &all, |network| &network.named, said)
    }

    /// The security group that is meant.
    pub async fn security_group(&self, scope: &Scope, said: &str) -> Result<Named, CloudStackError> {
        let params = Params::new().maybe("projectid", scope.project.as_deref());
        let all =
            self.list("list the security groups", "listSecurityGroups", "securitygroup", &params).await?;
        choose("security group", &of(&all, |named, _| named), said)
    }

    /// What kind of zone it is.
    pub async fn zone_kind(&self, zone: &Named) -> Result<ZoneKind, CloudStackError> {
        let attempt = format!("look at the zone `{}`", zone.name);
        let params = Params::new().with("available", true);
        let all = self.list(&attempt, "listZones", "zone", &params).await?;
        let found = all.iter().find(|item| text(&item["id"]) == zone.id);
        let Some(found) = found else {
            return Err(CloudStackError::new(CloudStackErrorKind::NotFound, attempt)
                .because("it is not there any more"));
        };
        Ok(ZoneKind {
            advanced: text(&found["networktype"]) != "Basic",
            groups: found["securitygroupsenabled"].as_bool().unwrap_or_default(),
        })
    }

    /// Whether what the caller removes is gone at once; `None` where the server does not tell.
    pub async fn may_expunge(&self) -> Result<Option<bool>, CloudStackError> {
        let answer = self.call("ask what the cloud can do", "listCapabilities", &Params::new()).await?;
        Ok(answer["capability"]["allowuserexpungerecovervm"].as_bool())
    }
}
