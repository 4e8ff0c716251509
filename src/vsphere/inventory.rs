//! The inventory: what is where, found by name or by path, and folders that are made.
use super::{Moref, Node, Properties, VCenter, VsphereError, VsphereErrorKind};

/// Kinds of things that users name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A datacenter.
    Datacenter,
    /// A cluster, or a host that is in none.
    ComputeResource,
    /// A host.
    Host,
    /// A resource pool.
    ResourcePool,
    /// A datastore.
    Datastore,
    /// A datastore cluster.
    StoragePod,
    /// A network, also a port group of a distributed switch.
    Network,
    /// A folder for machines.
    Folder,
    /// A machine, also one that is a template.
    Machine,
}

impl Named {
    /// The managed object's type.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Datacenter => "Datacenter",
            Self::ComputeResource => "ComputeResource",
            Self::Host => "HostSystem",
            Self::ResourcePool => "ResourcePool",
            Self::Datastore => "Datastore",
            Self::StoragePod => "StoragePod",
            Self::Network => "Network",
            Self::Folder => "Folder",
            Self::Machine => "VirtualMachine",
        }
    }

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Datacenter => "datacenter",
            Self::ComputeResource => "cluster or host",
            Self::Host => "host",
            Self::ResourcePool => "resource pool",
            Self::Datastore => "datastore",
            Self::StoragePod => "datastore cluster",
            Self::Network => "network",
            Self::Folder => "folder",
            Self::Machine => "virtual machine",
        }
    }

    /// The folder of a datacenter that such things are in.
    fn root(self) -> Option<&'static str> {
        match self {
            Self::Datacenter => None,
            Self::ComputeResource | Self::Host | Self::ResourcePool => Some("host"),
            Self::Datastore | Self::StoragePod => Some("datastore"),
            Self::Network => Some("network"),
            Self::Folder | Self::Machine => Some("vm"),
        }
    }
}

/// A datacenter, with the path by which everything in it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datacenter {
    /// The object.
    pub moref: Moref,
    /// `/DC0`, or with folders before it.
    pub path: String,
    /// Its name alone, as datastores' addresses want it.
    pub name: String,
}

/// A name in a path: what would be taken for a part of the path is written as `%2f`, `%5c`, `%25`.
pub fn escape_name(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2f").replace('\\', "%5c")
}

/// A name as the inventory tells it, for people.
pub fn plain_name(name: &str) -> String {
    name.replace("%2f", "/").replace("%2F", "/").replace("%5c", "\\").replace("%5C", "\\").replace("%25", "%")
}

impl VCenter {
    /// What is at this path: `/DC0/vm/templates/web`. `None` if there is nothing.
    pub async fn at_path(&self, path: &str) -> Result<Option<Moref>, VsphereError> {
        let index = self.service("searchIndex")?;
        let attempt = format!("look for `{path}`");
        let found = self
            .call(attempt, "FindByInventoryPath", &index, |call| {
                call.leaf("inventoryPath", path.trim_matches('/'));
            })
            .await?;
        Ok(found.at("returnval").and_then(Node::as_moref))
    }

