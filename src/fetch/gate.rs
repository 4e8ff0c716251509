//! The gate: every address that goldsmith reads is let through here, or is not.
//!
//! A gate that is open lets all through. One that is closed answers from collections of files, lets declared hosts through, and refuses the
//! rest; what was refused is remembered, so that it can be told all at once.
use super::{FetchError, Held, PlainUrl, Stock, held};
use crate::value::Digest;
use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    str::FromStr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use url::Url;

/// More addresses than this are not remembered: somebody asks in a loop.
const MOST: usize = 1000;

/// A host that may be asked although goldsmith is offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    port: Option<u16>,
}

/// The text names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no host: write it as `artifacts.example.com` or `artifacts.example.com:8443`, without `https://` and without a path"
)]
pub struct NoHost(String);

impl FromStr for AllowedHost {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        let wrong = || NoHost(text.to_owned());
        // The same eyes as for addresses, so that both are compared in one form. The port 1 is nobody's default.
        let has_port = text.rsplit_once(':').is_some_and(|(before, port)| {
            !before.is_empty()
                && !port.is_empty()
                && !port.ends_with(']')
                && (!before.contains(':') || before.ends_with(']'))
        });
        let whole = if has_port { text.to_owned() } else { format!("{text}:1") };
        let url = Url::parse(&format!("http://{whole}/")).map_err(|_| wrong())?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let Some(host) = url.host_str().filter(|_| plain && url.username().is_empty()) else {
            return Err(wrong());
        };
        if text.contains(['/', '?', '#', '@', '*']) {
            return Err(wrong());
        }
        let port = if has_port { url.port_or_known_default() } else { None };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl AllowedHost {
    fn is_at(&self, url: &Url) -> bool {
        url.host_str() == Some(self.host.as_str())
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

/// Where programs that read addresses by themselves are led, when the gate is closed: a proxy of ours on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detour {
    /// Where it listens.
    pub proxy: SocketAddr,
    /// The certificate by which it is known when it stands in for an HTTPS server, as PEM.
    pub ca: String,
}

/// What lets addresses through.
#[derive(Debug, Clone, Default)]
pub struct Gate(Option<Arc<Closed>>);

#[derive(Debug)]
struct Closed {
    stocks: Vec<Arc<dyn Stock>>,
    hosts: Vec<AllowedHost>,
    refused: Mutex<BTreeSet<String>>,
    detour: OnceLock<Detour>,
}

/// How an address is answered.
#[derive(Debug)]
pub enum Way {
    /// By its server.
    Network,
    /// By a collection.
    Stock(Arc<dyn Stock>, Held),
    /// Not at all.
    Refused,
}

impl Gate {
    /// Lets all through.
    pub fn open() -> Self {
        Self::default()
    }

    /// Lets through what `stocks` hold and what is at `hosts`.
    pub fn closed(stocks: Vec<Arc<dyn Stock>>, hosts: Vec<AllowedHost>) -> Self {
        let (refused, detour) = (Mutex::default(), OnceLock::new());
        Self(Some(Arc::new(Closed { stocks, hosts, refused, detour })))
    }

    /// Whether goldsmith is offline.
    pub fn is_closed(&self) -> bool {
        self.0.is_some()
    }

    /// How `url` is answered, of which `digest` may be known. Remembers nothing.
    pub fn way(&self, url: &Url, digest: Option<&Digest>) -> Way {
        let Some(closed) = &self.0 else { return Way::Network };
        if url.scheme() == "file" {
            return Way::Network;
        }
        let mut bare = url.clone();
        // Who collected may have logged in, or not. Both fail only for addresses that cannot have a user.
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        for stock in &closed.stocks {
            let held = stock.find(url).or_else(|| spellings(&bare).iter().find_map(|url| stock.find(url)));
            // Another version at the same address is not what is meant.
            let held = held.filter(|held| {
                digest.is_none_or(|digest| {
                    digest.algorithm() != held.digest.algorithm() || *digest == held.digest
                })
            });
            let held = held.or_else(|| digest.and_then(|digest| stock.find_digest(digest)));
            if let Some(held) = held {
                return Way::Stock(Arc::clone(stock), held);
            }
        }
        if closed.hosts.iter().any(|host| host.is_at(url)) { Way::Network } else { Way::Refused }
    }

    /// Whether `url` may be read, from wherever.
    pub fn lets_through(&self, url: &Url, digest: Option<&Digest>) -> bool {
        !matches!(self.way(url, digest), Way::Refused)
    }

    /// Names of the collections.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().flat_map(|closed| &closed.stocks).map(|stock| stock.name()).collect()
    }

    /// The error for an address that is not let through. It is remembered.
    pub fn refuse(&self, url: &Url) -> FetchError {
        let mut stocks = Vec::new();
        if let Some(closed) = &self.0 {
            stocks = closed.stocks.iter().map(|stock| stock.name()).collect();
            let mut refused = closed.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.len() < MOST {
                refused.insert(PlainUrl(url).to_string());
            }
        }
        FetchError::Refused { url: Box::new(url.clone()), stocks }
    }

    /// What was refused since the last time this was asked, without queries.
    pub fn take_refused(&self) -> Vec<String> {
        let Some(closed) = &self.0 else { return Vec::new() };
        let mut refused = closed.refused.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *refused).into_iter().collect()
    }

    /// A small file of at most `limit` bytes that a collection holds.
    pub async fn read(&self, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
        match self.way(url, None) {
            Way::Stock(stock, held) => held::small(url, limit, (stock, held)).await,
            _ => Err(self.refuse(url)),
        }
    }

    /// Where programs that read by themselves are led; nothing while the gate is open or nobody is there for it.
    pub fn detour(&self) -> Option<&Detour> {
        self.0.as_ref()?.detour.get()
    }

