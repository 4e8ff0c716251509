//! Which Prism Central, as whom, and how it is known to be the one that is meant.
use super::{PrismError, PrismErrorKind, Trust};
use crate::value::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where Prism Central listens, unless somebody says otherwise.
pub(super) const PORT: u16 = 9440;

/// A Prism Central and who goes there. The password never leaves this value.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it is, and how it is recognised.
    pub server: Server,
    /// Such as `admin`.
    pub user: String,
    /// Of that user.
    pub password: Secret,
}

/// Where a Prism Central is, and how it is recognised: what undo data may say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Server {
    /// Name or address: `prism.example.com`; also as a whole address, with a port.
    pub host: String,
    /// Its port, where the host does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How it is recognised.
    #[serde(default)]
    pub trust: Trust,
}

impl Server {
    /// `https://host:9440/`, also of an address that a user copied from a browser. Without TLS only to this very host, for a tunnel or
    /// a proxy that adds it: the password would be readable on the way.
    pub(super) fn url(&self) -> Result<url::Url, PrismError> {
        let usage = |why: String| {
            PrismError::new(
                PrismErrorKind::Usage,
                format!("understand Prism Central's address `{}`", self.host),
            )
            .because(why)
            .hint("it is a name or an address, such as `prism.example.com`")
        };
        let bare = self.host.trim();
        let said = bare.split_once("://");
        let text = if said.is_some() { bare.to_owned() } else { format!("https://{bare}") };
        let mut url = url::Url::parse(&text).map_err(|error| usage(error.to_string()))?;
        let loopback = match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            _ => return Err(usage("it is reached by https only".to_owned())),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(usage("it has no name".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(usage("user and password are said apart from it".to_owned()));
        }
        if url.port().is_none() {
            url.set_port(Some(self.port.unwrap_or(PORT))).map_err(|()| usage("it has no port".to_owned()))?;
        }
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) if port != PORT => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_people_write_it() {
        let url = |host: &str, port| Server { host: host.to_owned(), port, trust: Trust::System }.url();
        for (host, port, expected) in [
            ("pc.example.com", None, "https://pc.example.com:9440/"),
            ("pc.example.com", Some(444), "https://pc.example.com:444/"),
            ("https://pc.example.com:9440/console/#page", Some(7), "https://pc.example.com:9440/"),
            ("http://127.0.0.1:8000", None, "http://127.0.0.1:8000/"),
            ("[2001:db8::7]", None, "https://[2001:db8::7]:9440/"),
        ] {
            assert_eq!(url(host, port).unwrap().as_str(), expected);
        }
        for wrong in ["", "http://pc.example.com", "https://a:b@pc", "a b"] {
            assert!(url(wrong, None).is_err(), "{wrong}");
        }
    }
}
