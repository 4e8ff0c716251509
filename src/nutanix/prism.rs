//! A Prism Central that is spoken to, and in which dialect.
use super::{Place, PrismError, PrismErrorKind, call::Call, http};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};
use url::Url;

/// One of the two forms of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Below `/api/nutanix/v3`: intents, with their own words for references.
    V3,
    /// Below `/api/NAMESPACE/v4.0`: since Prism Central pc.2024.3.
    V4,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3 => "v3",
            Self::V4 => "v4",
        })
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "v3" => Ok(Self::V3),
            "v4" => Ok(Self::V4),
            _ => Err("there are `v3` and `v4`".to_owned()),
        }
    }
}

/// A Prism Central that is spoken to. Clones share it. There is no session to end: each call bears who makes it.
#[derive(Debug, Clone)]
pub struct Prism {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    root: Url,
    client: reqwest::Client,
    dialect: Dialect,
}

impl Prism {
    /// Prepares to speak to the server; asks it which dialect it has, unless one is said.
    pub async fn connect(place: &Place, dialect: Option<Dialect>) -> Result<Self, PrismError> {
        let root = place.server.url()?;
        let client = http::client(&place.server)?;
        let made = |dialect| Self {
            inner: Arc::new(Inner {
                place: place.clone(),
                root: root.clone(),
                client: client.clone(),
                dialect,
            }),
        };
        if let Some(dialect) = dialect {
            return Ok(made(dialect));
        }
        let asked = made(Dialect::V4);
        let attempt = format!("log in to the Prism Central {} as `{}`", place.server, place.user);
        let question =
            Call::get(&attempt, "api/vmm/v4.0/content/images").query("$page", "0").query("$limit", "1");
        match asked.send(question).await {
            Ok(_) => Ok(asked),
            Err(error) if is_unknown_there(&error) => Ok(made(Dialect::V3)),
            Err(error) if error.kind() == PrismErrorKind::Unavailable => {
                let port = root.port_or_known_default().unwrap_or_default();
                Err(error.or_hint(format!("is that its address, and does its port {port} answer to this host? `port` says another one")))
            }
            Err(error) => Err(error.or_hint(
                "if it has no version 4 of the interface, say so: `--api v3`, in a definition `api = \"v3\"`",
            )),
        }
    }

    /// Where it is, and as whom.
    pub fn place(&self) -> &Place {
        &self.inner.place
    }

    /// Which dialect is spoken.
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.inner.client
    }

    /// An address below the server's root; its parts are escaped already.
    pub(super) fn url(&self, attempt: &str, path: &str) -> Result<Url, PrismError> {
        let joined = self.inner.root.join(path);
        joined.map_err(|error| PrismError::new(PrismErrorKind::Other, attempt).because(error))
    }
}

/// Whether a server does not know the newer form. Older ones show browsers' pages or send them to the login.
fn is_unknown_there(error: &PrismError) -> bool {
    match error.kind() {
        PrismErrorKind::NotFound | PrismErrorKind::Unsupported => true,
        PrismErrorKind::Other => error.fault().is_none_or(|fault| (300..400).contains(&fault.status)),
        _ => false,
    }
}
