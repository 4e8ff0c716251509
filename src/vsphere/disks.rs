//! The disks on a lease in the order of the machine.
use super::{LeaseDevice, Node};

/// A disk as the machine tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskThere {
    /// Its size in bytes.
    pub capacity: u64,
    /// Where it hangs, as the keys of leases end: `/ParaVirtualSCSIController0:0`.
    pub place: String,
}

impl DiskThere {
    /// The disks among the devices of a machine (`config.hardware.device`).
    pub fn all(devices: &[Node]) -> Vec<Self> {
        let text = |device: &Node, name: &str| device.text_at(name).unwrap_or_default().to_owned();
        let told = |disk: &Node| {
            let key = text(disk, "controllerKey");
            let controller = devices.iter().find(|device| text(device, "key") == key);
            let (kind, bus) = controller.map_or_else(Default::default, |controller| {
                (controller.kind.clone().unwrap_or_default(), text(controller, "busNumber"))
            });
            let number = |name: &str| disk.text_at(name).and_then(|text| text.parse::<u64>().ok());
            let bytes = number("capacityInBytes").filter(|bytes| *bytes > 0);
            Self {
                capacity: bytes.or_else(|| number("capacityInKB").map(|kib| kib << 10)).unwrap_or_default(),
                place: format!("/{kind}{bus}:{}", text(disk, "unitNumber")),
            }
        };
        devices.iter().filter(|device| device.kind.as_deref() == Some("VirtualDisk")).map(told).collect()
    }

    /// A lease's disks in the order of the machine, whose first is what it boots from. Keys that say nothing leave the order as it is;
    /// then sizes that do not fit are found at the end.
    pub fn in_order<'a>(disks: Vec<&'a LeaseDevice>, told: &[Self]) -> Vec<&'a LeaseDevice> {
        let found: Option<Vec<&LeaseDevice>> = told
            .iter()
            .map(|one| disks.iter().copied().find(|device| device.key.ends_with(&one.place)))
            .collect();
        found.filter(|found| found.len() == disks.len()).unwrap_or(disks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_in_the_order_of_the_machine() {
        let node = |kind: &str, fields: &[(&str, &str)]| Node {
            kind: Some(kind.to_owned()),
            nodes: fields
                .iter()
                .map(|(name, text)| Node {
                    name: (*name).to_owned(),
                    text: (*text).to_owned(),
                    ..Node::default()
                })
                .collect(),
            ..Node::default()
        };
        let disk = |unit: &str, kib: &str| {
            node("VirtualDisk", &[("controllerKey", "1000"), ("unitNumber", unit), ("capacityInKB", kib)])
        };
        let controller = node("ParaVirtualSCSIController", &[("key", "1000"), ("busNumber", "0")]);
        let told = DiskThere::all(&[controller, disk("0", "1024"), disk("1", "2048")]);
        assert_eq!(told.iter().map(|disk| disk.capacity).collect::<Vec<_>>(), [1 << 20, 2 << 20]);
        let device = |key: &str| LeaseDevice {
            key: key.to_owned(),
            import_key: String::new(),
            url: "https://esx/nfc/1/disk.vmdk".parse().unwrap(),
            thumbprint: None,
            disk: true,
            target: None,
            bytes: None,
        };
        let (one, two) =
            (device("/vm-1/ParaVirtualSCSIController0:1"), device("/vm-1/ParaVirtualSCSIController0:0"));
        assert_eq!(DiskThere::in_order(vec![&one, &two], &told), [&two, &one]);
        let (one, two) = (device("x"), device("y"));
        assert_eq!(DiskThere::in_order(vec![&one, &two], &told), [&one, &two]);
    }
}
