//! Machines made of OVF descriptions (`OvfManager.CreateImportSpec`, `ResourcePool.ImportVApp`), and the leases that exports need.
use super::{
    Element, Fault, Kind, Lease, LeaseProgress, ManifestEntry, Mark, Moref, Node, VCenter, VsphereError,
    VsphereErrorKind,
    machine::Provisioning,
    nfc::{Moved, Supply, Upload},
    resource,
};
use crate::cx::{Cx, Undo, UndoHandle};
use std::{collections::BTreeMap, sync::Arc};

/// A machine to make of a description.
#[derive(Debug, Clone)]
pub struct OvfImport {
    /// What it is to be called.
    pub name: String,
    /// The text of the description.
    pub descriptor: String,
    /// Its path in the inventory, by which it is undone.
    pub path: String,
    /// Where it runs.
    pub pool: Moref,
    /// On this host, if it matters.
    pub host: Option<Moref>,
    /// Where its disks are.
    pub datastore: Moref,
    /// Networks of the description, and what they are here.
    pub networks: Vec<(String, Moref)>,
    /// Properties of the description that get values.
    pub properties: Vec<(String, String)>,
    /// How the space of its disks is taken.
    pub provisioning: Provisioning,
    /// Follows what the description has to say to people.
    pub note: String,
}

/// What the server makes of a description.
#[derive(Debug, Clone)]
pub struct ImportSpec {
    spec: Node,
    files: Vec<ImportFile>,
}

/// A file that the server wants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ImportFile {
    device: String,
    path: String,
    create: bool,
}

/// A machine that was imported. It is undone unless it is kept.
#[derive(Debug)]
pub struct Imported {
    /// The machine.
    pub machine: Moref,
    /// Its entry in the journal.
    pub undo: UndoHandle,
    /// The files that were sent.
    pub files: Vec<Moved>,
}

