//! A session: who is logged in where, and again when the server forgot it.
use super::{
    Element, Fault, Moref, Node, Place, VsphereError, VsphereErrorKind,
    http::Http,
    soap::{Soap, envelope, limited},
};
use serde::Serialize;
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use url::Url;

/// Versions of the interface that this code was written to, newest first. A newer server speaks all of those that it lists.
const VERSIONS: [&str; 12] = [
    "8.0.3.0", "8.0.2.0", "8.0.1.0", "8.0.0.1", "7.0.3.2", "7.0.3.0", "7.0.2.0", "7.0.1.0", "7.0", "6.7.3",
    "6.7", "6.5",
];

/// What the server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct About {
    /// `VMware vCenter Server 8.0.2 build-22385739`.
    pub full_name: String,
    /// `8.0.2`.
    pub version: String,
    /// Whether it is a vCenter; else it is one host.
    pub is_vcenter: bool,
}

/// A session in a vCenter. Cheap to clone; all clones are logged in together.
#[derive(Clone)]
pub struct VCenter {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    root: Url,
    soap: Soap,
    content: Node,
    about: About,
    /// The cookie of the session, once there is one.
    cookie: RwLock<Option<String>>,
    /// Who logs in does it alone.
    login: tokio::sync::Mutex<()>,
    pub(super) rest: super::rest::State,
}

impl fmt::Debug for VCenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VCenter").field("server", &self.inner.place.server).finish_non_exhaustive()
    }
}

impl VCenter {
    /// Finds the server and logs in.
    pub async fn connect(place: &Place) -> Result<Self, VsphereError> {
        let root = place.server.url()?;
        let attempt = format!("reach the vCenter {}", place.server);
        let url = root
            .join("sdk")
            .map_err(|error| VsphereError::new(VsphereErrorKind::Usage, attempt.clone()).because(error))?;
        let http = Http::new(&place.server)?;
        let version = version(&http, &root, &attempt).await?;
        let soap = Soap { http, url, version };
        let this = Moref::new("ServiceInstance", "ServiceInstance");
        let text = envelope("RetrieveServiceContent", &this, |_| {});
        let answered = soap.send(&attempt, "RetrieveServiceContent", &text, None).await?;
        let answer = answered.result.map_err(|fault| VsphereError::of(&attempt, fault))?;
        let content = answer.at("returnval").cloned().unwrap_or_default();
        let said = |name: &str| content.text_at(&format!("about/{name}")).unwrap_or_default().to_owned();
        let about = About {
            full_name: said("fullName"),
            version: said("version"),
            is_vcenter: said("apiType") == "VirtualCenter",
        };
        let inner = Inner {
            place: place.clone(),
            root,
            soap,
            content,
            about,
            cookie: RwLock::default(),
            login: tokio::sync::Mutex::default(),
            rest: super::rest::State::default(),
        };
        let made = Self { inner: Arc::new(inner) };
        made.log_in(None).await?;
        Ok(made)
    }

    /// What the server says of itself.
    pub fn about(&self) -> &About {
        &self.inner.about
    }

    /// Where this is, and as whom.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// `https://host/`.
    pub(super) fn root(&self) -> &Url {
        &self.inner.root
    }

    pub(super) fn http(&self) -> &Http {
        &self.inner.soap.http
    }

    pub(super) fn rest_state(&self) -> &super::rest::State {
        &self.inner.rest
    }

