//! What VMware's tools tell of a guest.
use super::Machine;
use crate::vsphere::{Node, Properties, VsphereError};
use std::net::IpAddr;

/// What is known of a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestInfo {
    /// Whether VMware's tools run in it.
    pub tools_running: bool,
    /// Its name for itself.
    pub host_name: Option<String>,
    /// The address that its tools take for the first one.
    pub address: Option<IpAddr>,
    /// Its network cards.
    pub nics: Vec<GuestNic>,
}

/// A network card, as the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestNic {
    /// The network that it is connected to.
    pub network: Option<String>,
    /// Its address.
    pub mac: Option<String>,
    /// The key of the machine's device.
    pub device: Option<i32>,
    /// Whether it is connected.
    pub connected: bool,
    /// Its addresses.
    pub addresses: Vec<GuestAddress>,
}

/// An address of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestAddress {
    /// The address.
    pub ip: IpAddr,
    /// How many of its bits name the network, if the tools tell.
    pub prefix: Option<u8>,
}

impl GuestInfo {
    /// All addresses: the first one, then those of the network cards.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let of_nics = self.nics.iter().flat_map(|nic| nic.addresses.iter().map(|address| address.ip));
        let mut all: Vec<IpAddr> = Vec::new();
        for address in self.address.into_iter().chain(of_nics) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }

    fn of(properties: &Properties) -> Self {
        let text = |path: &str| properties.text(path).filter(|text| !text.is_empty());
        let nics = properties.get("guest.net").into_iter().flat_map(|net| net.nodes.iter());
        Self {
            tools_running: text("guest.toolsRunningStatus") == Some("guestToolsRunning"),
            host_name: text("guest.hostName").map(ToOwned::to_owned),
            address: text("guest.ipAddress").and_then(address),
            nics: nics.map(GuestNic::of).collect(),
        }
    }
}

impl GuestNic {
    fn of(nic: &Node) -> Self {
        let text = |name: &str| nic.text_at(name).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let mut addresses = Vec::new();
        for told in nic.at("ipConfig").into_iter().flat_map(|config| config.all("ipAddress")) {
            if let Some(ip) = told.text_at("ipAddress").and_then(address) {
                let prefix = told.text_at("prefixLength").and_then(|text| text.parse().ok());
                addresses.push(GuestAddress { ip, prefix });
            }
        }
        // Older tools tell no more than these.
        for ip in nic.all("ipAddress").filter_map(|node| address(&node.text)) {
            if !addresses.iter().any(|known| known.ip == ip) {
                addresses.push(GuestAddress { ip, prefix: None });
            }
        }
        Self {
            network: text("network"),
            mac: text("macAddress"),
            device: text("deviceConfigId").and_then(|key| key.parse().ok()),
            connected: nic.at("connected").is_some_and(Node::is_true),
            addresses,
        }
    }
}

/// Link-local IPv6 addresses come with the name of their interface.
fn address(text: &str) -> Option<IpAddr> {
    text.split('%').next().unwrap_or(text).trim().parse().ok()
}

impl Machine {
    /// What its tools tell of the guest now.
    pub async fn guest(&self) -> Result<GuestInfo, VsphereError> {
        let paths = ["guest.toolsRunningStatus", "guest.hostName", "guest.ipAddress", "guest.net"];
        Ok(GuestInfo::of(&self.vcenter.properties(&self.moref, &paths).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_prefixes() {
        let text = "<nic><network>VM Network</network><ipAddress>10.0.0.9</ipAddress><ipAddress>fe80::1</ipAddress>\
             <macAddress>00:50:56:00:00:01</macAddress><connected>true</connected><deviceConfigId>4000</deviceConfigId>\
             <ipConfig><ipAddress><ipAddress>10.0.0.9</ipAddress><prefixLength>24</prefixLength></ipAddress></ipConfig></nic>";
        let nic = GuestNic::of(&Node::parse(text).unwrap());
        assert_eq!((nic.device, nic.connected), (Some(4000), true));
        let expected = [
            GuestAddress { ip: "10.0.0.9".parse().unwrap(), prefix: Some(24) },
            GuestAddress { ip: "fe80::1".parse().unwrap(), prefix: None },
        ];
        assert_eq!(nic.addresses, expected);
        let info = GuestInfo { address: address("10.0.0.9"), nics: vec![nic], ..GuestInfo::default() };
        assert_eq!(info.addresses().len(), 2);
        assert_eq!(address("fe80::2%eth0"), "fe80::2".parse().ok());
        assert_eq!(address("unknown"), None);
    }
}
