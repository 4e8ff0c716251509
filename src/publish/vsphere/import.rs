//! From an OVA on this host to a machine or a template.
use super::supply;
use crate::{
    cx::Cx,
    disk::ova::Ova,
    publish::stage::stage,
    value::Size,
    vsphere::{
        Imported, Mark, Moref, OvfImport, Spot, Tag, Target, VCenter, VsphereError, VsphereErrorKind,
        machine::{Machine, Provisioning},
        nfc::Supply,
        result::{self, Finish},
    },
};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// The longest name that a vCenter gives a machine, in characters.
const LONGEST: usize = 80;

/// An image to publish.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The user's file.
    pub image: &'a Path,
    /// What is in it.
    pub ova: &'a Ova,
    /// What the machine is to be called.
    pub name: &'a str,
    /// Where.
    pub target: &'a Target,
    /// How the space of its disks is taken.
    pub provisioning: Provisioning,
    /// Properties of the description that get values.
    pub properties: &'a [(String, String)],
    /// What it gets then.
    pub finish: &'a Finish,
    /// It takes the place of what an earlier publish made.
    pub replace: bool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// The vCenter.
    pub server: String,
    /// Its name.
    pub name: String,
    /// Its path in the inventory.
    pub path: String,
    /// The object: `VirtualMachine:vm-42`.
    pub machine: Moref,
    /// Whether it is a template.
    pub template: bool,
    /// Its snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Moref>,
    /// The name of its datastore.
    pub datastore: String,
    /// Sizes of its disks in bytes.
    pub disks: Vec<u64>,
    /// Bytes that were sent.
    pub bytes_sent: u64,
    /// How often a file was begun again.
    pub repeated: u32,
    /// Whether it took the place of an earlier one.
    pub replaced: bool,
}

/// All that is known before anything is made.
struct Ready {
    spot: Spot,
    old: Option<Machine>,
    import: OvfImport,
    supplies: BTreeMap<String, Arc<dyn Supply>>,
}

