//! Understands as much of a description as finding its disks takes, whoever wrote it.
use std::collections::HashMap;

use roxmltree::{Document, Node, ParsingOptions};

/// XML elements and attributes of a description, which bound the memory for it.
const MAX_NODES: u32 = 100_000;

/// What a description says about its disks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Description {
    /// Name or id of the machine.
    pub(super) name: Option<String>,
    /// Those that have a file, in the order of the description.
    pub(super) disks: Vec<Described>,
    /// Sizes of all of its disks, also of those that have no file.
    pub(super) capacities: Vec<Option<u64>>,
    /// The length that it states for each file that is referred to.
    pub(super) files: Vec<(String, Option<u64>)>,
    /// The names of its networks.
    pub(super) networks: Vec<String>,
    /// The keys of properties that who imports it may set, as importers know them: with their class and instance.
    pub(super) settable: Vec<String>,
}

/// A disk with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) file: String,
    /// Bytes of the virtual disk, if they are stated in units known here.
    pub(super) capacity: Option<u64>,
    pub(super) compression: Option<String>,
    pub(super) chunked: bool,
}

impl Description {
    pub(super) fn parse(text: &str) -> Result<Self, roxmltree::Error> {
        // Documents with a DTD are refused: nothing that writes OVF has one, and entities can grow without bound.
        let options =
            ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options)?;
        let all = |name: &'static str| {
            document.descendants().filter(move |node| node.is_element() && node.tag_name().name() == name)
        };
        let mut found = Self {
            name: all("VirtualSystem").next().and_then(|system| {
                let name = system.children().find(|node| node.tag_name().name() == "Name");
                name.and_then(|name| name.text()).or_else(|| attribute(system, "id")).map(str::to_owned)
            }),
            ..Self::default()
        };
        found.networks =
            all("Network").filter_map(|node| attribute(node, "name")).map(str::to_owned).collect();
        for section in all("ProductSection") {
            let part = |name| attribute(section, name).filter(|part| !part.is_empty());
            let properties = section.children().filter(|node| node.tag_name().name() == "Property");
            for property in properties.filter(|node| attribute(*node, "userConfigurable") == Some("true")) {
                let key = attribute(property, "key");
                let parts: Vec<&str> = [part("class"), key, part("instance")].into_iter().flatten().collect();
                found.settable.push(parts.join("."));
            }
        }
        for file in all("File") {
            if let Some(href) = attribute(file, "href") {
                found
                    .files
                    .push((href.to_owned(), attribute(file, "size").and_then(|size| size.parse().ok())));
            }
        }
        let files: HashMap<&str, Node<'_, '_>> =
            all("File").filter_map(|file| Some((attribute(file, "id")?, file))).collect();
        for disk in all("Disk") {
            found.capacities.push(capacity(disk));
            let Some(file) = attribute(disk, "fileRef").and_then(|id| files.get(id).copied()) else {
                continue;
            };
            let Some(href) = attribute(file, "href") else { continue };
            found.disks.push(Described {
                file: href.to_owned(),
                capacity: capacity(disk),
                compression: attribute(file, "compression").filter(|how| !how.is_empty()).map(str::to_owned),
                chunked: attribute(file, "chunkSize").is_some(),
            });
        }
        Ok(found)
    }
}

/// The attribute in whatever namespace: some writers leave it out.
fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
}

/// `ovf:capacity` in units such as `byte * 2^20`.
fn capacity(disk: Node<'_, '_>) -> Option<u64> {
    let number: u64 = attribute(disk, "capacity")?.trim().parse().ok()?;
    let unit: String = attribute(disk, "capacityAllocationUnits")
        .unwrap_or("byte")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let factor = match unit.strip_prefix("byte")? {
        "" => 1,
        power => 1_u64.checked_shl(power.strip_prefix("*2^")?.parse().ok()?)?,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_found_with_and_without_namespaces() {
        let found = Description::parse(
            "<Envelope xmlns:o='urn:o'><References><File o:id='a' o:href='x.vmdk' o:size='7'/>\
             <File id='b' href='y.vmdk' compression='gzip' chunkSize='2'/></References>\
             <DiskSection><Disk o:fileRef='b' o:capacity='3' o:capacityAllocationUnits='byte * 2^30'/>\
             <Disk o:capacity='9'/><Disk o:fileRef='gone'/><Disk o:fileRef='a' o:capacity='512'/></DiskSection>\
             <VirtualSystem o:id='vm'/></Envelope>",
        )
        .unwrap();
        assert_eq!(found.name.as_deref(), Some("vm"));
        assert_eq!(found.files, [("x.vmdk".to_owned(), Some(7)), ("y.vmdk".to_owned(), None)]);
        let disks: Vec<_> = found.disks.iter().map(|disk| (disk.file.as_str(), disk.capacity)).collect();
        assert_eq!(disks, [("y.vmdk", Some(3 << 30)), ("x.vmdk", Some(512))]);
        assert!(found.disks[0].chunked && found.disks[0].compression.as_deref() == Some("gzip"));
    }

    #[test]
    fn entities_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbb'>]><a>&b;</a>";
        assert!(Description::parse(bomb).is_err());
    }
}