impl VCenter {
    /// Asks the server what it makes of a description. What it does not like is an error or, if it can do without, a warning.
    pub async fn import_spec(&self, cx: &Cx, import: &OvfImport) -> Result<ImportSpec, VsphereError> {
        let attempt = format!("understand the description of `{}`", import.name);
        let manager = self.service("ovfManager")?;
        let answer = self.call(&attempt, "CreateImportSpec", &manager, |call| asked(call, import)).await?;
        let result = answer.at("returnval").cloned().unwrap_or_default();
        let faults = |name: &'static str| {
            result.all(name).map(|fault| Fault::of_method("CreateImportSpec", fault)).collect::<Vec<_>>()
        };
        let mut errors = faults("error").into_iter();
        if let Some(first) = errors.next() {
            for more in errors {
                cx.events().warn(format!("the server does not take the description: {more}"), None);
            }
            return Err(VsphereError::of(attempt, first));
        }
        for warning in faults("warning") {
            cx.events().warn(format!("the server about the description: {warning}"), None);
        }
        let refused = |why: String| Err(VsphereError::new(VsphereErrorKind::Usage, &attempt).because(why));
        let Some(spec) = result.at("importSpec").cloned() else {
            return refused("CreateImportSpec answered without a specification".to_owned());
        };
        if spec.kind.as_deref() != Some("VirtualMachineImportSpec") {
            return refused("it describes several machines, and one can be imported".to_owned());
        }
        let mut files = Vec::new();
        for item in result.all("fileItem") {
            let path = item.text_at("path").unwrap_or_default().to_owned();
            if let Some(method) = item.text_at("compressionMethod").filter(|method| !method.is_empty()) {
                return refused(format!("its file `{path}` is compressed by {method}"));
            }
            if item.text_at("chunkSize").is_some_and(|size| size != "0") {
                return refused(format!("its file `{path}` is cut into chunks"));
            }
            files.push(ImportFile {
                device: item.text_at("deviceId").unwrap_or_default().to_owned(),
                path,
                create: item.at("create").is_some_and(Node::is_true),
            });
        }
        Ok(ImportSpec { spec, files })
    }

    /// Makes the machine in `folder` and sends its files, all at once. It bears `mark` from its first moment, and is undone unless it is kept.
    pub async fn import(
        &self,
        cx: &Cx,
        import: &OvfImport,
        folder: &Moref,
        mut made_of: ImportSpec,
        mark: &Mark,
        files: &BTreeMap<String, Arc<dyn Supply>>,
    ) -> Result<Imported, VsphereError> {
        let attempt = format!("import `{}`", import.name);
        let mut supplies = Vec::new();
        for file in &made_of.files {
            let supply = files.get(&file.path).ok_or_else(|| {
                VsphereError::new(VsphereErrorKind::Usage, &attempt)
                    .because(format!("its description names `{}`, which is not there", file.path))
            })?;
            supplies.push((file, supply));
        }
        annotate(&mut made_of.spec, mark, &import.note);
        cx.check()?;
        let named = |details: &[(&str, &str)]| {
            Undo::Resource(resource(self, Kind::Machine, &import.path, cx.id().as_str(), details))
        };
        // Should the answer be lost, the lease that it names holds the machine for a while.
        let undo = cx.undo().plan(named(&[(LEASE_SECONDS, USUAL)]))?;
        let answer = self
            .call(&attempt, "ImportVApp", &import.pool, |call| {
                call.copy(&Node { name: "spec".to_owned(), ..made_of.spec.clone() });
                call.moref("folder", folder);
                if let Some(host) = &import.host {
                    call.moref("host", host);
                }
            })
            .await?;
        let lease = Lease::of_answer(self, &attempt, "ImportVApp", &answer)?;
        let sent = self.send_all(cx, &attempt, &lease, &supplies, |machine, seconds| {
            let (id, lease) = (machine.to_string(), lease.moref().to_string());
            let seconds = seconds.to_string();
            cx.undo().resolve(undo, named(&[("moref", &id), (LEASE, &lease), (LEASE_SECONDS, &seconds)]))
        });
        match sent.await {
            Ok((machine, files)) => {
                cx.undo().resolve(undo, named(&[("moref", &machine.to_string())]))?;
                Ok(Imported { machine, undo, files })
            }
            Err(error) => {
                lease.abort().await;
                Err(error)
            }
        }
    }

    async fn send_all(
        &self,
        cx: &Cx,
        attempt: &str,
        lease: &Lease,
        supplies: &[(&ImportFile, &Arc<dyn Supply>)],
        known: impl FnOnce(&Moref, u64) -> Result<(), crate::cx::JournalError>,
    ) -> Result<(Moref, Vec<Moved>), VsphereError> {
        let info = lease.ready(cx).await?;
        known(&info.entity, info.timeout.as_secs())?;
        let progress = Arc::new(LeaseProgress::default());
        let keeper = lease.keep(&info, &progress);
        let mut uploads = Vec::new();
        for (file, supply) in supplies {
            let device = info.devices.iter().find(|device| device.import_key == file.device);
            let device = device.ok_or_else(|| {
                VsphereError::new(VsphereErrorKind::Other, attempt)
                    .because(format!("the lease has no place for `{}`", file.path))
            })?;
            uploads.push(Upload {
                name: file.path.clone(),
                device: device.clone(),
                create: file.create,
                supply: Arc::clone(supply),
            });
        }
        let moved = keeper
            .while_held(async {
                let moved = self.send_files(cx, &progress, &uploads).await?;
                lease.compare_received(&moved).await?;
                Ok(moved)
            })
            .await?;
        lease.complete().await?;
        Ok((info.entity, moved))
    }

    /// A lease on the files of a machine that is off, or of one of its snapshots.
    pub async fn export(&self, what: &Moref) -> Result<Lease, VsphereError> {
        let method = if what.kind == "VirtualMachineSnapshot" { "ExportSnapshot" } else { "ExportVm" };
        let attempt = format!("export {what}");
        let answer = self.call(&attempt, method, what, |_| {}).await?;
        Lease::of_answer(self, &attempt, method, &answer)
    }
}

