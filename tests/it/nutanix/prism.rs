//! What the Prism Central of the tests knows, and how it answers.
use super::{
    fixture::{Call, PASSWORD, USER},
    machines::{self, Park, park},
};
use base64::Engine as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::collections::BTreeMap;

/// An image.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) image_type: String,
    pub(crate) clusters: Vec<String>,
    /// `KEY=VALUE`, or UUIDs in v4.
    pub(crate) categories: Vec<String>,
    pub(crate) bytes: Vec<u8>,
    /// What the client promised.
    pub(crate) sha256: Option<String>,
    pub(crate) url: Option<String>,
    /// The server tells no checksum of it, as of images of disks.
    pub(crate) untold: bool,
}

/// A task: how often it is looked at until it ends, and how.
#[derive(Debug, Clone)]
struct Task {
    looks: u32,
    end: Result<(&'static str, String), String>,
}

/// All of it, and what goes wrong.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether version 4 is there.
    pub(crate) v4: bool,
    /// UUID, name, and what runs there.
    pub(crate) clusters: Vec<(String, String, &'static str)>,
    pub(crate) images: Vec<Kept>,
    /// Key, value, description, UUID.
    pub(crate) categories: Vec<(String, String, String, String)>,
    /// Keys of v3.
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Uploads by id: their key and parts.
    pub(crate) uploads: BTreeMap<String, (String, BTreeMap<u64, Vec<u8>>)>,
    tasks: BTreeMap<String, Task>,
    /// Images that are there when their task is done, by that: v4.
    pending: BTreeMap<String, Kept>,
    /// Requests of v4 that were answered.
    seen: BTreeMap<String, Answer>,
    /// What can be had from addresses.
    pub(crate) web: BTreeMap<String, Vec<u8>>,
    /// How often each task is looked at before it ends.
    pub(crate) slowness: u32,
    /// Tasks that make images end so.
    pub(crate) fail: Option<String>,
    /// How a failed task is called: `FAILED`, `ABORTED` or `CANCELED`.
    pub(crate) failed: Option<&'static str>,
    /// One bit of what arrives is another.
    pub(crate) spoil: bool,
    /// The same, after they were compared.
    pub(crate) spoil_later: bool,
    /// Whether images are given in parts, with what their version is known by.
    pub(crate) parts: bool,
    /// How many entries a list of v3 has at most.
    pub(crate) page: Option<usize>,
    pub(crate) park: Park,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) const CLUSTER: &str = "0005b0f1-8f43-a0f2-02b7-3cecef193712";
pub(crate) const SECOND: &str = "0005b0f1-8f43-a0f2-02b7-3cecef193713";

pub(crate) fn state(v4: bool) -> State {
    let clusters = vec![
        (CLUSTER.to_owned(), "PE-cluster".to_owned(), "AOS"),
        ("710e3779-0030-4d55-9827-be11e7fd2d0e".to_owned(), "ncn-dev-pc".to_owned(), "PRISM_CENTRAL"),
        (SECOND.to_owned(), "second".to_owned(), "AOS"),
    ];
    State { v4, clusters, park: park(), ..State::default() }
}

pub(super) fn of(status: u16, value: &Value) -> Answer {
    let headers = vec![("content-type", "application/json".to_owned())];
    Answer { status, headers, body: value.to_string().into_bytes() }
}

pub(super) fn v3_error(status: u16, reason: &str, message: &str) -> Answer {
    of(
        status,
        &json!({ "api_version": "3.1", "code": status, "kind": "image", "state": "ERROR",
        "message_list": [{ "reason": reason, "message": message }] }),
    )
}

pub(super) fn v4_error(status: u16, code: &str, message: &str) -> Answer {
    of(
        status,
        &json!({ "$dataItemDiscriminator": "vmm.v4.error.ErrorResponse", "data":
        { "$objectType": "vmm.v4.error.ErrorResponse", "error": [{ "$objectType": "vmm.v4.error.AppMessage",
            "message": message, "severity": "ERROR", "code": code, "locale": "en_US" }] } }),
    )
}

pub(super) fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes))
}

