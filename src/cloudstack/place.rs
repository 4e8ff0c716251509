//! Which cloud, as whom, and how it is known to be the one that is meant.
use super::{CloudStackError, CloudStackErrorKind, Trust};
use crate::value::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;
use url::Url;

/// A cloud and whose keys are used there. The secret key never leaves this value.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it is, and how it is recognised.
    pub endpoint: Endpoint,
    /// The API key of a user.
    pub key: Secret,
    /// The secret key that belongs to it.
    pub secret: Secret,
}

/// Where a cloud's API is, and how it is recognised: what undo data may say of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    /// Such as `https://cloud.example.com/client/api`.
    pub url: String,
    /// How it is recognised.
    #[serde(default)]
    pub trust: Trust,
}

impl Endpoint {
    /// An endpoint from what a user says, which may be the address of the user interface.
    pub fn new(said: &str, trust: Trust) -> Result<Self, CloudStackError> {
        let usage = |why: String| {
            CloudStackError::new(
                CloudStackErrorKind::Usage,
                format!("understand the cloud's address `{said}`"),
            )
            .because(why)
            .hint("it is that of the API, such as `https://cloud.example.com/client/api`")
        };
        let bare = said.trim();
        let text = if bare.contains("://") { bare.to_owned() } else { format!("https://{bare}") };
        let mut url = Url::parse(&text).map_err(|error| usage(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(usage(format!("`{}` is no scheme of an API", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(usage("keys do not belong into an address".to_owned()));
        }
        if matches!(url.path().trim_end_matches('/'), "" | "/client") {
            url.set_path("/client/api");
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { url: url.into(), trust })
    }

    /// How its storage VMs are recognised, which have certificates of their own: what is pinned is the API's.
    pub(super) fn storage_trust(&self) -> Trust {
        match &self.trust {
            Trust::Thumbprint(_) => Trust::System,
            trust => trust.clone(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_as_people_copy_them() {
        for (said, url) in [
            ("cloud.example.com", "https://cloud.example.com/client/api"),
            ("https://cloud.example.com/client/#/templates", "https://cloud.example.com/client/api"),
            ("http://10.0.0.1:8080/client/api", "http://10.0.0.1:8080/client/api"),
            ("https://cloud.example.com/api/compute", "https://cloud.example.com/api/compute"),
        ] {
            assert_eq!(Endpoint::new(said, Trust::System).unwrap().url, url);
        }
        for said in ["ftp://cloud.example.com", "https://key:secret@cloud.example.com", ""] {
            let error = Endpoint::new(said, Trust::System).unwrap_err();
            assert_eq!(error.kind(), CloudStackErrorKind::Usage, "{said}");
        }
    }
}