/// The lease that held a machine when a process died, in undo data.
pub(super) const LEASE: &str = "lease";
/// For how long a lease on it lives on, in seconds.
pub(super) const LEASE_SECONDS: &str = "lease-seconds";
/// What servers allow.
const USUAL: &str = "300";

impl Lease {
    /// Compares what was sent with what the server says of it. The manifest is one of downloads; of what a server received it tells
    /// `checksum` only, since 6.7, and it may have none at all then
    /// ([its entries](https://developer.broadcom.com/xapis/vsphere-web-services-api/8.0U3/vim.HttpNfcLease.ManifestEntry.html)).
    async fn compare_received(&self, moved: &[Moved]) -> Result<(), VsphereError> {
        match self.manifest().await {
            Err(error) if error.fault().is_some() => Ok(()),
            manifest => Self::compare(&manifest?, moved, true).map(drop),
        }
    }

    /// Compares what went over the wire with what the server says of it in its manifest, as far as it does; of what it `received`, the
    /// checksum only. Returns how many files it told a digest of.
    pub fn compare(
        manifest: &[ManifestEntry],
        moved: &[Moved],
        received: bool,
    ) -> Result<usize, VsphereError> {
        let mut compared = 0;
        for file in moved {
            let Some(told) = manifest.iter().find(|told| told.key == file.key) else { continue };
            let wrong = |what: &str, ours: &str, theirs: &str| {
                VsphereError::new(VsphereErrorKind::Other, format!("trust the copy of `{}`", file.name))
                    .because(format!("the server has another {what} of it: {theirs}, and here it is {ours}"))
            };
            if !received && told.bytes > 0 && told.bytes != file.bytes {
                return Err(wrong("length", &file.bytes.to_string(), &told.bytes.to_string()));
            }
            let digests = [
                ("sha1", if received { "" } else { told.sha1.as_str() }, file.sha1.as_str()),
                match &told.checksum {
                    Some((kind, digest)) if kind.replace('-', "") == "sha256" => {
                        ("sha256", digest, &file.sha256)
                    }
                    Some((kind, digest)) if kind.replace('-', "") == "sha1" => ("sha1", digest, &file.sha1),
                    _ => ("", "", ""),
                },
            ];
            let mut any = false;
            for (what, theirs, ours) in digests {
                if theirs.is_empty() {
                    continue;
                }
                if theirs != ours {
                    return Err(wrong(what, ours, theirs));
                }
                any = true;
            }
            compared += usize::from(any);
        }
        Ok(compared)
    }
}

/// As `OvfCreateImportSpecParams` has it.
fn provisioning(how: Provisioning) -> &'static str {
    match how {
        Provisioning::Thin => "thin",
        Provisioning::Thick => "thick",
        Provisioning::EagerZeroed => "eagerZeroedThick",
    }
}

/// The arguments of CreateImportSpec.
fn asked(call: &mut Element, import: &OvfImport) {
    call.leaf("ovfDescriptor", &import.descriptor);
    call.moref("resourcePool", &import.pool).moref("datastore", &import.datastore);
    call.node("cisp", |params| {
        params.leaf("locale", "US").leaf("deploymentOption", "").leaf("entityName", &import.name);
        if let Some(host) = &import.host {
            params.moref("hostSystem", host);
        }
        for (name, network) in &import.networks {
            params.node("networkMapping", |mapping| {
                mapping.leaf("name", name).moref("network", network);
            });
        }
        for (key, value) in &import.properties {
            params.node("propertyMapping", |mapping| {
                mapping.leaf("key", key).leaf("value", value);
            });
        }
        params.leaf("diskProvisioning", provisioning(import.provisioning));
    });
}

