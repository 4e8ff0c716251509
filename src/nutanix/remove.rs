//! What a build makes in a Prism Central, as undo data, and how it is removed.
use super::{
    ContentKind, Place, Prism, PrismError, PrismErrorKind, Server, is_marked,
    objects::UPLOAD,
    said::{user_of, variable},
    task::TASK,
};
use crate::{
    cx::{ResourceRef, Stop, Undo},
    value::Secret,
};
use std::{collections::BTreeMap, time::Duration};

/// The word for all of this in journals.
pub const DRIVER: &str = "nutanix";
/// The detail that names the build whose mark a thing must bear to be removed.
const BUILD: &str = "build";

/// Kinds of things that a build makes in a Prism Central.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An image, by its UUID, or by its name until that is known; only with the build's mark in its description.
    Image,
    /// A file in the object store, by its key, which is of the build's id; `upload` names an upload of it that did not end.
    Object,
    /// A value of a category; only with the build's mark in its description. Its key is the detail `key`.
    Category,
    /// A key of categories, of v3; only with the build's mark in its description.
    CategoryKey,
    /// A machine, by its UUID, or by its name until that is known; only if it is of the build.
    Vm,
    /// A template likewise.
    Template,
    /// An OVA likewise.
    Ova,
}

impl Kind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Image, "image"),
        (Self::Object, "object"),
        (Self::Category, "category"),
        (Self::CategoryKey, "category-key"),
        (Self::Vm, "vm"),
        (Self::Template, "template"),
        (Self::Ova, "ova"),
    ];

    /// As in [`ResourceRef::kind`].
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("thing", |(_, name)| name)
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }
}

/// Undo data for the thing `id` that `build` makes; `details` is what else is needed to find it.
pub fn resource(
    prism: &Prism,
    kind: Kind,
    id: impl Into<String>,
    build: &str,
    details: &[(&str, &str)],
) -> ResourceRef {
    let place = prism.place();
    // How the server is recognised goes into one word, so that it is read back as it was.
    let server = serde_json::to_string(&place.server).unwrap_or_default();
    let dialect = prism.dialect().to_string();
    let own = [
        ("server", server.as_str()),
        ("user", place.user.as_str()),
        ("dialect", dialect.as_str()),
        (BUILD, build),
    ];
    let details: BTreeMap<String, String> =
        own.iter().chain(details).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ResourceRef { driver: DRIVER.to_owned(), kind: kind.name().to_owned(), id: id.into(), details }
}

/// Removes a thing for good, as the user whom the environment names. Gone already is `Ok`.
pub async fn remove(resource: &ResourceRef, stop: &Stop) -> Result<(), PrismError> {
    let place = place(resource)?;
    let dialect = resource.details.get("dialect").and_then(|text| text.parse().ok());
    remove_with(&Prism::connect(&place, dialect).await?, resource, stop).await
}

/// Whether it is the undo data of a category, which stays with the result that it was made for.
pub fn is_category(undo: &Undo) -> bool {
    let kinds = [Kind::Category.name(), Kind::CategoryKey.name()];
    matches!(undo, Undo::Resource(resource) if resource.driver == DRIVER && kinds.contains(&resource.kind.as_str()))
}

/// Where a thing is.
fn place(resource: &ResourceRef) -> Result<Place, PrismError> {
    let attempt = || format!("remove {resource}");
    let server = resource.details.get("server").map(String::as_str).unwrap_or_default();
    let server: Server = serde_json::from_str(server)
        .map_err(|error| PrismError::new(PrismErrorKind::Usage, attempt()).because(error))?;
    let Some(password) = variable("NUTANIX_PASSWORD") else {
        return Err(PrismError::new(PrismErrorKind::Auth, attempt())
            .because(format!(
                "the password for {server} is not known any more: set NUTANIX_PASSWORD (and NUTANIX_USER, for another user)"
            ))
            .hint("set NUTANIX_PASSWORD, and run `goldsmith gc`"));
    };
    let user = user_of(&variable).or_else(|| resource.details.get("user").cloned()).unwrap_or_default();
    Ok(Place { server, user, password: Secret::new(password) })
}

impl Prism {
    /// Whether a thing of undo data is in this Prism Central.
    pub fn holds(&self, resource: &ResourceRef) -> bool {
        let server =
            resource.details.get("server").and_then(|text| serde_json::from_str::<Server>(text).ok());
        server.is_some_and(|server| server == self.place().server)
            && resource.details.get("dialect").is_some_and(|word| *word == self.dialect().to_string())
    }
}

/// As [`remove`], with this session.
pub async fn remove_with(prism: &Prism, resource: &ResourceRef, stop: &Stop) -> Result<(), PrismError> {
    let detail = |name: &str| resource.details.get(name).map(String::as_str);
    let build = detail(BUILD).unwrap_or_default();
    if let Some(task) = detail(TASK) {
        prism.settle(task, stop).await?;
    }
    let names = (resource.id.as_str(), detail("name").unwrap_or(&resource.id));
    match Kind::of(&resource.kind) {
        Some(Kind::Image) => remove_marked_image(prism, names, build, stop).await,
        Some(Kind::Vm) => remove_own_vm(prism, names, build, stop).await,
        Some(Kind::Template) => prism.remove_own_content(ContentKind::Template, names, build, stop).await,
        Some(Kind::Ova) => prism.remove_own_content(ContentKind::Ova, names, build, stop).await,
        Some(Kind::Object) => prism.unstage(&resource.id, detail(UPLOAD)).await,
        Some(Kind::Category) => {
            prism.remove_category(detail("key").unwrap_or_default(), Some(&resource.id), build).await
        }
        Some(Kind::CategoryKey) => prism.remove_category(&resource.id, None, build).await,
        None => Err(PrismError::new(PrismErrorKind::Usage, format!("remove {resource}"))
            .because("this goldsmith does not know such a thing: a newer one made it")),
    }
}

/// By its UUID; by its name if that is all that was known. Without the build's mark it is somebody else's.
async fn remove_marked_image(
    prism: &Prism,
    (id, name): (&str, &str),
    build: &str,
    stop: &Stop,
) -> Result<(), PrismError> {
    let mut images = Vec::new();
    if uuid::Uuid::parse_str(id).is_ok() {
        match prism.image(id).await {
            Ok(image) => images.push(image),
            Err(error) if error.kind() == PrismErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // A name may look like a UUID.
    if images.is_empty() {
        images = prism.images_named(name).await?;
    }
    for image in images.iter().filter(|image| is_marked(&image.description, build)) {
        prism.remove_image(&image.uuid, stop).await?;
    }
    Ok(())
}

/// The same for a machine. Until its UUID is known its making may be on its way still, so it is looked for several times.
async fn remove_own_vm(
    prism: &Prism,
    (id, name): (&str, &str),
    build: &str,
    stop: &Stop,
) -> Result<(), PrismError> {
    const LOOKS: u32 = 4;
    const EVERY: Duration = Duration::from_millis(500);
    if uuid::Uuid::parse_str(id).is_ok() {
        let found = match prism.vm(id).await {
            Err(error) if error.kind() == PrismErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        return if found.is_of(build) { prism.remove_vm(id, stop).await } else { Ok(()) };
    }
    for look in 1..=LOOKS {
        let all = prism.vms_named(name).await?;
        let ours: Vec<_> = all.iter().filter(|vm| vm.is_of(build)).collect();
        for vm in &ours {
            prism.remove_vm(&vm.uuid, stop).await?;
        }
        if !ours.is_empty() || look == LOOKS || stop.is_hurried() {
            break;
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}