    /// Leads such programs there from now on.
    pub fn lead_to(&self, detour: Detour) {
        if let Some(closed) = &self.0 {
            let _the_first_stays = closed.detour.set(detour);
        }
    }
}

/// The ways in which programs write one address: whether `+` and `~` are escaped depends on apt's version.
fn spellings(url: &Url) -> Vec<Url> {
    const ESCAPED: [(&str, &str); 4] = [("+", "%2b"), ("+", "%2B"), ("~", "%7e"), ("~", "%7E")];
    let plain = ESCAPED.iter().fold(url.path().to_owned(), |path, (sign, escape)| path.replace(escape, sign));
    let escaped = |plus: &str, tilde: &str| plain.replace('+', plus).replace('~', tilde);
    let others = [
        plain.clone(),
        escaped("%2b", "~"),
        escaped("%2b", "%7e"),
        escaped("%2B", "~"),
        escaped("%2B", "%7E"),
    ];
    let with = |path: &str| {
        let mut url = url.clone();
        url.set_path(path);
        url
    };
    let mut spellings = vec![url.clone()];
    for path in others {
        let other = with(&path);
        if !spellings.contains(&other) {
            spellings.push(other);
        }
    }
    spellings
}

/// What helps when something is in no collection.
pub const COLLECT: &str = "where there is a network, collect what is missing: `goldsmith bundle create DEFINITION -o FILE`, and give it here with \
     `--bundle FILE`; a server of this site may be asked with `--allow-host HOST:PORT`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests_stock::Shelf;
    use proptest::prelude::*;
    use test_case::test_case;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test_case("artifacts.example.com", "https://artifacts.example.com/x", true; "any port")]
    #[test_case("artifacts.example.com", "http://artifacts.example.com:81/x", true; "any other port")]
    #[test_case("artifacts.example.com:8443", "https://artifacts.example.com:8443/x", true; "its port")]
    #[test_case("artifacts.example.com:8443", "https://artifacts.example.com/x", false; "another port")]
    #[test_case("artifacts.example.com:443", "https://artifacts.example.com/x", true; "the usual port")]
    #[test_case("artifacts.example.com:80", "http://artifacts.example.com/x", true; "the other usual port")]
    #[test_case("Artifacts.Example.com", "https://ARTIFACTS.example.com/x", true; "letters")]
    #[test_case("example.com", "https://artifacts.example.com/x", false; "not below it")]
    #[test_case("example.com", "https://example.com.evil.org/x", false; "not above it")]
    #[test_case("example.com", "https://example.com@evil.org/x", false; "not as a user")]
    #[test_case("10.0.0.1:80", "http://10.0.0.1/x", true; "a number")]
    #[test_case("[::1]:8080", "http://[::1]:8080/x", true; "six")]
    #[test_case("[::1]", "http://[::1]:8080/x", true; "six without port")]
    fn a_host_is_allowed(host: &str, address: &str, allowed: bool) {
        let gate = Gate::closed(Vec::new(), vec![host.parse().unwrap()]);
        assert_eq!(gate.lets_through(&url(address), None), allowed);
    }

    #[test_case("")]
    #[test_case("https://example.com")]
    #[test_case("example.com/x")]
    #[test_case("user@example.com")]
    #[test_case("*.example.com")]
    #[test_case("example.com:http")]
    #[test_case("example.com:99999")]
    fn what_is_no_host_is_refused(text: &str) {
        assert!(text.parse::<AllowedHost>().is_err(), "{text}");
    }

    #[test]
    fn refusals_are_remembered_once_and_without_secrets() {
        let shelf = Shelf::of(&[("https://example.com/a", b"a")]);
        let gate = Gate::closed(vec![Arc::new(shelf)], Vec::new());
        assert!(gate.lets_through(&url("https://user:pw@example.com/a"), None));
        assert!(!gate.lets_through(&url("https://example.com/b?token=x"), None));
        assert!(gate.take_refused().is_empty(), "to look is no attempt");
        for _ in 0..2 {
            let error = gate.refuse(&url("https://user:pw@example.com/b?token=x"));
            assert!(!error.to_string().contains("token") && !error.to_string().contains("pw"), "{error}");
            assert!(error.hint().unwrap().contains("goldsmith bundle create"));
        }
        assert_eq!(gate.take_refused(), ["https://example.com/b"]);
        assert!(gate.take_refused().is_empty());
    }

    #[test_case("http://deb.example.com/libstdc++6_1~2.deb"; "plain")]
    #[test_case("http://deb.example.com/libstdc%2b%2b6_1~2.deb"; "the plus signs")]
    #[test_case("http://deb.example.com/libstdc%2B%2B6_1%7E2.deb"; "everything")]
    fn an_address_is_known_however_it_is_written(collected: &str) {
        let gate = Gate::closed(vec![Arc::new(Shelf::of(&[(collected, b"deb")]))], Vec::new());
        for asked in ["libstdc++6_1~2.deb", "libstdc%2b%2b6_1~2.deb", "libstdc%2b%2b6_1%7e2.deb"] {
            assert!(gate.lets_through(&url(&format!("http://deb.example.com/{asked}")), None), "{asked}");
        }
    }

    #[test]
    fn an_open_gate_refuses_nothing() {
        let gate = Gate::open();
        assert!(gate.lets_through(&url("https://example.com/"), None) && !gate.is_closed());
    }

    proptest! {
        #[test]
        fn hosts_are_read_without_harm(text in ".{0,40}") {
            if let Ok(host) = text.parse::<AllowedHost>() {
                prop_assert_eq!(host.to_string().parse::<AllowedHost>(), Ok(host));
            }
        }
    }
}
