//! Networks as network cards want them.
use crate::vsphere::{Element, Moref, Node, VCenter, VsphereError, VsphereErrorKind, plain_name};

/// Where a network card's cable goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// A network of standard switches, which are known by name.
    Standard {
        /// The object.
        moref: Moref,
        /// Its name.
        name: String,
    },
    /// A port group of a distributed switch.
    PortGroup {
        /// The switch's UUID.
        switch: String,
        /// The port group's key: `dvportgroup-12`.
        key: String,
    },
    /// A network that somebody else manages, such as NSX.
    Opaque {
        /// Its id there.
        id: String,
        /// Whose it is: `nsx.LogicalSwitch`.
        kind: String,
    },
}

impl Network {
    /// The backing of a network card.
    pub(super) fn write(&self, device: &mut Element) {
        match self {
            Self::Standard { moref, name } => {
                device.extended("backing", "VirtualEthernetCardNetworkBackingInfo", |backing| {
                    backing.leaf("deviceName", name).moref("network", moref);
                });
            }
            Self::PortGroup { switch, key } => {
                device.extended(
                    "backing",
                    "VirtualEthernetCardDistributedVirtualPortBackingInfo",
                    |backing| {
                        backing.node("port", |port| {
                            port.leaf("switchUuid", switch).leaf("portgroupKey", key);
                        });
                    },
                );
            }
            Self::Opaque { id, kind } => {
                device.extended("backing", "VirtualEthernetCardOpaqueNetworkBackingInfo", |backing| {
                    backing.leaf("opaqueNetworkId", id).leaf("opaqueNetworkType", kind);
                });
            }
        }
    }
}

impl VCenter {
    /// What a network card must know of a network: one of [`crate::vsphere::Named::Network`].
    pub async fn network(&self, network: &Moref) -> Result<Network, VsphereError> {
        let attempt = || format!("look at the network {network}");
        let untold = |what: &str| {
            VsphereError::new(VsphereErrorKind::Other, attempt())
                .because(format!("the vCenter does not tell its {what}, or this user may not see it"))
        };
        match network.kind.as_str() {
            "DistributedVirtualPortgroup" => {
                let group = self.properties(network, &["key", "config.distributedVirtualSwitch"]).await?;
                let switch =
                    group.moref("config.distributedVirtualSwitch").ok_or_else(|| untold("switch"))?;
                let switch = self.properties(&switch, &["uuid"]).await?;
                Ok(Network::PortGroup {
                    switch: switch.text("uuid").ok_or_else(|| untold("switch"))?.to_owned(),
                    key: group.text("key").ok_or_else(|| untold("key"))?.to_owned(),
                })
            }
            "OpaqueNetwork" => {
                let network = self.properties(network, &["summary"]).await?;
                let said = |name: &str| {
                    network
                        .get("summary")
                        .and_then(|summary| Node::text_at(summary, name))
                        .map(ToOwned::to_owned)
                };
                Ok(Network::Opaque {
                    id: said("opaqueNetworkId").ok_or_else(|| untold("id"))?,
                    kind: said("opaqueNetworkType").ok_or_else(|| untold("type"))?,
                })
            }
            "Network" => {
                let properties = self.properties(network, &["name"]).await?;
                let name = properties.text("name").ok_or_else(|| untold("name"))?;
                Ok(Network::Standard { moref: network.clone(), name: plain_name(name) })
            }
            other => Err(VsphereError::new(VsphereErrorKind::Unsupported, attempt())
                .because(format!("it is a {other}, which no network card can be connected to"))),
        }
    }
}
