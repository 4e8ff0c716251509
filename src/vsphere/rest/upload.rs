//! Files into an item of a content library: pushed within an update session, which is complete or has changed nothing.
use super::{
    answer::told,
    calls,
    endpoint::{self, Endpoint},
    library::{Item, ItemFile},
    tags::parsed,
    transfer::{Chunks, Expected, Passing, Upload, digest_of, unreadable},
};
use crate::{
    cx::{Cx, Look, Sight},
    vsphere::{VCenter, VsphereError, VsphereErrorKind},
    wire::Bar,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio::time::Instant;

/// A session without calls ends after five minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(45);
/// How long no byte may move. After the last one the server hashes and writes.
const STALLED: Duration = Duration::from_mins(10);
/// How often a file is sent.
const ATTEMPTS: u32 = 3;

/// What the server says of a file that it is to get (`updatesession.File.Info`).
#[derive(Debug, Deserialize)]
struct Slot {
    #[serde(default)]
    upload_endpoint: Option<endpoint::Told>,
}

/// An update session of one item.
struct Update<'a> {
    vcenter: &'a VCenter,
    cx: &'a Cx,
    item: &'a Item,
    id: String,
    attempt: String,
}

impl VCenter {
    /// Puts files into an item, whose content they are afterwards, alone. The item has its old content until all is there, checked by
    /// the server; then the list of its files is compared with what was sent, or with `expected`: of an OVA, the server keeps what is in it.
    /// Returns that list.
    pub async fn upload(
        &self,
        cx: &Cx,
        item: &Item,
        files: Vec<Upload>,
        expected: Option<Vec<Expected>>,
    ) -> Result<Vec<ItemFile>, VsphereError> {
        let attempt = format!("upload to the item `{}` of the content library", item.name);
        files.iter().try_for_each(|file| file.check_name(&attempt))?;
        let before = self.item_files(item).await?;
        let spec = json!({ "library_item_id": item.id });
        let begun = self.rest(&attempt, &calls::BEGIN_UPDATE, &[], Some(spec)).await?;
        let id: String = parsed(&attempt, begun)?;
        let update = Update { vcenter: self, cx, item, id, attempt };
        let done = update.run(files, expected, &before).await;
        if done.is_err() {
            // One that failed holds the item until it expires. Nobody interrupts this.
            let _ = self.rest(&update.attempt, &calls::CANCEL_UPDATE, &update.id(), None).await;
        }
        let _ = self.rest(&update.attempt, &calls::END_UPDATE, &update.id(), None).await;
        let expected = done?;
        self.verify_item(item, &expected).await
    }

    /// Compares what the server tells of an item's files with what is expected. Returns the list.
    pub async fn verify_item(
        &self,
        item: &Item,
        expected: &[Expected],
    ) -> Result<Vec<ItemFile>, VsphereError> {
        let there = self.item_files(item).await?;
        let wrong = |one: &Expected| match there.iter().find(|file| file.name == one.name) {
            Some(file) => one.differs(file),
            None => Some(format!("`{}` is not there", one.name)),
        };
        let wrong: Vec<String> = expected.iter().filter_map(wrong).collect();
        if wrong.is_empty() {
            return Ok(there);
        }
        let attempt = format!("prove that the item `{}` has what was sent", item.name);
        Err(VsphereError::new(VsphereErrorKind::Other, attempt).because(wrong.join("; ")))
    }
}

