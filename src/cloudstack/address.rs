//! Public addresses, and ports of theirs that lead to machines.
//!
//! An address bears no mark when it is acquired, so the journal holds which ones there were before; as soon as its identifier is known, that is in the journal, and a tag
//! says whose it is. Rules go with their address. At an address of the user's, they are in the journal themselves.
use super::{
    CloudStack, CloudStackError, CloudStackErrorKind, Named, Params, Scope,
    answer::text,
    remove::{Known, address_resource, rule_resource},
    result::TAG,
};
use crate::cx::{Cx, Undo, UndoHandle};
use serde_json::Value;
use std::{net::IpAddr, time::Duration};

/// How long the cloud may take to set up its router.
const LIMIT: Duration = Duration::from_mins(10);

/// A public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress {
    /// The identifier.
    pub id: String,
    /// How it is written.
    pub ip: String,
    /// Identifier of the network that it belongs to.
    pub network: Option<String>,
    /// It is the network's own, or leads to one machine as a whole.
    pub taken: bool,
    /// It leads to one machine as a whole.
    pub static_nat: bool,
    /// Keys and values of its tags.
    pub tags: Vec<(String, String)>,
    /// The job that works on it at present.
    pub job: Option<String>,
}

impl PublicAddress {
    fn of(value: &Value) -> Self {
        let flag = |key: &str| value[key].as_bool().unwrap_or_default();
        let tags = value["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            id: text(&value["id"]),
            ip: text(&value["ipaddress"]),
            network: Some(text(&value["associatednetworkid"])).filter(|id| !id.is_empty()),
            taken: flag("issourcenat") || flag("isstaticnat"),
            static_nat: flag("isstaticnat"),
            tags: tags.iter().map(|tag| (text(&tag["key"]), text(&tag["value"]))).collect(),
            job: super::machine::pending(value),
        }
    }

    fn named(&self) -> Named {
        Named { id: self.id.clone(), name: self.ip.clone() }
    }

    /// The address itself.
    pub fn ip(&self) -> Result<IpAddr, CloudStackError> {
        self.ip.parse().map_err(|why: std::net::AddrParseError| {
            CloudStackError::new(CloudStackErrorKind::Other, format!("understand the address `{}`", self.ip))
                .because(why)
        })
    }
}

/// A range of ports that is in use at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The identifier.
    pub id: String,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// Identifier of the machine that it leads to.
    pub machine: Option<String>,
    /// Who may come in, as the cloud writes it.
    pub cidrs: String,
}

impl Rule {
    fn of(value: &Value, first: &str, last: &str) -> Option<Self> {
        let first: u16 = text(&value[first]).parse().ok()?;
        Some(Self {
            id: text(&value["id"]),
            first,
            last: text(&value[last]).parse().unwrap_or(first),
            machine: Some(text(&value["virtualmachineid"])).filter(|id| !id.is_empty()),
            cidrs: text(&value["cidrlist"]),
        })
    }

    /// Whether it has this port.
    pub fn has(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// A port of an address that is to lead to a machine.
#[derive(Debug, Clone)]
pub struct Forward<'a> {
    /// The address.
    pub address: &'a PublicAddress,
    /// Its port.
    pub port: u16,
    /// The machine.
    pub machine: &'a Named,
    /// The machine's port.
    pub to: u16,
    /// Who may come in, as `192.0.2.0/24`.
    pub allowed: &'a [String],
}

/// The rules of one way to a machine.
#[derive(Debug)]
pub struct Opened {
    /// Identifier of the one that says where a port leads.
    leads: String,
    /// Identifier of the one that says who may come in.
    lets_in: String,
    /// What the journal has of them.
    undo: Vec<UndoHandle>,
}

impl CloudStack {
    /// The public addresses of the caller or the project; those of one network, if it is said.
    pub async fn public_addresses(
        &self,
        scope: &Scope,
        network: Option<&str>,
    ) -> Result<Vec<PublicAddress>, CloudStackError> {
        let params = Params::new()
            .with("allocatedonly", true)
            .maybe("associatednetworkid", network)
            .maybe("projectid", scope.project.as_deref());
        let all = self
            .list("list the public addresses", "listPublicIpAddresses", "publicipaddress", &params)
            .await?;
        Ok(all.iter().map(PublicAddress::of).collect())
    }

    /// The public address that is meant, by identifier or as it is written.
    pub async fn public_address(&self, scope: &Scope, said: &str) -> Result<PublicAddress, CloudStackError> {
        let all = self.public_addresses(scope, None).await?;
        let names: Vec<Named> = all.iter().map(PublicAddress::named).collect();
        let found = super::choose("public address", &names, said)?;
        all.into_iter().find(|address| address.id == found.id).ok_or_else(|| {
            CloudStackError::new(CloudStackErrorKind::NotFound, format!("find the public address `{said}`"))
        })
    }