impl Job<'_> {
    /// Makes the machine. What it made goes again if something fails.
    pub async fn publish(&self, cx: &Cx, vcenter: &VCenter) -> Result<Published, VsphereError> {
        let ready = stage(cx, "check", Box::pin(self.prepare(cx, vcenter))).await?;
        let (imported, tags) = stage(cx, "upload", Box::pin(self.bring(cx, vcenter, &ready))).await?;
        let Ready { spot, old, import, .. } = ready;
        let Imported { machine, files, .. } = imported;
        let machine = Machine::new(vcenter, machine, &import.path);
        let disks = self.disks()?;
        let snapshot = stage(
            cx,
            "finish",
            Box::pin(async {
                let snapshot = self.finish.apply(cx, &machine, &tags).await?;
                self.finish.verify(&machine, snapshot.as_ref(), &disks).await?;
                cx.check()?;
                match &old {
                    Some(old) => result::take_the_place(cx, old, &machine, self.name).await?,
                    None => machine.keep(cx).await?,
                }
                Ok::<_, VsphereError>(snapshot)
            }),
        )
        .await?;
        Ok(Published {
            server: vcenter.place().server.to_string(),
            name: self.name.to_owned(),
            path: spot.path_of(self.name),
            machine: machine.moref().clone(),
            template: self.finish.template,
            snapshot,
            datastore: spot.datastore_name,
            disks,
            bytes_sent: files.iter().map(|file| file.bytes).sum(),
            repeated: files.iter().map(|file| file.repeated).sum(),
            replaced: old.is_some(),
        })
    }

    /// Makes the machine and leaves it as it is: marked and journaled, for who goes on with it.
    pub async fn import(&self, cx: &Cx, vcenter: &VCenter) -> Result<Machine, VsphereError> {
        let ready = Box::pin(self.prepare(cx, vcenter)).await?;
        let (imported, _) = Box::pin(self.bring(cx, vcenter, &ready)).await?;
        Ok(Machine::new(vcenter, imported.machine, &ready.import.path))
    }

    /// Looks at everything; makes nothing.
    async fn prepare(&self, cx: &Cx, vcenter: &VCenter) -> Result<Ready, VsphereError> {
        self.check()?;
        let supplies = supply::of_ova(self.ova, self.image)?;
        let spot = self.target.find(vcenter).await?;
        spot.chosen.iter().for_each(|why| cx.events().notice(why.clone()));
        self.check_room(&spot)?;
        let networks = self.target.networks(vcenter, &spot.datacenter, self.ova.networks()).await?;
        let old = result::in_the_way(vcenter, &spot.path_of(self.name), self.replace).await?;
        let name = match &old {
            Some(_) => result::name_until_then(self.name, cx.id()),
            None => self.name.to_owned(),
        };
        let import = OvfImport {
            descriptor: self.ova.descriptor().to_owned(),
            path: spot.path_of(&name),
            pool: spot.pool.clone(),
            host: spot.host.clone(),
            datastore: spot.datastore.clone(),
            networks,
            properties: self.properties.to_vec(),
            provisioning: self.provisioning,
            note: result::line(&self.image.file_name().unwrap_or_default().to_string_lossy()),
            name,
        };
        Ok(Ready { spot, old, import, supplies })
    }

    /// Makes the machine with all that is in the OVA.
    async fn bring(
        &self,
        cx: &Cx,
        vcenter: &VCenter,
        ready: &Ready,
    ) -> Result<(Imported, Vec<Tag>), VsphereError> {
        let Ready { spot, import, supplies, .. } = ready;
        // What the server does not like about the description is told before anything is made.
        let spec = vcenter.import_spec(cx, import).await?;
        let mark = Mark::of(cx.id(), self.name);
        let tags = self.finish.tags(cx, vcenter, &mark).await?;
        let folder = vcenter.folder_made(cx, &spot.datacenter, &spot.folder_path).await?;
        let imported = vcenter.import(cx, import, &folder, spec, &mark, supplies).await?;
        Ok((imported, tags))
    }

    /// What can be wrong without a look at the server.
    fn check(&self) -> Result<(), VsphereError> {
        let wrong =
            |what: String, why: String| Err(VsphereError::new(VsphereErrorKind::Usage, what).because(why));
        let longest = if self.replace { LONGEST - result::SUFFIX } else { LONGEST };
        let length = self.name.chars().count();
        if length == 0 || length > longest {
            return wrong(
                format!("call the machine `{}`", self.name),
                format!("its name has {length} characters, and 1 to {longest} are possible"),
            );
        }
        if self.name.contains(['/', '\\', '%']) {
            let why = "a name with `/`, `\\` or `%` would be written in another way everywhere";
            return wrong(format!("call the machine `{}`", self.name), why.to_owned());
        }
        let settable = self.ova.settable_properties();
        if let Some((key, _)) = self.properties.iter().find(|(key, _)| !settable.contains(key)) {
            return wrong(
                format!("set the property `{key}`"),
                if settable.is_empty() {
                    "the image has none that can be set".to_owned()
                } else {
                    format!("the image has: {}", settable.join(", "))
                },
            );
        }
        self.disks().map(drop)
    }

    /// Sizes of the disks in bytes, also of those that have no file.
    fn disks(&self) -> Result<Vec<u64>, VsphereError> {
        match self.ova.capacities() {
            Some(sizes) if !self.ova.disks().is_empty() => Ok(sizes),
            Some(_) => Err(supply::unreadable(self.image, "its description has no disk with a file")),
            None => {
                Err(supply::unreadable(self.image, "its description does not tell the sizes of its disks"))
            }
        }
    }

    /// A datastore that is surely too small is told before the upload.
    fn check_room(&self, spot: &Spot) -> Result<(), VsphereError> {
        let needs: u64 = match self.provisioning {
            // They take what is in them, which is more than their files.
            Provisioning::Thin => self.ova.disks().iter().map(|disk| disk.file_bytes).sum(),
            Provisioning::Thick | Provisioning::EagerZeroed => self.disks()?.iter().sum(),
        };
        if needs <= spot.free_bytes {
            return Ok(());
        }
        let (needs, free) = (Size::bytes(needs), Size::bytes(spot.free_bytes));
        let attempt = format!("use the datastore `{}`", spot.datastore_name);
        Err(VsphereError::new(VsphereErrorKind::NoSpace, attempt)
            .because(format!("the disks need {needs} at least, and {free} are free")))
    }
}
