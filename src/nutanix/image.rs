//! Images: disks and ISOs that a Prism Central keeps for its clusters.
use super::{
    Categories, Cluster, Dialect, Kind, Mark, Named, Prism, PrismError, PrismErrorKind,
    call::{Call, escape},
    category::found,
    is_marked, resource,
    task::{TASK, task_of},
    vm::mapping,
};
use crate::{
    cx::{Cx, Look, Sight, Stop, Undo, UndoHandle},
    value::Digest,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest that a cluster may take to fetch or convert an image.
const MAKING: Duration = Duration::from_hours(6);
/// The longest that it may take to remove one.
const REMOVING: Duration = Duration::from_mins(15);
const EVERY: Duration = Duration::from_millis(500);

/// What an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageType {
    /// A disk that machines are made of.
    Disk,
    /// A medium that is put into machines.
    Iso,
}

impl ImageType {
    /// The server's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "DISK_IMAGE",
            Self::Iso => "ISO_IMAGE",
        }
    }
}

/// Where the bytes of an image come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// They are sent afterwards; v3 only.
    Sent,
    /// The server fetches them.
    Url(url::Url),
    /// They were sent before, as the object of this key; v4 only.
    Object(String),
    /// They are those of the disk of this UUID, of a machine that is off.
    VmDisk(String),
}

/// An image to make.
#[derive(Debug, Clone)]
pub struct NewImage<'a> {
    /// Its name, 1 to 256 characters.
    pub name: &'a str,
    /// What people read about it.
    pub description: &'a str,
    /// What it is.
    pub image_type: ImageType,
    /// SHA-256 of its bytes.
    pub sha256: Option<&'a Digest>,
    /// On which clusters it is at first; Prism Central chooses where there are none.
    pub clusters: &'a [Cluster],
    /// What it bears.
    pub categories: &'a Categories,
    /// Its bytes.
    pub source: ImageSource,
}

/// How far an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// It can be used.
    Ready,
    /// Not yet, with the server's word.
    Pending(String),
    /// It will never be.
    Failed(String),
}

/// An image as the server tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its UUID.
    pub uuid: String,
    /// Its name, which others may have, too.
    pub name: String,
    /// With our mark, if it is ours.
    pub description: String,
    /// Its size in bytes, as far as the server knows.
    pub bytes: Option<u64>,
    /// SHA-256 in lower-case digits, if the server knows that.
    pub sha256: Option<String>,
    /// UUIDs of the clusters that have it.
    pub clusters: Vec<String>,
    /// Whether it is a medium, and no disk.
    pub is_iso: bool,
    /// Whether it can be used.
    pub state: ImageState,
}