    /// Acquires a public address for a network.
    pub async fn acquire_address(
        &self,
        cx: &Cx,
        scope: &Scope,
        network: &Named,
    ) -> Result<PublicAddress, CloudStackError> {
        let attempt = format!("acquire a public address for the network `{}`", network.name);
        let there = self.public_addresses(scope, Some(&network.id)).await?;
        let there: Vec<String> = there.into_iter().map(|address| address.id).collect();
        let resource = |known| Undo::Resource(address_resource(self, scope, network, cx.id(), known));
        cx.check()?;
        let undo = cx.undo().plan(resource(Known::NotThese(&there)))?;
        let params =
            Params::new().with("networkid", &network.id).maybe("projectid", scope.project.as_deref());
        let begun = match self.begin(&attempt, "associateIpAddress", &params).await {
            Ok(begun) => begun,
            Err(error) => {
                if error.fault().is_some() {
                    // Nobody may take somebody else's address for ours.
                    cx.undo().keep(undo)?;
                }
                return Err(error);
            }
        };
        let id = begun.made(&attempt)?;
        cx.undo().resolve(undo, resource(Known::This(id, begun.job())))?;
        let result = self.finish(cx, &attempt, &begun, LIMIT).await?;
        let made = PublicAddress::of(&result["ipaddress"]);
        let tags = [(TAG.to_owned(), cx.id().to_string())];
        self.tag(cx, "PublicIpAddress", id, &tags).await?;
        if made.ip.is_empty() { self.public_address(scope, id).await } else { Ok(made) }
    }

    /// Ports of an address that lead somewhere.
    pub async fn port_forwards(&self, scope: &Scope, address: &str) -> Result<Vec<Rule>, CloudStackError> {
        self.rules(
            scope,
            address,
            "listPortForwardingRules",
            "portforwardingrule",
            ("publicport", "publicendport"),
        )
        .await
    }

    /// Ports of an address that somebody may come in by.
    pub async fn firewall_rules(&self, scope: &Scope, address: &str) -> Result<Vec<Rule>, CloudStackError> {
        self.rules(scope, address, "listFirewallRules", "firewallrule", ("startport", "endport")).await
    }

    async fn rules(
        &self,
        scope: &Scope,
        address: &str,
        command: &str,
        field: &str,
        (first, last): (&str, &str),
    ) -> Result<Vec<Rule>, CloudStackError> {
        let params = Params::new().with("ipaddressid", address).maybe("projectid", scope.project.as_deref());
        let all = self.list("list the rules of a public address", command, field, &params).await?;
        Ok(all.iter().filter_map(|item| Rule::of(item, first, last)).collect())
    }

    /// Has a port lead to a machine, and lets in who may use it. `own`: the address goes, and the rules with it.
    pub async fn forward(
        &self,
        cx: &Cx,
        scope: &Scope,
        forward: &Forward<'_>,
        own: bool,
    ) -> Result<Opened, CloudStackError> {
        let Forward { address, port, machine, to, allowed } = forward;
        let attempt = format!("have port {port} of {} lead to the machine `{}`", address.ip, machine.name);
        let cidrs = allowed.join(",");
        let plan = |cidrs: Option<&str>| {
            let resource = rule_resource(self, scope, cx.id(), forward, cidrs);
            cx.undo().plan(Undo::Resource(resource))
        };
        cx.check()?;
        let mut undo = Vec::new();
        if !own {
            undo.push(plan(None)?);
        }
        let params = Params::new()
            .with("ipaddressid", &address.id)
            .with("protocol", "tcp")
            .with("publicport", port)
            .with("privateport", to)
            .with("virtualmachineid", &machine.id)
            // It would let everybody in.
            .with("openfirewall", false);
        let leads = self.rule(cx, &attempt, "createPortForwardingRule", &params).await?;
        if !own {
            undo.push(plan(Some(&cidrs))?);
        }
        let attempt = format!("let {} in to port {port} of {}", allowed.join(" and "), address.ip);
        let params = Params::new()
            .with("ipaddressid", &address.id)
            .with("protocol", "tcp")
            .with("startport", port)
            .with("endport", port)
            .with("cidrlist", &cidrs);
        let lets_in = self.rule(cx, &attempt, "createFirewallRule", &params).await?;
        Ok(Opened { leads, lets_in, undo })
    }

    async fn rule(
        &self,
        cx: &Cx,
        attempt: &str,
        command: &str,
        params: &Params,
    ) -> Result<String, CloudStackError> {
        let begun = self.begin(attempt, command, params).await?;
        let id = begun.made(attempt)?.to_owned();
        self.finish(cx, attempt, &begun, LIMIT).await?;
        Ok(id)
    }

    /// Takes a way back that [`Self::forward`] opened.
    pub async fn close_forward(&self, cx: &Cx, opened: Opened) -> Result<(), CloudStackError> {
        for (command, id) in
            [("deletePortForwardingRule", &opened.leads), ("deleteFirewallRule", &opened.lets_in)]
        {
            let params = Params::new().with("id", id);
            match self.job(cx, "close the way to the machine", command, &params, LIMIT).await {
                Err(error) if error.kind() == CloudStackErrorKind::NotFound => {}
                other => other.map(drop)?,
            }
        }
        // From now on, somebody else may have such rules there.
        for handle in opened.undo {
            cx.undo().keep(handle)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_numbers_or_texts() {
        let rule = Rule::of(
            &json!({"id": 7, "publicport": "33", "publicendport": "34", "virtualmachineid": "2600"}),
            "publicport",
            "publicendport",
        );
        let rule = rule.unwrap();
        assert!(rule.has(33) && rule.has(34) && !rule.has(35));
        let one = Rule::of(&json!({"id": "a", "startport": 22}), "startport", "endport").unwrap();
        assert!(one.has(22) && !one.has(23));
        assert_eq!(Rule::of(&json!({"id": "icmp"}), "startport", "endport"), None);
    }
}