/// The answer to a call.
pub(crate) fn answer(state: &mut State, call: &Call) -> Answer {
    let both = format!("{USER}:{PASSWORD}");
    let key = base64::engine::general_purpose::STANDARD.encode(both);
    if call.path.starts_with("/api/prism/v4.0/objects/") {
        let credential = format!("AWS4-HMAC-SHA256 Credential={key}/");
        let allowed = call.header("authorization").is_some_and(|said| said.starts_with(&credential));
        let whole = call.header("x-amz-content-sha256") == Some(sha256(&call.body).as_str());
        return match (allowed, whole) {
            (true, true) => store(state, call),
            (false, _) => xml(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
            (_, false) => xml(400, "<Error><Code>XAmzContentSHA256Mismatch</Code></Error>"),
        };
    }
    let allowed = call.header("authorization") == Some(format!("Basic {key}").as_str());
    if let Some(rest) = call.path.strip_prefix("/api/nutanix/v3/") {
        if !allowed {
            return v3_error(401, "AUTHENTICATION_REQUIRED", "Authentication required.");
        }
        return v3(state, call, rest);
    }
    if !state.v4 {
        return Answer { status: 404, headers: Vec::new(), body: b"<html>not here</html>".to_vec() };
    }
    if !allowed {
        return v4_error(401, "PRISM-401", "Authentication required");
    }
    let writes = matches!(call.method.as_str(), "POST" | "PUT" | "DELETE");
    let Some(id) = call.header("ntnx-request-id").filter(|_| writes) else {
        if writes {
            return v4_error(400, "PRISM-400", "NTNX-Request-Id is missing");
        }
        return v4(state, call);
    };
    if let Some(known) = state.seen.get(id) {
        return known.clone();
    }
    let answer = v4(state, call);
    state.seen.insert(id.to_owned(), answer.clone());
    answer
}

impl State {
    pub(super) fn task(&mut self, end: Result<(&'static str, String), String>) -> String {
        let id = fresh();
        self.tasks.insert(id.clone(), Task { looks: 0, end });
        id
    }

    fn image(&self, uuid: &str) -> Option<&Kept> {
        self.images.iter().find(|image| image.uuid == uuid)
    }

    /// Makes an image, or has the task of that fail.
    fn make(&mut self, mut image: Kept, kind: &'static str) -> (String, String) {
        image.uuid = fresh();
        if let Some(url) = &image.url {
            match self.web.get(url) {
                Some(bytes) => image.bytes.clone_from(bytes),
                None => return (image.uuid, self.task(Err(format!("Could not resolve {url}")))),
            }
        }
        if self.spoil && !image.bytes.is_empty() {
            image.bytes[0] ^= 1;
        }
        let wrong = |promised: &String| *promised != sha256(&image.bytes) && !image.bytes.is_empty();
        if let Some(why) = self.fail.clone().or_else(|| {
            image
                .sha256
                .as_ref()
                .is_some_and(wrong)
                .then(|| "Checksum of the image does not match".to_owned())
        }) {
            return (image.uuid, self.task(Err(why)));
        }
        let uuid = image.uuid.clone();
        let task = self.task(Ok((kind, uuid.clone())));
        if kind == "image" {
            self.images.push(image);
        } else {
            self.pending.insert(task.clone(), image);
        }
        (uuid, task)
    }

    /// All that goes on comes to its end.
    pub(crate) fn finish_all(&mut self) {
        self.images.extend(std::mem::take(&mut self.pending).into_values());
    }
}

fn v3(state: &mut State, call: &Call, rest: &str) -> Answer {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').collect();
    let missing = || v3_error(404, "ENTITY_NOT_FOUND", "The entity with UUID was not found.");
    match (call.method.as_str(), parts.as_slice()) {
        ("POST", ["clusters", "list"]) => {
            let entries = state.clusters.iter().map(|(uuid, name, runs)| {
                json!({
                    "status": { "state": "COMPLETE", "name": name, "resources":
                        { "config": { "service_list": [runs], "software_map":
                            { "NOS": { "software_type": "NOS", "status": "INSTALLED", "version": "6.5.4.5" } } },
                          "network": {} } },
                    "spec": { "name": name, "resources": { "config": {} } },
                    "metadata": { "uuid": uuid, "kind": "cluster", "spec_version": 27, "categories": {} },
                })
            });
            listed(state.page, &body, "cluster", entries.collect())
        }
        ("GET", ["users", "me"]) => of(
            200,
            &json!({ "api_version": "3.1", "spec": { "resources": {} },
                "status": { "state": "COMPLETE", "name": USER, "resources": { "user_type": "LOCAL", "display_name": USER,
                    "access_control_policy_reference_list":
                        [{ "kind": "access_control_policy", "name": "Image Builders", "uuid": CLUSTER }],
                    "projects_reference_list": [] } },
                "metadata": { "kind": "user", "uuid": CLUSTER, "spec_version": 0 } }),
        ),
        ("POST", ["images", "list"]) => {
            let wanted = body["filter"].as_str().and_then(|filter| filter.strip_prefix("name=="));
            let entries = state.images.iter().filter(|image| wanted.is_none_or(|name| name == image.name));
            listed(state.page, &body, "image", entries.map(v3_image).collect())
        }
        ("POST", ["images"]) => {
            let (spec, metadata) = (&body["spec"], &body["metadata"]);
            let resources = &spec["resources"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let refs = resources["initial_placement_ref_list"].as_array().cloned().unwrap_or_default();
            let mapping = metadata["categories_mapping"].as_object().cloned().unwrap_or_default();
            let mut categories = Vec::new();
            for (key, values) in mapping {
                for value in values.as_array().unwrap() {
                    let named = |one: &&(String, String, String, String)| one.0 == key && one.1 == *value;
                    if !state.categories.iter().any(|one| named(&one)) {
                        return v3_error(422, "CATEGORY_NAME_VALUE_MISMATCH", "There is no such category.");
                    }
                    categories.push(format!("{key}={}", value.as_str().unwrap()));
                }
            }
            let image = Kept {
                name: text(&spec["name"]),
                description: text(&spec["description"]),
                image_type: text(&resources["image_type"]),
                clusters: refs.iter().map(|one| text(&one["uuid"])).collect(),
                categories,
                sha256: resources["checksum"]["checksum_value"].as_str().map(ToOwned::to_owned),
                url: resources["source_uri"].as_str().map(ToOwned::to_owned),
                ..Kept::default()
            };
            let mut image = image;
            if resources["data_source_reference"]["kind"] == "vm_disk" {
                let Some((bytes, false)) = state.disk(&text(&resources["data_source_reference"]["uuid"]))
                else {
                    return v3_error(422, "INVALID_REQUEST", "There is no such disk, or it is used.");
                };
                (image.bytes, image.untold) = (bytes, true);
            }
            let (uuid, task) = state.make(image, "image");
            of(
                202,
                &json!({ "api_version": "3.1", "spec": spec,
                "status": { "state": "PENDING", "execution_context": { "task_uuid": task } },
                "metadata": { "kind": "image", "uuid": uuid, "spec_version": 0, "use_categories_mapping": false } }),
            )
        }
        ("GET", ["images", uuid]) => {
            state.image(uuid).map_or_else(missing, |image| of(200, &v3_image(image)))
        }
        ("DELETE", ["images", uuid]) => {
            if state.image(uuid).is_none() {
                return missing();
            }
            state.images.retain(|image| image.uuid != *uuid);
            let task = state.task(Ok(("image", (*uuid).to_owned())));
            of(
                202,
                &json!({ "status": { "state": "DELETE_PENDING", "execution_context": { "task_uuid": task } },
                "spec": "", "api_version": "3.1", "metadata": { "kind": "image", "uuid": uuid } }),
            )
        }
        ("PUT", ["images", uuid, "file"]) => {
            let promised = call.header("x-nutanix-checksum-bytes").map(ToOwned::to_owned);
            let (mut bytes, spoil, later) = (call.body.to_vec(), state.spoil, state.spoil_later);
            let Some(image) = state.images.iter_mut().find(|image| image.uuid == *uuid) else {
                return missing();
            };
            if spoil {
                bytes[0] ^= 1;
            }
            if promised.is_some_and(|promised| promised != sha256(&bytes)) {
                return v3_error(422, "INVALID_REQUEST", "Checksum of the file does not match.");
            }
            if later {
                bytes[0] ^= 1;
            }
            image.bytes = bytes;
            Answer { status: 200, headers: Vec::new(), body: Vec::new() }
        }
        ("GET", ["images", uuid, "file"]) => {
            state.image(uuid).map_or_else(missing, |image| file(state, call, image))
        }
        ("GET", ["tasks", id]) => {
            let (failed, slowness) = (state.failed.unwrap_or("FAILED"), state.slowness);
            let Some(task) = state.tasks.get_mut(*id) else { return missing() };
            let common =
                json!({ "uuid": id, "api_version": "3.1", "operation_type": "create_image_intentful" });
            let mut said = common;
            if task.looks < slowness {
                task.looks += 1;
                said["status"] = "RUNNING".into();
                said["percentage_complete"] = (task.looks * 100 / (slowness + 1)).into();
                return of(200, &said);
            }
            said["percentage_complete"] = 100.into();
            match &task.end {
                Ok((kind, uuid)) => {
                    said["status"] = "SUCCEEDED".into();
                    said["entity_reference_list"] = json!([{ "kind": kind, "uuid": uuid }]);
                }
                Err(why) => {
                    said["status"] = failed.into();
                    said["error_detail"] = why.clone().into();
                    said["error_code"] = "INTERNAL_ERROR".into();
                }
            }
            of(200, &said)
        }
        (method, ["categories", key]) => {
            let key = percent(key);
            match method {
                "PUT" => {
                    state
                        .keys
                        .insert(key.clone(), body["description"].as_str().unwrap_or_default().to_owned());
                }
                "DELETE" => {
                    if state.categories.iter().any(|one| one.0 == key) {
                        return v3_error(409, "ENTITY_DELETION_FAILED", "It has values.");
                    }
                    state.keys.remove(&key);
                    return Answer { status: 200, headers: Vec::new(), body: Vec::new() };
                }
                _ => {}
            }
            let known = state.keys.get(&key);
            known.map_or_else(missing, |text| {
                of(200, &json!({ "name": key, "description": text, "api_version": "3.1" }))
            })
        }
        (method, ["categories", key, value]) => {
            let (key, value) = (percent(key), percent(value));
            match method {
                "PUT" => {
                    if !state.keys.contains_key(&key) {
                        return missing();
                    }
                    let text = body["description"].as_str().unwrap_or_default().to_owned();
                    state.categories.push((key.clone(), value.clone(), text, fresh()));
                }
                "DELETE" => {
                    state.categories.retain(|one| (&one.0, &one.1) != (&key, &value));
                    return Answer { status: 200, headers: Vec::new(), body: Vec::new() };
                }
                _ => {}
            }
            let known = state.categories.iter().find(|one| one.0 == key && one.1 == value);
            known.map_or_else(missing, |one| {
                of(200, &json!({ "name": key, "value": value, "description": one.2, "api_version": "3.1" }))
            })
        }
        _ => machines::v3(state, call, &parts, &body)
            .unwrap_or_else(|| v3_error(404, "INVALID_REQUEST", "There is no such call.")),
    }
}

/// The bytes of an image, or a part of them (RFC 9110).
fn file(state: &State, call: &Call, image: &Kept) -> Answer {
    let mut headers = vec![("content-type", "application/octet-stream".to_owned())];
    let whole = image.bytes.len();
    if !state.parts {
        return Answer { status: 200, headers, body: image.bytes.clone() };
    }
    let tag = format!("\"{}\"", &sha256(&image.bytes)[..16]);
    headers.extend([("etag", tag.clone()), ("accept-ranges", "bytes".to_owned())]);
    let same = call.header("if-range").is_none_or(|said| said == tag);
    let first = call.header("range").filter(|_| same).map(|said| {
        said.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse::<usize>().unwrap()
    });
    match first {
        Some(first) if first >= whole => {
            headers.push(("content-range", format!("bytes */{whole}")));
            Answer { status: 416, headers, body: Vec::new() }
        }
        Some(first) => {
            headers.push(("content-range", format!("bytes {first}-{}/{whole}", whole - 1)));
            Answer { status: 206, headers, body: image.bytes[first..].to_vec() }
        }
        None => Answer { status: 200, headers, body: image.bytes.clone() },
    }
}

pub(super) fn listed(page: Option<usize>, body: &Value, kind: &str, entries: Vec<Value>) -> Answer {
    let offset = body["offset"].as_u64().unwrap_or_default() as usize;
    let length = (body["length"].as_u64().unwrap_or(20) as usize).min(page.unwrap_or(usize::MAX));
    let total = entries.len();
    let some: Vec<Value> = entries.into_iter().skip(offset).take(length).collect();
    of(
        200,
        &json!({ "api_version": "3.1", "entities": some,
        "metadata": { "kind": kind, "total_matches": total, "offset": offset, "length": some.len() } }),
    )
}

fn v3_image(image: &Kept) -> Value {
    let clusters: Vec<Value> =
        image.clusters.iter().map(|uuid| json!({ "kind": "cluster", "uuid": uuid })).collect();
    let mut resources = json!({ "image_type": image.image_type, "architecture": "X86_64",
        "current_cluster_reference_list": clusters, "retrieval_uri_list": [] });
    if !image.bytes.is_empty() {
        resources["size_bytes"] = image.bytes.len().into();
    }
    if !image.bytes.is_empty() && !image.untold {
        resources["checksum"] =
            json!({ "checksum_algorithm": "SHA_256", "checksum_value": sha256(&image.bytes) });
    }
    json!({
        "api_version": "3.1",
        "metadata": { "kind": "image", "uuid": image.uuid, "spec_version": 0, "categories": {} },
        "spec": { "name": image.name, "description": image.description, "resources": { "image_type": image.image_type } },
        "status": { "state": "COMPLETE", "name": image.name, "description": image.description, "resources": resources },
    })
}

fn v4(state: &mut State, call: &Call) -> Answer {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
    };
    let missing = || v4_error(404, "VMM-30100", "The requested entity does not exist.");
    let task_answer = |state: &mut State, end| {
        let task = state.task(end);
        of(
            202,
            &json!({ "data": { "$objectType": "prism.v4.config.TaskReference", "extId": format!("ZXJnb24=:{task}") } }),
        )
    };
    let stale = |etag: &str| call.header("if-match").is_some_and(|said| said != etag);
    let parts: Vec<&str> = call.path.trim_start_matches("/api/").split('/').collect();
    match (call.method.as_str(), parts.as_slice()) {
        ("GET", ["clustermgmt", "v4.0", "config", "clusters"]) => {
            let entries = state.clusters.iter().map(|(uuid, name, runs)| {
                json!({ "$objectType": "clustermgmt.v4.config.Cluster", "extId": uuid, "name": name,
                    "config": { "clusterFunction": [runs], "buildInfo": { "version": "7.0.1" } } })
            });
            paged(call, entries.collect())
        }
        ("GET", ["vmm", "v4.0", "content", "images"]) => {
            let filter = call.parameter("$filter");
            let wanted = filter.map(|text| {
                text.strip_prefix("name eq '").unwrap().strip_suffix('\'').unwrap().replace("''", "'")
            });
            let entries =
                state.images.iter().filter(|image| wanted.as_ref().is_none_or(|name| *name == image.name));
            paged(call, entries.map(v4_image).collect())
        }
        ("POST", ["vmm", "v4.0", "content", "images"]) => {
            let source = &body["source"];
            let mut image = Kept {
                name: text(&body["name"]),
                description: text(&body["description"]),
                image_type: text(&body["type"]),
                clusters: texts(&body["clusterLocationExtIds"]),
                categories: texts(&body["categoryExtIds"]),
                sha256: body["checksum"]["hexDigest"].as_str().map(ToOwned::to_owned),
                url: source["url"].as_str().map(ToOwned::to_owned),
                ..Kept::default()
            };
            if let Some(key) = source["key"].as_str() {
                match state.objects.get(key) {
                    Some(bytes) => image.bytes.clone_from(bytes),
                    None => return task_answer(state, Err(format!("There is no object {key}"))),
                }
            }
            if source["$objectType"] == "vmm.v4.content.VmDiskSource" {
                match state.disk(&text(&source["extId"])) {
                    Some((bytes, false)) => (image.bytes, image.untold) = (bytes, true),
                    _ => return task_answer(state, Err("There is no such disk, or it is used.".to_owned())),
                }
            }
            let (_, task) = state.make(image, "vmm:content:image");
            of(
                202,
                &json!({ "data": { "$objectType": "prism.v4.config.TaskReference", "extId": format!("ZXJnb24=:{task}") } }),
            )
        }
        ("GET", ["vmm", "v4.0", "content", "images", uuid]) => {
            state.image(uuid).map_or_else(missing, |image| {
                let mut answer = of(200, &json!({ "data": v4_image(image) }));
                answer.headers.push(("etag", etag(&image.uuid)));
                answer
            })
        }
        ("GET", ["vmm", "v4.0", "content", "images", uuid, "file"]) => {
            state.image(uuid).map_or_else(missing, |image| file(state, call, image))
        }
        ("DELETE", ["vmm", "v4.0", "content", "images", uuid]) => {
            if state.image(uuid).is_none() {
                return missing();
            }
            if stale(&etag(uuid)) {
                return v4_error(412, "VMM-412", "The entity has changed.");
            }
            state.images.retain(|image| image.uuid != *uuid);
            task_answer(state, Ok(("vmm:content:image", (*uuid).to_owned())))
        }
        ("GET", ["prism", "v4.0", "config", "tasks", id]) => {
            let (failed, slowness) = (state.failed.unwrap_or("FAILED"), state.slowness);
            let id = percent(id);
            let id = id.trim_start_matches("ZXJnb24=:");
            let Some(task) = state.tasks.get_mut(id) else {
                return missing();
            };
            let mut said =
                json!({ "$objectType": "prism.v4.config.Task", "extId": id, "operation": "CreateImage" });
            if task.looks < slowness {
                task.looks += 1;
                said["status"] = "RUNNING".into();
                said["progressPercentage"] = (task.looks * 100 / (slowness + 1)).into();
            } else {
                state.images.extend(state.pending.remove(id));
                said["progressPercentage"] = 100.into();
                match &task.end {
                    Ok((rel, uuid)) => {
                        said["status"] = "SUCCEEDED".into();
                        said["entitiesAffected"] = json!([{ "extId": uuid, "rel": rel }]);
                    }
                    Err(why) => {
                        said["status"] = failed.into();
                        said["errorMessages"] =
                            json!([{ "message": why, "code": "VMM-20000", "severity": "ERROR" }]);
                    }
                }
            }
            of(200, &json!({ "data": said }))
        }
        ("GET", ["prism", "v4.0", "config", "categories"]) => {
            let filter = call.parameter("$filter").unwrap_or_default().to_owned();
            let named = |one: &&(String, String, String, String)| {
                filter == format!("key eq '{}' and value eq '{}'", one.0, one.1)
            };
            paged(call, state.categories.iter().filter(named).map(v4_category).collect())
        }
        ("POST", ["prism", "v4.0", "config", "categories"]) => {
            let one = (text(&body["key"]), text(&body["value"]), text(&body["description"]), fresh());
            state.categories.push(one.clone());
            of(201, &json!({ "data": v4_category(&one) }))
        }
        ("GET", ["prism", "v4.0", "config", "categories", uuid]) => {
            state.categories.iter().find(|one| one.3 == *uuid).map_or_else(missing, |one| {
                let mut answer = of(200, &json!({ "data": v4_category(one) }));
                answer.headers.push(("etag", etag(uuid)));
                answer
            })
        }
        ("DELETE", ["prism", "v4.0", "config", "categories", uuid]) => {
            if stale(&etag(uuid)) {
                return v4_error(412, "PRISM-412", "The entity has changed.");
            }
            state.categories.retain(|one| one.3 != *uuid);
            Answer { status: 204, headers: Vec::new(), body: Vec::new() }
        }
        _ => machines::v4(state, call, &parts, &body)
            .unwrap_or_else(|| v4_error(404, "PRISM-404", "There is no such call.")),
    }
}

pub(super) fn etag(uuid: &str) -> String {
    format!("YXBwbGljYXRpb24vanNvbg==:{uuid}")
}

pub(super) fn paged(call: &Call, entries: Vec<Value>) -> Answer {
    let number =
        |name: &str, default: usize| call.parameter(name).map_or(default, |text| text.parse().unwrap());
    let (page, limit, total) = (number("$page", 0), number("$limit", 50), entries.len());
    if !(1..=100).contains(&limit) {
        return v4_error(400, "PRISM-400", "$limit is out of range");
    }
    let some: Vec<Value> = entries.into_iter().skip(page * limit).take(limit).collect();
    // An empty list is left out.
    let mut answer = json!({ "metadata": { "totalAvailableResults": total } });
    if !some.is_empty() {
        answer["data"] = some.into();
    }
    of(200, &answer)
}

fn v4_image(image: &Kept) -> Value {
    let mut said = json!({ "$objectType": "vmm.v4.content.Image", "extId": image.uuid, "name": image.name,
        "description": image.description, "type": image.image_type, "clusterLocationExtIds": image.clusters });
    if !image.bytes.is_empty() {
        said["sizeBytes"] = image.bytes.len().into();
    }
    if !image.bytes.is_empty() && !image.untold {
        said["checksum"] =
            json!({ "$objectType": "vmm.v4.content.ImageSha256Checksum", "hexDigest": sha256(&image.bytes) });
    }
    said
}

fn v4_category(one: &(String, String, String, String)) -> Value {
    json!({ "$objectType": "prism.v4.config.Category", "key": one.0, "value": one.1, "description": one.2, "extId": one.3 })
}

fn xml(status: u16, body: &str) -> Answer {
    let body = if body.is_empty() {
        String::new()
    } else {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}")
    };
    Answer { status, headers: vec![("content-type", "application/xml".to_owned())], body: body.into_bytes() }
}

/// The object store: as much of S3 as uploads need.
fn store(state: &mut State, call: &Call) -> Answer {
    let Some(key) = call.path.strip_prefix("/api/prism/v4.0/objects/vmm-images/").map(ToOwned::to_owned)
    else {
        return xml(404, "<Error><Code>NoSuchBucket</Code></Error>");
    };
    let none =
        || xml(404, "<Error><Code>NoSuchUpload</Code><Message>There is no such upload.</Message></Error>");
    let upload = call.parameter("uploadId").map(ToOwned::to_owned);
    match (call.method.as_str(), upload) {
        ("POST", None) if call.raw_query == "uploads=" => {
            let id = format!("{}/+", fresh());
            state.uploads.insert(id.clone(), (key, BTreeMap::new()));
            xml(
                200,
                &format!(
                    "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ),
            )
        }
        ("PUT", Some(id)) => {
            let number: u64 = call.parameter("partNumber").unwrap().parse().unwrap();
            let Some((_, parts)) = state.uploads.get_mut(&id) else { return none() };
            let mut answer = xml(200, "");
            answer.headers.push(("etag", format!("\"{}\"", &sha256(&call.body)[..32])));
            parts.insert(number, call.body.to_vec());
            answer
        }
        ("POST", Some(id)) => {
            let Some((_, parts)) = state.uploads.remove(&id) else { return none() };
            let said = String::from_utf8_lossy(&call.body).replace("&quot;", "\"");
            let known = parts.iter().map(|(number, bytes)| {
                format!(
                    "<Part><PartNumber>{number}</PartNumber><ETag>\"{}\"</ETag></Part>",
                    &sha256(bytes)[..32]
                )
            });
            if !said.contains(&known.collect::<String>()) {
                return xml(
                    200,
                    "<Error><Code>InvalidPart</Code><Message>A part is another one.</Message></Error>",
                );
            }
            state.objects.insert(key, parts.into_values().flatten().collect());
            xml(200, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
        }
        ("DELETE", Some(id)) => state.uploads.remove(&id).map_or_else(none, |_| xml(204, "")),
        ("PUT", None) => {
            state.objects.insert(key, call.body.to_vec());
            xml(200, "")
        }
        ("DELETE", None) => {
            state.objects.remove(&key);
            xml(204, "")
        }
        _ => xml(405, "<Error><Code>MethodNotAllowed</Code></Error>"),
    }
}

fn percent(text: &str) -> String {
    let whole = format!("a={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(whole.as_bytes()).next().unwrap().1.into_owned()
}