    /// The datacenter that is meant: by name, by path, or the only one.
    pub async fn datacenter(&self, said: Option<&str>) -> Result<Datacenter, VsphereError> {
        let root = self.service("rootFolder")?;
        let moref = match said {
            Some(said) => self.find(Named::Datacenter, None, said).await?,
            None => self.only(Named::Datacenter, &root).await?,
        };
        let path = self.path_of(&moref).await?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Datacenter { moref, path, name })
    }

    /// What a user names, by its name or by its path: absolute, or relative to the folder of such things in the datacenter.
    pub async fn find(
        &self,
        what: Named,
        datacenter: Option<&Datacenter>,
        said: &str,
    ) -> Result<Moref, VsphereError> {
        let attempt = || {
            let place = datacenter.map(|datacenter| format!(" in `{}`", datacenter.path)).unwrap_or_default();
            format!("find the {} `{said}`{place}", what.word())
        };
        let relative = || Some(format!("{}/{}/{said}", datacenter?.path, what.root()?));
        let path = if said.starts_with('/') { Some(said.to_owned()) } else { relative() };
        if let Some(path) = path
            && let Some(found) = self.at_path(&path).await?
        {
            return Ok(found);
        }
        let container = match datacenter {
            Some(datacenter) => datacenter.moref.clone(),
            None => self.service("rootFolder")?,
        };
        let all = self.all_named(what, &container).await?;
        let wanted = escape_name(said);
        let mut matching = all.iter().filter(|(_, name)| *name == wanted || name == said);
        match (matching.next(), matching.next()) {
            (Some((found, _)), None) => Ok(found.clone()),
            (Some(_), Some(_)) => Err(VsphereError::new(VsphereErrorKind::Usage, attempt())
                .because(format!("there are {} of this name", matching.count() + 2))
                .hint("say its whole path, such as `/DC0/vm/folder/name`")),
            (None, _) => Err(VsphereError::new(VsphereErrorKind::NotFound, attempt()).because(others(&all))),
        }
    }

    /// The only thing of a kind, for who named none.
    pub async fn only(&self, what: Named, container: &Moref) -> Result<Moref, VsphereError> {
        let all = self.all_named(what, container).await?;
        match all.as_slice() {
            [(only, _)] => Ok(only.clone()),
            _ => Err(VsphereError::new(VsphereErrorKind::Usage, format!("choose a {}", what.word()))
                .because(others(&all))
                .hint(format!("say which {} is meant", what.word()))),
        }
    }

    /// All things of a kind below a container, with their names as the inventory has them.
    pub async fn all_named(
        &self,
        what: Named,
        container: &Moref,
    ) -> Result<Vec<(Moref, String)>, VsphereError> {
        let all = self.all_below(what.kind(), container, &["name"]).await?;
        let named =
            |(moref, properties): (Moref, Properties)| Some((moref, properties.text("name")?.to_owned()));
        Ok(all.into_iter().filter_map(named).collect())
    }

    /// All objects of a type below a container, with properties.
    pub async fn all_below(
        &self,
        kind: &str,
        container: &Moref,
        paths: &[&str],
    ) -> Result<Vec<(Moref, Properties)>, VsphereError> {
        let attempt = format!("list what is in {container}");
        let manager = self.service("viewManager")?;
        let view = self
            .call(&attempt, "CreateContainerView", &manager, |call| {
                call.moref("container", container).leaf("type", kind).flag("recursive", true);
            })
            .await?;
        let Some(view) = view.at("returnval").and_then(Node::as_moref) else {
            return Err(
                VsphereError::new(VsphereErrorKind::Other, attempt).because("it answered without a view")
            );
        };
        let found = self
            .retrieve(&attempt, |call| {
                call.node("specSet", |spec| {
                    spec.node("propSet", |set| {
                        set.leaf("type", kind);
                        for path in paths {
                            set.leaf("pathSet", path);
                        }
                    });
                    spec.node("objectSet", |set| {
                        set.moref("obj", &view).flag("skip", true);
                        set.extended("selectSet", "TraversalSpec", |select| {
                            select.leaf("type", "ContainerView").leaf("path", "view").flag("skip", false);
                        });
                    });
                });
                call.node("options", |_| {});
            })
            .await;
        // A view that stays costs the server memory until the session ends.
        let _ = self.call(&attempt, "DestroyView", &view, |_| {}).await;
        found
    }

    /// The path of an object, from the root on.
    pub async fn path_of(&self, object: &Moref) -> Result<String, VsphereError> {
        let root = self.service("rootFolder")?;
        let (mut names, mut at) = (Vec::new(), object.clone());
        // Nothing is that deep; a circle would be.
        while at != root && names.len() < 100 {
            let properties = self.properties(&at, &["name", "parent"]).await?;
            names.push(properties.text("name").unwrap_or_default().to_owned());
            match properties.moref("parent") {
                Some(parent) => at = parent,
                None => break,
            }
        }
        names.reverse();
        Ok(format!("/{}", names.join("/")))
    }

    /// The folder for machines at this path below the datacenter's, with how many of its parts are there already.
    pub async fn folder(
        &self,
        datacenter: &Datacenter,
        said: &str,
    ) -> Result<(Moref, Vec<String>), VsphereError> {
        let top = format!("{}/vm", datacenter.path);
        let below = said.strip_prefix(top.as_str()).unwrap_or(said);
        if below.starts_with('/') && said.starts_with('/') && below.len() == said.len() {
            return Err(VsphereError::new(VsphereErrorKind::Usage, format!("find the folder `{said}`"))
                .because(format!("it is not in `{top}`")));
        }
        let mut missing: Vec<String> =
            below.split('/').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect();
        let Some(mut at) = self.at_path(&top).await? else {
            return Err(VsphereError::new(VsphereErrorKind::NotFound, format!("find the folder `{top}`")));
        };
        let mut path = top;
        while let Some(part) = missing.first() {
            path = format!("{path}/{part}");
            match self.at_path(&path).await? {
                Some(found) if found.kind == "Folder" => {
                    at = found;
                    missing.remove(0);
                }
                Some(found) => {
                    return Err(VsphereError::new(
                        VsphereErrorKind::Usage,
                        format!("use the folder `{path}`"),
                    )
                    .because(format!("it is none, but a {}", found.kind)));
                }
                None => break,
            }
        }
        Ok((at, missing))
    }

    /// Makes a folder.
    pub async fn make_folder(&self, parent: &Moref, name: &str) -> Result<Moref, VsphereError> {
        let attempt = format!("make the folder `{name}`");
        let made = self
            .call(&attempt, "CreateFolder", parent, |call| {
                call.leaf("name", name);
            })
            .await?;
        made.at("returnval").and_then(Node::as_moref).ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Other, attempt).because("CreateFolder answered without one")
        })
    }
}

/// What there is instead.
fn others(all: &[(Moref, String)]) -> String {
    const SHOWN: usize = 12;
    if all.is_empty() {
        return "there is none, or none that this user may see".to_owned();
    }
    let mut names: Vec<String> = all.iter().map(|(_, name)| plain_name(name)).collect();
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("there are: {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_into_paths_and_back() {
        for name in ["a", "a/b", "50%", "a\\b", "%2f"] {
            assert_eq!(plain_name(&escape_name(name)), name);
        }
    }
}