    /// One of the server's managers and roots, by its name in the ServiceContent: `rootFolder`, `fileManager`.
    pub fn service(&self, name: &str) -> Result<Moref, VsphereError> {
        self.inner.content.at(name).and_then(Node::as_moref).ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::Unsupported, format!("use the server's `{name}`"))
                .because(format!("{} has none", self.inner.about.full_name))
        })
    }

    /// The cookie that requests outside of SOAP need: `/folder`, `/nfc`.
    pub(super) fn cookie(&self) -> Option<String> {
        self.inner.cookie.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls `method` of `this`, to do `attempt` ("could not …"). `fill` writes the arguments after `_this`, in the order of the schema.
    /// Returns the whole answer, in which results are called `returnval`.
    pub async fn call(
        &self,
        attempt: impl AsRef<str>,
        method: &'static str,
        this: &Moref,
        fill: impl FnOnce(&mut Element),
    ) -> Result<Node, VsphereError> {
        let (attempt, text) = (attempt.as_ref(), envelope(method, this, fill));
        let mut renewed = false;
        loop {
            let cookie = self.cookie();
            let answered = self.inner.soap.send(attempt, method, &text, cookie.as_deref()).await?;
            match answered.result {
                Ok(answer) => return Ok(answer),
                // A session ends after half an hour without calls, and with the server's restart. Nothing was done.
                Err(fault) if !renewed && fault.is("NotAuthenticated") => {
                    renewed = true;
                    self.log_in(cookie.as_deref()).await?;
                }
                Err(fault) => return Err(VsphereError::of(attempt, fault)),
            }
        }
    }

    /// Logs in, unless somebody else did since the session `stale` was seen.
    pub(super) async fn log_in(&self, stale: Option<&str>) -> Result<(), VsphereError> {
        let inner = &*self.inner;
        let _turn = inner.login.lock().await;
        if self.cookie().as_deref() != stale {
            return Ok(());
        }
        let attempt = format!("log in to {} as `{}`", inner.place.server, inner.place.user);
        let manager = self.service("sessionManager")?;
        let text = envelope("Login", &manager, |login| {
            login.leaf("userName", &inner.place.user).leaf("password", inner.place.password.expose());
        });
        let answered = inner.soap.send(&attempt, "Login", &text, None).await?;
        answered.result.map_err(|fault: Fault| VsphereError::of(&attempt, fault))?;
        let Some(cookie) = answered.cookie else {
            return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because("Login answered without a cookie for the session"));
        };
        *inner.cookie.write().unwrap_or_else(PoisonError::into_inner) = Some(cookie);
        Ok(())
    }

    /// Ends the session. A server allows a limited number of them at once.
    pub async fn log_out(&self) -> Result<(), VsphereError> {
        let attempt = format!("log out of {}", self.inner.place.server);
        let cookie = self.inner.cookie.write().unwrap_or_else(PoisonError::into_inner).take();
        self.rest_log_out().await;
        let Some(cookie) = cookie else { return Ok(()) };
        let text = envelope("Logout", &self.service("sessionManager")?, |_| {});
        self.inner.soap.send(&attempt, "Logout", &text, Some(&cookie)).await.map(drop)
    }
}

/// The newest version that both sides know. A server without a list is older than any that lists one.
async fn version(http: &Http, root: &Url, attempt: &str) -> Result<String, VsphereError> {
    const OLDEST: &str = "6.5";
    const ANSWER: Duration = Duration::from_secs(30);
    let Ok(url) = root.join("sdk/vimServiceVersions.xml") else { return Ok(OLDEST.to_owned()) };
    let response = http.client.get(url).timeout(ANSWER).send().await;
    let response = response.map_err(|error| {
        http.failed(attempt, error)
            .or_hint("check the name, the port, the firewall and `https_proxy`/`no_proxy`")
    })?;
    if !response.status().is_success() {
        return Ok(OLDEST.to_owned());
    }
    let text = limited(response).await.unwrap_or_default();
    let Ok(list) = Node::parse(&text) else { return Ok(OLDEST.to_owned()) };
    let known = listed(&list);
    Ok(VERSIONS.into_iter().find(|ours| known.contains(ours)).unwrap_or(OLDEST).to_owned())
}

fn listed(list: &Node) -> Vec<&str> {
    let spaces = list.all("namespace").filter(|space| space.text_at("name") == Some("urn:vim25"));
    let versions = spaces.flat_map(|space| {
        let prior = space.at("priorVersions").into_iter().flat_map(|prior| prior.all("version"));
        space.all("version").chain(prior)
    });
    versions.map(|version| version.text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_versions_is_read() {
        let list = Node::parse(
            "<namespaces version=\"1.0\"><namespace><name>urn:vim25</name><version>8.0.2.0</version>\
             <priorVersions><version>8.0.1.0</version><version>7.0</version></priorVersions></namespace>\
             <namespace><name>urn:other</name><version>9</version></namespace></namespaces>",
        )
        .unwrap();
        assert_eq!(listed(&list), ["8.0.2.0", "8.0.1.0", "7.0"]);
    }
}
