//! What the tests of tags and content libraries share: a session in either dialect, a library, what is in it on the disk, undoing.
use super::{
    vcsim::Vcsim,
    world::{Remover, place},
};
use goldsmith::{
    cx::{Cx, Stop, Undoer},
    vsphere::{Library, Mark, Moref, Named, VCenter},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A simulator that speaks one of the two dialects, and a session there.
pub(super) struct Bench {
    pub(super) vcsim: Vcsim,
    pub(super) vcenter: VCenter,
    /// How addresses begin: `/api/` or `/rest/com/vmware/`.
    pub(super) below: &'static str,
}

/// The name of the library.
pub(super) const LIBRARY: &str = "golden images";

impl Bench {
    /// Starts one.
    pub(super) async fn start(api: bool, flags: &[&str]) -> Self {
        let mut all = flags.to_vec();
        if api {
            all.push("-api");
        }
        let vcsim = Vcsim::start(&all);
        let vcenter = VCenter::connect(&place(&vcsim)).await.unwrap();
        Self { vcsim, vcenter, below: if api { "/api/" } else { "/rest/com/vmware/" } }
    }

    /// The next calls of this kind get this trouble: `POST`, `content/library/item`.
    pub(super) fn trouble(&self, method: &str, path: &str, mut rule: Value) {
        rule["match"] = json!(format!("{method} {}{path}", self.below));
        self.vcsim.fault(&rule);
    }

    /// The next uploads, or downloads, of bytes get this trouble.
    pub(super) fn trouble_with_bytes(&self, method: &str, mut rule: Value) {
        rule["match"] = json!(format!("{method} /rest/com/vmware/cis/data/"));
        self.vcsim.fault(&rule);
    }

    /// A library, made as an administrator would.
    pub(super) async fn library(&self) -> Library {
        make_library(&self.vcsim, &self.vcenter).await
    }

    /// Where the file of an item is on this machine.
    pub(super) fn stored(&self, library: &Library, item: &str, file: &str) -> PathBuf {
        self.vcsim.datastore().join(format!("contentlib-{}", library.id)).join(item).join(file)
    }

    /// One machine of the inventory.
    pub(super) async fn machine(&self) -> Moref {
        let root = self.vcenter.service("rootFolder").unwrap();
        self.vcenter.all_named(Named::Machine, &root).await.unwrap().remove(0).0
    }

    /// How often it was called.
    pub(super) fn calls(&self, method: &str, path: &str) -> usize {
        let beginning = format!("{}{path}", self.below);
        let trace = self.vcsim.trace();
        trace.iter().filter(|one| one.method == method && one.path.starts_with(&beginning)).count()
    }

    /// Waits until what was answered stands in the trace, which is a moment later.
    pub(super) async fn settled(&self) {
        let begun = || usize::try_from(self.vcsim.counters().values().sum::<u64>()).unwrap();
        for _ in 0..100 {
            if self.vcsim.trace().len() >= begun() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Undoes all that a build owes, as it is done when it failed.
    pub(super) async fn undo(&self, cx: &Cx) {
        for undo in cx.undo().owed() {
            Remover(&self.vcenter).undo(&undo, &Stop::default()).await.unwrap();
        }
    }
}

/// A library, made as an administrator would.
pub(super) async fn make_library(vcsim: &Vcsim, vcenter: &VCenter) -> Library {
    let root = vcenter.service("rootFolder").unwrap();
    let datastore = vcenter.all_named(Named::Datastore, &root).await.unwrap().remove(0).0;
    // Fails only when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
    let at = |path: &str| format!("{}/rest/com/vmware/{path}", vcsim.url());
    let session =
        client.post(at("cis/session")).basic_auth(vcsim.user(), Some(vcsim.password())).send().await.unwrap();
    let session: Value = serde_json::from_str(&session.text().await.unwrap()).unwrap();
    let spec = json!({ "create_spec": {
        "name": LIBRARY, "type": "LOCAL",
        "storage_backings": [{ "type": "DATASTORE", "datastore_id": datastore.id }],
    } });
    let made = client
        .post(at("content/local-library"))
        .header("vmware-api-session-id", session["value"].as_str().unwrap())
        .header("content-type", "application/json")
        .body(spec.to_string())
        .send()
        .await
        .unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    vcenter.library(LIBRARY).await.unwrap()
}

/// The mark of a build.
pub(super) fn mark(cx: &Cx) -> Mark {
    Mark::of(cx.id(), "web")
}