impl Update<'_> {
    fn id(&self) -> [(&str, &str); 1] {
        [("update_session_id", &self.id)]
    }

    fn failed(&self, why: impl Into<String>) -> VsphereError {
        VsphereError::new(VsphereErrorKind::Other, &self.attempt).because(why.into())
    }

    /// All of it. Returns what the item is to have then.
    async fn run(
        &self,
        files: Vec<Upload>,
        expected: Option<Vec<Expected>>,
        before: &[ItemFile],
    ) -> Result<Vec<Expected>, VsphereError> {
        let unpacked = files.iter().any(|file| is_ova(&file.name));
        let stays = |name: &str| match &expected {
            Some(expected) => expected.iter().any(|file| file.name == name),
            // What is in an OVA nobody told; the server replaces files of the same names.
            None => unpacked || files.iter().any(|file| file.name == name),
        };
        let obsolete: Vec<&str> =
            before.iter().map(|file| file.name.as_str()).filter(|name| !stays(name)).collect();
        for name in obsolete {
            let arguments = [("update_session_id", self.id.as_str()), ("file_name", name)];
            self.vcenter.rest(&self.attempt, &calls::REMOVE_FILE, &arguments, None).await?;
        }
        let mut sent = Vec::new();
        for file in files {
            self.cx.check()?;
            sent.push(self.send(file).await?);
        }
        self.validate().await?;
        self.complete().await?;
        sent.retain(|file| !is_ova(&file.name));
        Ok(expected.unwrap_or(sent))
    }

    /// Sends one file; again from its beginning when a connection was cut.
    async fn send(&self, file: Upload) -> Result<Expected, VsphereError> {
        let Upload { name, size, mut sha256, bytes } = file;
        let (mut chunks, mut again) = bytes.open().await?;
        if sha256.is_none()
            && let Some(bytes) = again.take()
        {
            sha256 = digest_of(self.cx, &name, size, chunks).await?;
            (chunks, again) = bytes.open().await?;
        }
        let mut spec = json!({ "name": name, "source_type": "PUSH", "size": size });
        if let Some(digest) = &sha256 {
            spec["checksum_info"] = json!({ "algorithm": "SHA256", "checksum": digest.hex() });
        }
        let mut tries = 0;
        let passed = loop {
            tries += 1;
            match (self.put(&name, size, &spec, chunks).await, again.take()) {
                (Ok(passed), _) => break passed,
                (Err(error), Some(bytes)) if tries < ATTEMPTS && is_worth_it(&error) => {
                    let wait = Duration::from_millis(500 << tries);
                    self.cx.stop().unless_cancelled(tokio::time::sleep(wait)).await?;
                    (chunks, again) = bytes.open().await?;
                }
                (Err(error), _) => return Err(error),
            }
        };
        let hashes = passed.hashes();
        if let (Some(told), Some(found)) = (&sha256, hashes.sha256())
            && *told != found
        {
            return Err(self.failed(format!("`{name}` has the digest {found}, not {told}")));
        }
        Ok(Expected { name, size, digests: hashes.all() })
    }

    /// Asks for a place for a file, and puts the bytes there.
    async fn put(&self, name: &str, size: u64, spec: &Value, from: Chunks) -> Result<Passing, VsphereError> {
        let attempt = format!("upload `{name}` to the item `{}` of the content library", self.item.name);
        let slot = self.vcenter.rest(&attempt, &calls::ADD_FILE, &self.id(), Some(spec.clone())).await?;
        let slot: Slot = parsed(&attempt, slot)?;
        let Some(there) = slot.upload_endpoint else {
            return Err(self.failed(format!("the server did not say where `{name}` goes to")));
        };
        let endpoint = there.reach(self.vcenter, &attempt)?;
        let session = self.vcenter.rest_session().await?;
        let passing = Passing::default();
        let request = endpoint
            .request(reqwest::Method::PUT, &session)
            .header("content-type", "application/octet-stream")
            .header("content-length", size.to_string())
            .body(reqwest::Body::wrap_stream(passing.stream(from)));
        let response = self.watch(&attempt, name, size, &passing, request.send()).await?;
        if let Some(why) = passing.failure() {
            return Err(unreadable(Path::new(name), why));
        }
        let response = response.map_err(|error| endpoint.failed(&attempt, error))?;
        let status = response.status();
        if status == reqwest::StatusCode::UNAUTHORIZED {
            // For the next try.
            self.vcenter.rest_renew(&session).await?;
        }
        if !status.is_success() {
            return Err(Endpoint::refused(&attempt, "PUT", status));
        }
        if passing.done() != size {
            return Err(self.failed(format!("`{name}` has {} bytes, not {size}", passing.done())));
        }
        Ok(passing)
    }

    /// Waits for a request whose body passes: shows it, keeps the session alive, ends it when nothing moves or the user interrupts.
    async fn watch<T>(
        &self,
        attempt: &str,
        name: &str,
        size: u64,
        passing: &Passing,
        request: impl Future<Output = T>,
    ) -> Result<T, VsphereError> {
        const GLANCE: Duration = Duration::from_millis(200);
        let mut bar = Bar::new(self.cx, format!("upload {name}"), Some(size));
        let mut request = std::pin::pin!(request);
        let (mut moved, mut kept) = ((0, Instant::now()), Instant::now());
        loop {
            let glance = tokio::time::timeout(GLANCE, &mut request);
            if let Ok(answer) = self.cx.stop().unless_cancelled(glance).await? {
                bar.show(passing.done());
                return Ok(answer);
            }
            bar.show(passing.done());
            if moved.0 != passing.done() {
                moved = (passing.done(), Instant::now());
            } else if moved.1.elapsed() >= STALLED {
                return Err(VsphereError::new(VsphereErrorKind::Unavailable, attempt)
                    .because(format!("nothing moves for {} minutes", STALLED.as_secs() / 60)));
            }
            if kept.elapsed() >= KEEP_ALIVE {
                kept = Instant::now();
                // The upload goes on meanwhile only if both are looked at.
                let percent = passing.done().saturating_mul(100) / size.max(1);
                let body = json!({ "client_progress": percent });
                let id = self.id();
                let keep = self.vcenter.rest(attempt, &calls::KEEP_UPDATE, &id, Some(body));
                tokio::select! {
                    answer = &mut request => return Ok(answer),
                    // One that gets lost is made up for by the next.
                    _ = keep => {}
                }
            }
        }
    }

    /// Has the server look at what it got.
    async fn validate(&self) -> Result<(), VsphereError> {
        let attempt = format!("have the files of the item `{}` checked", self.item.name);
        let answer = self.vcenter.rest_slowly(self.cx, &attempt, &calls::VALIDATE, &self.id(), None).await?;
        if !answer["has_errors"].as_bool().unwrap_or_default() {
            return Ok(());
        }
        let mut wrong: Vec<String> = super::tags::texts(&answer["missing_files"])
            .into_iter()
            .map(|name| format!("`{name}` is missing"))
            .collect();
        for file in answer["invalid_files"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let name = file["name"].as_str().unwrap_or_default();
            wrong.push(format!("`{name}`: {}", told(&json!([file["error_message"]]))));
        }
        Err(VsphereError::new(VsphereErrorKind::Other, attempt).because(wrong.join("; ")))
    }

    /// Has the server take it all, and waits until it did.
    async fn complete(&self) -> Result<(), VsphereError> {
        const LIMIT: Duration = Duration::from_hours(2);
        const EVERY: Duration = Duration::from_secs(1);
        let id = self.id();
        let complete =
            || self.vcenter.rest_slowly(self.cx, &self.attempt, &calls::COMPLETE_UPDATE, &id, None);
        if let Err(error) = complete().await {
            // An answer that got lost: the state tells whether it was heard.
            if error.kind() != VsphereErrorKind::Unavailable {
                return Err(error);
            }
            if self.state().await?.0 == "ACTIVE" {
                complete().await?;
            }
        }
        let look = || async {
            match self.state().await {
                Ok((state, _)) if state == "DONE" => Look::Ready(()),
                Ok((state, _)) if state == "ACTIVE" => Look::NotYet(vec![Sight::no("update", "active")]),
                Ok((state, why)) => {
                    let why = if why.is_empty() { format!("its update ended as {state}") } else { why };
                    Look::Hopeless(Box::new(self.failed(why)))
                }
                // A session that is done goes some time later.
                Err(error) if error.kind() == VsphereErrorKind::NotFound => Look::Ready(()),
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        let what = format!("the content library to take the item `{}`", self.item.name);
        Ok(self.cx.wait_for(&what, LIMIT, EVERY, look).await?)
    }

    /// The session's state, and why it is that.
    async fn state(&self) -> Result<(String, String), VsphereError> {
        let answer = self.vcenter.rest(&self.attempt, &calls::UPDATE, &self.id(), None).await?;
        let state = answer["state"].as_str().unwrap_or_default().to_owned();
        Ok((state, told(&json!([answer["error_message"]]))))
    }
}

/// Whether sending it once more may help.
fn is_worth_it(error: &VsphereError) -> bool {
    matches!(error.kind(), VsphereErrorKind::Unavailable | VsphereErrorKind::Auth)
}

fn is_ova(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("ova"))
}
