//! Which vCenter, as whom, and how it is known to be the one that is meant.
use super::{Trust, VsphereError, VsphereErrorKind};
use crate::value::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A vCenter and who goes there. Its password never leaves this value.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it is, and how it is recognised.
    pub server: Server,
    /// Such as `builder@vsphere.local`.
    pub user: String,
    /// Of that user.
    pub password: Secret,
}

/// Where a vCenter is, and how it is recognised: what undo data may say of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Server {
    /// Name or address, with a port where it is not 443: `vcenter.example.com`.
    pub host: String,
    /// How it is recognised.
    #[serde(default)]
    pub trust: Trust,
}

impl Server {
    /// `https://host/`, also of an address that a user copied from a browser.
    pub(super) fn url(&self) -> Result<url::Url, VsphereError> {
        let attempt = || format!("understand the vCenter's address `{}`", self.host);
        let usage = |why: String| {
            VsphereError::new(VsphereErrorKind::Usage, attempt())
                .because(why)
                .hint("it is a name or an address, such as `vcenter.example.com`")
        };
        let bare = self.host.trim();
        let text = if bare.contains("://") { bare.to_owned() } else { format!("https://{bare}") };
        let mut url = url::Url::parse(&text).map_err(|error| usage(error.to_string()))?;
        if url.scheme() != "https" || url.host_str().is_none_or(str::is_empty) {
            return Err(usage("it is reached by https only".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(usage("user and password are said apart from it".to_owned()));
        }
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_people_write_it() {
        let url = |host: &str| Server { host: host.to_owned(), trust: Trust::System }.url();
        for (host, expected) in [
            ("vc.example.com", "https://vc.example.com/"),
            ("https://vc.example.com/ui/#x", "https://vc.example.com/"),
            ("vc.example.com:8989", "https://vc.example.com:8989/"),
            ("[2001:db8::7]:444", "https://[2001:db8::7]:444/"),
        ] {
            assert_eq!(url(host).unwrap().as_str(), expected);
        }
        for wrong in ["", "http://vc", "https://a:b@vc", "a b"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