/// Puts note and mark on the machine's annotation, where the schema has it.
fn annotate(spec: &mut Node, mark: &Mark, note: &str) {
    // All that comes before it in a VirtualMachineConfigSpec.
    const BEFORE: [&str; 16] = [
        "changeVersion",
        "name",
        "version",
        "createDate",
        "uuid",
        "instanceUuid",
        "npivNodeWorldWideName",
        "npivPortWorldWideName",
        "npivWorldWideNameType",
        "npivDesiredNodeWwns",
        "npivDesiredPortWwns",
        "npivTemporaryDisabled",
        "npivOnNonRdmDisks",
        "npivWorldWideNameOp",
        "locationId",
        "guestId",
    ];
    let Some(config) = spec.nodes.iter_mut().find(|node| node.name == "configSpec") else { return };
    if let Some(annotation) = config.nodes.iter_mut().find(|node| node.name == "annotation") {
        let said = annotation.text.trim_end();
        let gap = if said.is_empty() || note.is_empty() { "" } else { "\n" };
        annotation.text = mark.on(&format!("{said}{gap}{note}"));
        return;
    }
    let before = |node: &Node| BEFORE.contains(&node.name.as_str()) || node.name == "alternateGuestName";
    let at = config.nodes.iter().position(|node| !before(node)).unwrap_or(config.nodes.len());
    let annotation = Node { name: "annotation".to_owned(), text: mark.on(note), ..Node::default() };
    config.nodes.insert(at, annotation);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cx::BuildId;

    #[test]
    fn the_mark_stands_where_the_schema_wants_it() {
        let id = BuildId::random();
        let mark = Mark::of(&id, "web");
        let names = |text: &str| {
            let mut spec = Node::parse(text).unwrap();
            annotate(&mut spec, &mark, "by us");
            let config = spec.at("configSpec").unwrap();
            let text = config.text_at("annotation").unwrap().to_owned();
            assert!(super::super::is_marked(&text, id.as_str()), "{text}");
            (config.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>().join(" "), text)
        };
        let (order, _) = names(
            "<s><configSpec><name>x</name><guestId>y</guestId><files/><numCPUs>1</numCPUs></configSpec></s>",
        );
        assert_eq!(order, "name guestId annotation files numCPUs");
        let (order, text) =
            names("<s><configSpec><name>x</name><annotation>note</annotation></configSpec></s>");
        assert_eq!(order, "name annotation");
        assert!(text.starts_with("note\nby us\n"), "{text}");
    }

    #[test]
    fn the_arguments_of_an_import_are_in_the_order_of_the_schema() {
        let import = OvfImport {
            name: "web".to_owned(),
            descriptor: "<Envelope/>".to_owned(),
            path: "/DC0/vm/web".to_owned(),
            pool: Moref::new("ResourcePool", "resgroup-1"),
            host: Some(Moref::new("HostSystem", "host-1")),
            datastore: Moref::new("Datastore", "datastore-1"),
            networks: vec![("nic0".to_owned(), Moref::new("Network", "network-7"))],
            properties: vec![("user-data".to_owned(), "x".to_owned())],
            provisioning: Provisioning::Thin,
            note: String::new(),
        };
        let mut call = Element::default();
        asked(&mut call, &import);
        let text = call.into_text();
        let order = [
            "<ovfDescriptor>&lt;Envelope/&gt;<",
            "<resourcePool type=\"ResourcePool\">",
            "<datastore ",
            "<cisp><locale>",
            "<deploymentOption></",
            "<entityName>web<",
            "<hostSystem ",
            "<networkMapping><name>nic0</name><network type=\"Network\">",
            "<propertyMapping><key>user-data</key><value>x<",
            "<diskProvisioning>thin<",
        ];
        let places: Vec<usize> = order.iter().map(|part| text.find(part).expect(part)).collect();
        assert!(places.is_sorted(), "{text}");
    }
}