impl Named for Image {
    fn uuid(&self) -> &str {
        &self.uuid
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Prism {
    /// Begins an image and waits for the task of that. It is in the journal from before its first moment, and belongs to the build of
    /// `cx` until that is told otherwise.
    pub async fn make_image(&self, cx: &Cx, new: &NewImage<'_>) -> Result<(String, UndoHandle), PrismError> {
        let attempt = format!("make the image `{}`", new.name);
        let undo = |id: &str, task: Option<&str>| {
            let mut details = vec![("name", new.name)];
            details.extend(task.map(|task| (TASK, task)));
            Undo::Resource(resource(self, Kind::Image, id, cx.id().as_str(), &details))
        };
        let handle = cx.undo().plan(undo(new.name, None))?;
        let body = body(self.dialect(), &Mark::of(cx.id()), new);
        let call = match self.dialect() {
            Dialect::V3 => Call::post(&attempt, "api/nutanix/v3/images", body),
            // A new attempt after a failed task is another request.
            Dialect::V4 => Call::post(&attempt, V4, body).request_id(uuid::Uuid::new_v4()),
        };
        let answer = match self.send(call).await {
            Ok(answer) => answer.value,
            Err(error) if is_open(&error) => {
                // Perhaps the server heard it, and only its answer got lost.
                let made = self.images_named(new.name).await.unwrap_or_default();
                let ours = made.into_iter().find(|image| is_marked(&image.description, cx.id().as_str()));
                let Some(image) = ours else { return Err(error) };
                cx.undo().resolve(handle, undo(&image.uuid, None))?;
                return Ok((image.uuid, handle));
            }
            Err(error) => return Err(error),
        };
        let lacks = |what: &str| {
            PrismError::new(PrismErrorKind::Other, &attempt)
                .because(format!("the answer does not tell {what}"))
        };
        let told = answer["metadata"]["uuid"].as_str();
        let task = task_of(self.dialect(), &answer);
        // Until the task is done there may be no image to be seen yet: who undoes this waits for it.
        cx.undo().resolve(handle, undo(told.unwrap_or(new.name), task.as_deref()))?;
        let task = task.ok_or_else(|| lacks("its task"))?;
        let done = self.finish(cx, &attempt, &task, MAKING).await?;
        let uuid = told.or_else(|| done.entity("image")).ok_or_else(|| lacks("its id"))?;
        cx.undo().resolve(handle, undo(uuid, None))?;
        Ok((uuid.to_owned(), handle))
    }

    /// Waits until an image can be used: it is complete, and its size is known.
    pub async fn ready_image(&self, cx: &Cx, name: &str, uuid: &str) -> Result<Image, PrismError> {
        let what = format!("the image `{name}` to be ready");
        let look = || async {
            match self.image(uuid).await {
                Ok(image) => match (&image.state, image.bytes) {
                    (ImageState::Failed(why), _) => {
                        let error =
                            PrismError::new(PrismErrorKind::Other, format!("get the image `{name}` ready"));
                        Look::Hopeless(Box::new(error.because(why.clone())))
                    }
                    (ImageState::Ready, Some(1..)) => Look::Ready(image),
                    (ImageState::Ready, _) => Look::NotYet(vec![Sight::no("size", "not known yet")]),
                    (ImageState::Pending(state), _) => {
                        Look::NotYet(vec![Sight::no("state", state.to_lowercase())])
                    }
                },
                Err(error) if error.kind() == PrismErrorKind::Unavailable => {
                    Look::NotYet(vec![Sight::unknown("image", crate::cx::causes(&error).join(": "))])
                }
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        Ok(cx.wait_for(&what, MAKING, EVERY, look).await?)
    }

    /// The image of this UUID.
    pub async fn image(&self, uuid: &str) -> Result<Image, PrismError> {
        let attempt = format!("look at the image {uuid}");
        Ok(self.look_at_image(&attempt, uuid).await?.0)
    }

    async fn look_at_image(&self, attempt: &str, uuid: &str) -> Result<(Image, Option<String>), PrismError> {
        let answer = self.send(Call::get(attempt, self.image_path(uuid))).await?;
        let entry = match self.dialect() {
            Dialect::V3 => &answer.value,
            Dialect::V4 => &answer.value["data"],
        };
        let image = read(self.dialect(), entry).ok_or_else(|| {
            PrismError::new(PrismErrorKind::Other, attempt).because("the answer tells of no image")
        })?;
        Ok((image, answer.etag))
    }

    /// All images of exactly this name.
    pub async fn images_named(&self, name: &str) -> Result<Vec<Image>, PrismError> {
        let attempt = format!("look for images called `{name}`");
        let entries = match self.dialect() {
            Dialect::V3 => {
                let mut body = json!({ "kind": "image" });
                // Signs that mean something in a filter are compared here only.
                if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
                    body["filter"] = format!("name=={name}").into();
                }
                self.list_v3(&attempt, "api/nutanix/v3/images/list", body).await?
            }
            Dialect::V4 => {
                let filter = format!("name eq '{}'", name.replace('\'', "''"));
                self.list_v4(&attempt, V4, Some(&filter)).await?
            }
        };
        let images = entries.iter().filter_map(|entry| read(self.dialect(), entry));
        Ok(images.filter(|image| image.name == name).collect())
    }

    /// All images.
    pub async fn images(&self) -> Result<Vec<Image>, PrismError> {
        let attempt = "list the images";
        let entries = match self.dialect() {
            Dialect::V3 => {
                self.list_v3(attempt, "api/nutanix/v3/images/list", json!({ "kind": "image" })).await?
            }
            Dialect::V4 => self.list_v4(attempt, V4, None).await?,
        };
        Ok(entries.iter().filter_map(|entry| read(self.dialect(), entry)).collect())
    }

    /// Waits for the end of a task that makes something, however it ends: only then is it sure what there is to remove.
    pub(super) async fn settle(&self, task: &str, stop: &Stop) -> Result<(), PrismError> {
        match self.finish_undoing("wait for the end of what makes it", task, REMOVING, stop).await {
            Err(error) if matches!(error.kind(), PrismErrorKind::Timeout | PrismErrorKind::Unavailable) => {
                Err(error)
            }
            // That it failed, or is forgotten, is an end, too.
            _ => Ok(()),
        }
    }

    /// Removes an image for good, and waits until it is gone. Gone already is a success.
    pub async fn remove_image(&self, uuid: &str, stop: &Stop) -> Result<(), PrismError> {
        let attempt = format!("remove the image {uuid}");
        let mut call = Call::delete(&attempt, self.image_path(uuid));
        if self.dialect() == Dialect::V4 {
            let etag = match self.look_at_image(&attempt, uuid).await {
                Ok((_, etag)) => etag,
                Err(error) if error.kind() == PrismErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            call = call.request_id(uuid::Uuid::new_v4()).if_match(etag);
        }
        let Some(answer) = found(self.send(call).await)? else { return Ok(()) };
        if let Some(task) = task_of(self.dialect(), &answer.value) {
            self.finish_undoing(&attempt, &task, REMOVING, stop).await?;
        }
        Ok(())
    }

    fn image_path(&self, uuid: &str) -> String {
        match self.dialect() {
            Dialect::V3 => format!("api/nutanix/v3/images/{}", escape(uuid)),
            Dialect::V4 => format!("{V4}/{}", escape(uuid)),
        }
    }
}

const V4: &str = "api/vmm/v4.0/content/images";

/// Whether nobody knows what a call that failed did.
pub(super) fn is_open(error: &PrismError) -> bool {
    matches!(error.kind(), PrismErrorKind::Unavailable | PrismErrorKind::Timeout)
}

fn body(dialect: Dialect, mark: &Mark, new: &NewImage<'_>) -> Value {
    let description = mark.on(new.description);
    match dialect {
        Dialect::V3 => {
            let mut resources = json!({ "image_type": new.image_type.name() });
            if let ImageSource::Url(url) = &new.source {
                resources["source_uri"] = url.as_str().into();
                if let Some(sha256) = new.sha256 {
                    resources["checksum"] =
                        json!({ "checksum_algorithm": "SHA_256", "checksum_value": sha256.hex() });
                }
            }
            if let ImageSource::VmDisk(disk) = &new.source {
                resources["data_source_reference"] = json!({ "kind": "vm_disk", "uuid": disk });
            }
            if !new.clusters.is_empty() {
                let list =
                    new.clusters.iter().map(|cluster| json!({ "kind": "cluster", "uuid": cluster.uuid }));
                resources["initial_placement_ref_list"] = list.collect();
            }
            let mut metadata = json!({ "kind": "image" });
            if !new.categories.is_empty() {
                metadata["use_categories_mapping"] = true.into();
                metadata["categories_mapping"] = mapping(new.categories);
            }
            json!({
                "metadata": metadata,
                "spec": { "name": new.name, "description": description, "resources": resources },
            })
        }
        Dialect::V4 => {
            let mut image = json!({
                "$objectType": "vmm.v4.content.Image",
                "name": new.name,
                "description": description,
                "type": new.image_type.name(),
            });
            match &new.source {
                ImageSource::Sent => {}
                ImageSource::Url(url) => {
                    image["source"] =
                        json!({ "$objectType": "vmm.v4.content.UrlSource", "url": url.as_str() });
                }
                ImageSource::Object(key) => {
                    image["source"] =
                        json!({ "$objectType": "vmm.v4.content.ObjectsLiteSource", "key": key });
                }
                ImageSource::VmDisk(disk) => {
                    image["source"] = json!({ "$objectType": "vmm.v4.content.VmDiskSource", "extId": disk });
                }
            }
            if let Some(sha256) = new.sha256 {
                image["checksum"] =
                    json!({ "$objectType": "vmm.v4.content.ImageSha256Checksum", "hexDigest": sha256.hex() });
            }
            if !new.clusters.is_empty() {
                image["clusterLocationExtIds"] =
                    new.clusters.iter().map(|cluster| Value::from(cluster.uuid.as_str())).collect();
            }
            if !new.categories.is_empty() {
                image["categoryExtIds"] = new
                    .categories
                    .iter()
                    .filter_map(|category| category.uuid.clone())
                    .map(Value::from)
                    .collect();
            }
            image
        }
    }
}

fn read(dialect: Dialect, entry: &Value) -> Option<Image> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match dialect {
        Dialect::V3 => {
            let (status, spec) = (&entry["status"], &entry["spec"]);
            let resources = &status["resources"];
            let checksum = &resources["checksum"];
            let is_256 = checksum["checksum_algorithm"] == "SHA_256";
            let list = resources["current_cluster_reference_list"].as_array().map(Vec::as_slice);
            let state = match status["state"].as_str() {
                Some("COMPLETE") => ImageState::Ready,
                Some("ERROR") => {
                    let why = super::Fault::of_answer(
                        "it",
                        0,
                        &json!({ "message_list": status["message_list"] }).to_string(),
                    );
                    ImageState::Failed(if why.messages.is_empty() {
                        "the server says that it failed, and not why".to_owned()
                    } else {
                        why.messages.join("; ")
                    })
                }
                other => ImageState::Pending(other.unwrap_or("unknown").to_owned()),
            };
            Some(Image {
                uuid: entry["metadata"]["uuid"].as_str()?.to_owned(),
                name: text(if spec["name"].is_string() { &spec["name"] } else { &status["name"] }),
                description: text(if spec["description"].is_string() {
                    &spec["description"]
                } else {
                    &status["description"]
                }),
                bytes: resources["size_bytes"].as_u64(),
                sha256: checksum["checksum_value"].as_str().filter(|_| is_256).map(str::to_lowercase),
                clusters: list.unwrap_or_default().iter().map(|one| text(&one["uuid"])).collect(),
                is_iso: resources["image_type"] == ImageType::Iso.name(),
                state,
            })
        }
        Dialect::V4 => {
            let checksum = &entry["checksum"];
            let is_256 = checksum["$objectType"] == "vmm.v4.content.ImageSha256Checksum";
            let bytes = entry["sizeBytes"].as_u64();
            let list = entry["clusterLocationExtIds"].as_array().map(Vec::as_slice);
            Some(Image {
                uuid: entry["extId"].as_str()?.to_owned(),
                name: text(&entry["name"]),
                description: text(&entry["description"]),
                bytes,
                sha256: checksum["hexDigest"].as_str().filter(|_| is_256).map(str::to_lowercase),
                clusters: list.unwrap_or_default().iter().map(text).collect(),
                is_iso: entry["type"] == ImageType::Iso.name(),
                // There is no word for it: the size is known when the bytes are there.
                state: if bytes.is_some_and(|bytes| bytes > 0) {
                    ImageState::Ready
                } else {
                    ImageState::Pending("without size".to_owned())
                },
            })
        }
    }
}
