//! Why a file could not be fetched.
use super::{COLLECT, Stock, archive};
use crate::{
    cx::{Cancelled, WaitError},
    value::{Digest, HumanDuration},
};
use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// Prints a URL without what may be secret in it: user, password, query.
#[derive(Debug, Clone, Copy)]
pub struct PlainUrl<'a>(pub &'a Url);

impl fmt::Display for PlainUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.clone();
        // Both fail only for URLs that cannot have a user, which is as good.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        f.write_str(url.as_str())
    }
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No place to fetch from was given.
    #[error("could not fetch a file: no address was given")]
    NoOrigin,
    /// The scheme is not one we speak.
    #[error("could not fetch `{}`: only http, https and file addresses work", PlainUrl(.url))]
    Scheme {
        /// The address.
        url: Box<Url>,
    },
    /// The network is not to be used, and there is no copy.
    #[error("could not fetch `{}`: there is no copy of it, and no server is to be asked", PlainUrl(.url))]
    NoCopy {
        /// The address.
        url: Box<Url>,
    },
    /// Goldsmith is offline, and nobody who may be asked has it.
    #[error("could not fetch `{}`: goldsmith is offline, and it is {} nor at an allowed host", PlainUrl(.url), nowhere(.stocks))]
    Refused {
        /// The address.
        url: Box<Url>,
        /// Names of the collections that do not have it.
        stocks: Vec<String>,
    },
    /// A collection that has it cannot be read.
    #[error("could not take `{}` out of {stock}", PlainUrl(.url))]
    Stock {
        /// The address.
        url: Box<Url>,
        /// The collection's name.
        stock: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is larger than such a file can be.
    #[error("could not fetch `{}`: it is larger than {limit}", PlainUrl(.url))]
    TooLarge {
        /// The address.
        url: Box<Url>,
        /// The limit.
        limit: crate::value::Size,
    },
    /// The HTTP client could not be set up.
    #[error("could not set up the HTTP client")]
    Client {
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server answered, but not with the file.
    #[error("could not fetch `{}`: the server answered HTTP {status}", PlainUrl(.url))]
    Http {
        /// The address.
        url: Box<Url>,
        /// The status.
        status: u16,
        /// How long it asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// The connection failed or broke.
    #[error("could not fetch `{}`", PlainUrl(.url))]
    Network {
        /// The address.
        url: Box<Url>,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The transfer stands still.
    #[error("could not fetch `{}`: no byte arrived for {limit}", PlainUrl(.url))]
    Stalled {
        /// The address.
        url: Box<Url>,
        /// For how long.
        limit: HumanDuration,
    },
    /// The file is not the one that was asked for. It was removed.
    #[error("could not use `{}`: expected {expected}, found {found}", PlainUrl(.url))]
    Digest {
        /// The address.
        url: Box<Url>,
        /// What the definition says.
        expected: Digest,
        /// What arrived.
        found: Digest,
    },
    /// A local file is not the one that was asked for. It was left alone.
    #[error("could not use `{}`: expected {expected}, found {found}", .path.display())]
    LocalDigest {
        /// The file.
        path: PathBuf,
        /// What the definition says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// Every place failed.
    #[error("could not fetch the file from any of {} places: {}", .failures.len(), list(.failures))]
    Everywhere {
        /// One for each place, in order.
        failures: Vec<FetchError>,
    },
    /// A file could not be written or read.
    #[error("could not {action} `{}`", .path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another build held the file for too long.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The build was interrupted.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl FetchError {
    pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) fn stock(url: &Url, stock: &dyn Stock, source: std::io::Error) -> Self {
        Self::Stock { url: Box::new(url.clone()), stock: stock.name(), source }
    }

    pub(super) fn network(url: &Url, error: reqwest::Error) -> Self {
        // The address is in our own message already, and there without its secrets.
        Self::Network { url: Box::new(url.clone()), source: error.without_url().into() }
    }

    /// Whether the same place may answer better in a moment.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Network { .. } | Self::Stalled { .. } => true,
            _ => false,
        }
    }

    /// Whether the server is there and the file is not.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Http { status: 404 | 410, .. })
    }

    /// Whether another place may do better.
    pub(super) fn concerns_origin(&self) -> bool {
        match self {
            // What our own disk says is the same for every place, but a local origin may simply be absent.
            Self::Io { action, .. } => *action == "read",
            Self::Client { .. } | Self::Wait(_) | Self::Cancelled(_) => false,
            _ => true,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Http { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What to do about it, if anything sensible can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Digest { .. } | Self::LocalDigest { .. } => {
                Some("when the file was replaced on purpose, put its new digest into the definition".to_owned())
            }
            Self::Http { status: 401 | 403 | 407, .. } => {
                Some("the address needs a login, or a proxy does: set https_proxy, http_proxy, no_proxy".to_owned())
            }
            Self::Http { status: 404 | 410, url, .. } => Some(match archive::by_name(archive::PUBLISHED, url) {
                Some((publisher, archive)) => {
                    format!("old releases of {publisher} are in {archive}: look there for its present address")
                }
                None => "the file is no longer there; releases move: look for its present address".to_owned(),
            }),
            Self::Refused { .. } => Some(COLLECT.to_owned()),
            Self::Stock { stock, .. } => Some(format!("look whether it is whole: `goldsmith bundle verify {stock}`")),
            Self::Network { .. } | Self::Stalled { .. } => Some(
                "check the network; a proxy is taken from https_proxy, http_proxy and no_proxy, an own CA from \
                 SSL_CERT_FILE"
                    .to_owned(),
            ),
            Self::Everywhere { failures } => failures.last().and_then(Self::hint),
            _ => None,
        }
    }
}

/// That it is in none of the collections.
fn nowhere(stocks: &[String]) -> String {
    match stocks {
        [] => "neither in a bundle (none was given)".to_owned(),
        [one] => format!("neither in {one}"),
        many => format!("neither in any of {}", many.join(", ")),
    }
}

fn list(failures: &[FetchError]) -> String {
    failures.iter().map(|failure| chain(failure)).collect::<Vec<_>>().join("; ")
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
