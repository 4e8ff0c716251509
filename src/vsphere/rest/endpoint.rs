//! Where the bytes of files go to and come from: the server, or a host of its.
use super::session::{SESSION, Session};
use crate::vsphere::{Server, Thumbprint, Trust, VCenter, VsphereError, VsphereErrorKind, http::Http};
use serde::Deserialize;
use url::Url;

/// An address that a session of an upload or of a download tells (`TransferEndpoint`).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Told {
    uri: String,
    #[serde(default)]
    ssl_certificate_thumbprint: Option<String>,
}

/// An address with the way to it.
pub(super) struct Endpoint {
    url: Url,
    http: Http,
    /// Whether it is the vCenter itself: nobody else gets the session's key.
    own: bool,
}

impl Told {
    /// The way to it.
    pub(super) fn reach(&self, vcenter: &VCenter, attempt: &str) -> Result<Endpoint, VsphereError> {
        let usage = |why: String| VsphereError::new(VsphereErrorKind::Other, attempt).because(why);
        let root = vcenter.root();
        let url = resolve(root, &self.uri).map_err(&usage)?;
        let own = url.host() == root.host() && url.port_or_known_default() == root.port_or_known_default();
        let http = match self.ssl_certificate_thumbprint.as_deref().filter(|print| !print.is_empty()) {
            // The vCenter, whom we trust, says how its host is recognised.
            Some(print) if !own => {
                let print: Thumbprint = print.parse().map_err(usage)?;
                let host = url.host_str().unwrap_or_default().to_owned();
                Http::new(&Server { host, trust: Trust::Thumbprint(print) })?
            }
            _ => vcenter.http().clone(),
        };
        Ok(Endpoint { url, http, own })
    }
}

impl Endpoint {
    /// A request there, without a limit of time.
    pub(super) fn request(&self, method: reqwest::Method, session: &Session) -> reqwest::RequestBuilder {
        let request = self.http.client.request(method, self.url.clone());
        if self.own { request.header(SESSION, session.key.expose()) } else { request }
    }

    /// What went wrong on the way there and back.
    pub(super) fn failed(&self, attempt: &str, error: reqwest::Error) -> VsphereError {
        self.http.failed(attempt, error)
    }

    /// What its answer means, unless it is a success.
    pub(super) fn refused(attempt: &str, call: &str, status: reqwest::StatusCode) -> VsphereError {
        let kind = match status.as_u16() {
            401 => VsphereErrorKind::Auth,
            403 => VsphereErrorKind::Permission,
            404 => VsphereErrorKind::NotFound,
            507 => VsphereErrorKind::NoSpace,
            429 | 500 | 502..=504 => VsphereErrorKind::Unavailable,
            _ => VsphereErrorKind::Other,
        };
        VsphereError::new(kind, attempt).because(format!("{call} answered HTTP {}", status.as_u16()))
    }
}

/// `https://*/…` is the server itself.
fn resolve(root: &Url, uri: &str) -> Result<Url, String> {
    let starred = uri.strip_prefix("https://*").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    let url = match starred {
        Some(path) => root.join(path),
        None => Url::parse(uri),
    };
    let url = url.map_err(|error| format!("its address `{uri}` is not understood: {error}"))?;
    if url.scheme() != "https" {
        return Err(format!("its address `{uri}` is not reached by https"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_is_the_server_and_nothing_goes_unencrypted() {
        let root = Url::parse("https://vc.example.com:444/").unwrap();
        let resolved = |uri: &str| resolve(&root, uri).map(|url| url.to_string());
        assert_eq!(
            resolved("https://*/cls/data/1/a.ovf"),
            Ok("https://vc.example.com:444/cls/data/1/a.ovf".into())
        );
        assert_eq!(resolved("https://*:443/cls/a"), Ok("https://vc.example.com:444/cls/a".into()));
        assert_eq!(resolved("https://esx1/a"), Ok("https://esx1/a".into()));
        assert!(resolved("http://vc.example.com/a").is_err());
        assert!(resolved("ds:///vmfs/a").is_err());
    }
}
