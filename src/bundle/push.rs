//! Files of bundles to a server or folder of artifacts: each at the path of its address, below a prefix that its server decides.
use super::{
    BundleError, BundleErrorKind, Bundles, Card,
    extract::extract,
    make::{beside, of_thread, threaded},
    place::{EKSA, EKSD, below, path_of},
};
use crate::{
    cx::{Cx, Event, Unit},
    value::{Digest, Secret},
    wire::{Bar, Trust, Versions, client, failed},
};
use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{CONTENT_LENGTH, ETAG},
};
use serde::Serialize;
use sha2::Digest as _;
use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// For how long a server may say nothing about a file that it has.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a file is sent before it is given up.
const ATTEMPTS: u32 = 4;
/// As much is read at once, and so many pieces may wait for the server.
const PIECE: usize = 256 << 10;
const AHEAD: usize = 4;

/// Where the files go.
#[derive(Debug, Clone)]
pub struct Target {
    /// For files of any server: `<host>/<path>` below it.
    pub to: Base,
    /// For Amazon's files of EKS Distro, by their paths alone.
    pub eksd: Base,
    /// For Amazon's files of EKS Anywhere, likewise.
    pub eksa: Base,
    /// Who sends them.
    pub login: Option<(String, Secret)>,
    /// How the server is known to be the one that is meant.
    pub trust: Trust,
}

/// A folder of this host, or an address whose path ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Of this host.
    Folder(PathBuf),
    /// Files are put below it by HTTP.
    Server(Url),
}

impl Base {
    /// An address with http or https, or a folder.
    pub fn read(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return std::path::absolute(text).map(Self::Folder).map_err(|error| error.to_string());
        }
        let mut url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "`{}` addresses take no files: http and https do, and folders",
                url.scheme()
            ));
        }
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err("only host and path may be in it; who sends is said with `--user`".to_owned());
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self::Server(url))
    }

    /// A folder below it.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(folder.join(name)),
            Self::Server(url) => {
                let mut url = url.clone();
                url.set_path(&format!("{}{name}/", url.path()));
                Self::Server(url)
            }
        }
    }
}

/// Where one file goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    File(PathBuf),
    Address(Url),
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Address(url) => write!(f, "{url}"),
        }
    }
}

/// What is put there.
#[derive(Debug, Clone)]
enum Content {
    /// A file of the bundles.
    Held(Card),
    /// A digest that stands beside one: EKS Anywhere's roles ask for it.
    Sum(String),
}

/// A file that is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pushed {
    /// Where.
    pub to: String,
    /// Its length.
    pub bytes: u64,
    /// It was there already, and was left alone.
    pub kept: bool,
}

/// Puts all files of `bundles` where `target` says. What is there already with the same length, and the same digest where that can be seen, is left alone: so
/// the same command goes on with what an interrupted one left.
pub async fn push(cx: &Cx, bundles: &Bundles, target: &Target) -> Result<Vec<Pushed>, BundleError> {
    let spots = spots(&bundles.cards(), target)?;
    let client = client(&"the server of artifacts", &target.trust, Versions::Http1)?;
    let (total, what) = (spots.len() as u64, "files".to_owned());
    let mut pushed = Vec::new();
    for (spot, content) in &spots {
        cx.check()?;
        cx.emit(Event::Progress {
            what: what.clone(),
            done: pushed.len() as u64,
            total: Some(total),
            unit: Unit::Items,
        });
        let bytes = content.bytes();
        let kept = match spot {
            Spot::File(path) => Box::pin(into_folder(cx, bundles, content, path)).await?,
            Spot::Address(url) => {
                Box::pin(Sender { cx, bundles, target, client: &client }.send(content, url)).await?
            }
        };
        pushed.push(Pushed { to: spot.to_string(), bytes, kept });
    }
    cx.emit(Event::ProgressFinished { what });
    Ok(pushed)
}

impl Content {
    fn bytes(&self) -> u64 {
        match self {
            Self::Held(card) => card.bytes,
            Self::Sum(text) => text.len() as u64,
        }
    }

    fn digest(&self) -> String {
        match self {
            Self::Held(card) => card.sha256.hex().to_owned(),
            Self::Sum(text) => hex::encode(sha2::Sha256::digest(text)),
        }
    }
}

/// Where each file goes, each place once. Files of Amazon's get their digests beside them if these are in no bundle.
fn spots(cards: &[Card], target: &Target) -> Result<Vec<(Spot, Content)>, BundleError> {
    let mut spots: BTreeMap<Spot, Content> = BTreeMap::new();
    let mut sums = Vec::new();
    for card in cards {
        for url in &card.urls {
            let (base, path) = match url.host_str() {
                Some(EKSD) => (&target.eksd, below(url)),
                Some(EKSA) => (&target.eksa, below(url)),
                _ => (&target.to, path_of(url)),
            };
            let spot = at(base, &path)?;
            if matches!(url.host_str(), Some(EKSD | EKSA)) && !path.ends_with(".sha256") {
                let name = path.rsplit('/').next().unwrap_or_default();
                let sum = Content::Sum(format!("{}  {name}\n", card.sha256.hex()));
                sums.push((at(base, &format!("{path}.sha256"))?, sum));
            }
            if let Some(Content::Held(other)) = spots.insert(spot.clone(), Content::Held(card.clone()))
                && other.sha256 != card.sha256
            {
                return Err(BundleError::new(BundleErrorKind::Usage, format!("push `{url}`"))
                    .because(format!("two different files would go to `{spot}`")));
            }
        }
    }
    for (spot, sum) in sums {
        spots.entry(spot).or_insert(sum);
    }
    Ok(spots.into_iter().collect())
}

fn at(base: &Base, path: &str) -> Result<Spot, BundleError> {
    match base {
        Base::Folder(folder) => Ok(Spot::File(folder.join(path))),
        Base::Server(url) => {
            // A `?` is a part of the name here.
            let path = path.replace('?', "%3F");
            let spot = format!("{url}{path}").parse().map_err(|error: url::ParseError| {
                BundleError::new(BundleErrorKind::Usage, format!("push to `{url}{path}`")).because(error)
            })?;
            Ok(Spot::Address(spot))
        }
    }
}

/// Writes a file, unless it is there; returns whether it was.
async fn into_folder(cx: &Cx, bundles: &Bundles, content: &Content, to: &Path) -> Result<bool, BundleError> {
    let bar = || Bar::new(cx, format!("write {}", to.display()), Some(content.bytes()));
    if tokio::fs::metadata(to).await.is_ok_and(|found| found.is_file() && found.len() == content.bytes()) {
        let path = to.to_owned();
        let here = threaded(cx, bar(), move |passed| digest_of(&path, passed)).await;
        if here.map_err(|error| of_thread("read", to, error))? == content.digest() {
            return Ok(true);
        }
    }
    if let Some(folder) = to.parent() {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(|error| BundleError::io("make the folder", folder, error))?;
    }
    let part = beside(cx, to);
    let undo = cx.plan_path(&part)?;
    let (bundles, content, target) = (bundles.clone(), content.clone(), to.to_owned());
    let bar = bar();
    let written = threaded(cx, bar, move |passed| match &content {
        Content::Held(card) => {
            let mut done = 0;
            extract(&bundles, card, (&part, &target), &mut |more| {
                done += more;
                passed(done)
            })
        }
        Content::Sum(text) => std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &target)),
    });
    written.await.map_err(|error| of_thread("write", to, error))?;
    cx.undo().keep(undo)?;
    Ok(false)
}

fn digest_of(path: &Path, passed: &mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<String> {
    let (mut file, mut hasher, mut buffer, mut done) =
        (std::fs::File::open(path)?, sha2::Sha256::new(), vec![0; PIECE], 0);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
        done += n as u64;
        passed(done)?;
    }
}

/// What sends files to servers.
struct Sender<'a> {
    cx: &'a Cx,
    bundles: &'a Bundles,
    target: &'a Target,
    client: &'a reqwest::Client,
}

impl Sender<'_> {
    /// Sends a file, unless it is there; returns whether it was. What the server did not take for a reason that may pass is sent again.
    async fn send(&self, content: &Content, url: &Url) -> Result<bool, BundleError> {
        let mut pause = Duration::from_millis(500);
        for attempt in 1.. {
            let result = async {
                if self.is_there(content, url).await? {
                    return Ok(true);
                }
                self.put(content, url).await?;
                Ok(false)
            };
            let error: BundleError = match self.cx.stop().unless_cancelled(result).await? {
                Ok(kept) => return Ok(kept),
                Err(error) => error,
            };
            let passing = matches!(error.kind(), BundleErrorKind::Unavailable | BundleErrorKind::Timeout);
            if attempt == ATTEMPTS || !passing {
                return Err(error.or_hint("the same command goes on with the files that are not there yet"));
            }
            self.cx.events().notice(format!("{}; trying again", crate::cx::causes(&error).join(": ")));
            self.cx.stop().unless_cancelled(tokio::time::sleep(pause)).await?;
            pause *= 2;
        }
        Ok(false)
    }

    fn request(&self, method: reqwest::Method, url: &Url) -> reqwest::RequestBuilder {
        let request = self.client.request(method, url.clone());
        match &self.target.login {
            Some((user, password)) => request.basic_auth(user, Some(password.expose())),
            None => request,
        }
    }

    /// Whether the server has this file: its length, and its digest if the server tells one that can be compared.
    async fn is_there(&self, content: &Content, url: &Url) -> Result<bool, BundleError> {
        let response = self.answered(self.request(reqwest::Method::HEAD, url), "look for", url).await?;
        if !response.status().is_success() {
            return match response.status() {
                // Some servers do not answer to HEAD at all.
                StatusCode::NOT_FOUND
                | StatusCode::GONE
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_IMPLEMENTED => Ok(false),
                status => Err(self.refused(status, "look for", url)),
            };
        }
        let length = response
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length != Some(content.bytes()) {
            return Ok(false);
        }
        // Names that servers of artifacts have for it, and the tag that ours gives.
        let told = ["x-checksum-sha256", "x-amz-meta-sha256", ETAG.as_str()].iter().find_map(|name| {
            let value =
                response.headers().get(*name)?.to_str().ok()?.trim_matches('"').parse::<Digest>().ok()?;
            Some(value.hex().to_owned())
        });
        Ok(told.is_none_or(|told| told == content.digest()))
    }

    async fn put(&self, content: &Content, url: &Url) -> Result<(), BundleError> {
        let request = self.request(reqwest::Method::PUT, url).header(CONTENT_LENGTH, content.bytes());
        let request = request.header("x-checksum-sha256", content.digest());
        let request = match content {
            Content::Sum(text) => request.body(text.clone()),
            Content::Held(card) => request.body(self.body(card, url)),
        };
        let response = self.answered(request, "put", url).await?;
        if response.status().is_success() { Ok(()) } else { Err(self.refused(response.status(), "put", url)) }
    }

    /// The bytes of a file, read on a thread of its own.
    fn body(&self, card: &Card, url: &Url) -> reqwest::Body {
        let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(AHEAD);
        let (bundles, card) = (self.bundles.clone(), card.clone());
        let name = url.path().rsplit('/').next().unwrap_or_default();
        let mut bar = Bar::new(self.cx, format!("put {name}"), Some(card.bytes));
        tokio::task::spawn_blocking(move || {
            let mut read = || -> io::Result<()> {
                let (mut pieces, mut done) = (bundles.read(&card.sha256, 0)?, 0);
                loop {
                    let mut buffer = vec![0; PIECE];
                    let n = pieces.read(&mut buffer)?;
                    if n == 0 {
                        return Ok(());
                    }
                    buffer.truncate(n);
                    done += n as u64;
                    bar.show(done);
                    if sender.blocking_send(Ok(buffer.into())).is_err() {
                        return Ok(());
                    }
                }
            };
            if let Err(error) = read() {
                let _ = sender.blocking_send(Err(error));
            }
        });
        reqwest::Body::wrap_stream(futures_util::stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        }))
    }

    async fn answered(
        &self,
        request: reqwest::RequestBuilder,
        verb: &str,
        url: &Url,
    ) -> Result<reqwest::Response, BundleError> {
        let attempt = || format!("{verb} `{url}`");
        // The limit is for an answer that does not come; a large file may take as long as it takes.
        let sent = request.send();
        let sent = if verb == "look for" {
            tokio::time::timeout(PATIENCE, sent).await.map_err(|_| {
                BundleError::new(BundleErrorKind::Timeout, attempt()).because("the server did not answer")
            })?
        } else {
            sent.await
        };
        sent.map_err(|error| {
            failed(attempt(), &error, |seen| match seen {
                Some(seen) => format!(
                    "if it is the one that is meant: `--thumbprint {seen}`, or `--ca-file` with its authority"
                ),
                None => "name its authority with `--ca-file`".to_owned(),
            })
        })
    }

    fn refused(&self, status: StatusCode, verb: &str, url: &Url) -> BundleError {
        let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        let kind = if passing { BundleErrorKind::Unavailable } else { BundleErrorKind::Other };
        let error = BundleError::new(kind, format!("{verb} `{url}`"))
            .because(format!("the server answered HTTP {status}"));
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.target.login.is_none() => {
                error.hint("say who sends with `--user NAME` and `--password-file FILE`")
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                error.hint("the server does not let this user put files there")
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                error.hint("the server must take files by HTTP PUT; or push to a folder that it hands out")
            }
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::InputKind;

    fn card(url: &str, byte: &str) -> Card {
        Card {
            sha256: byte.repeat(64).parse().unwrap(),
            sha512: None,
            bytes: 1,
            kind: InputKind::File,
            urls: vec![url.parse().unwrap()],
            needed_by: Vec::new(),
        }
    }

    #[test]
    fn files_go_below_the_prefix_of_their_server_with_digests_beside_amazons() {
        let to = Base::read("https://artifacts.example/repo").unwrap();
        let target = Target {
            eksd: to.below("eks-d-artifacts"),
            eksa: Base::read("/srv/eksa").unwrap(),
            to,
            login: None,
            trust: Trust::System,
        };
        let cards = [
            card("https://distro.eks.amazonaws.com/kubernetes-1-34/x/kubelet", "a"),
            card("https://distro.eks.amazonaws.com/kubernetes-1-34/x/kubelet.sha256", "b"),
            card("https://anywhere-assets.eks.amazonaws.com/releases/crictl.tar.gz", "c"),
            card("https://deb.example.org/pool/a.deb?x=1", "d"),
        ];
        let spots: Vec<(String, bool)> = spots(&cards, &target)
            .unwrap()
            .into_iter()
            .map(|(spot, content)| (spot.to_string(), matches!(content, Content::Sum(_))))
            .collect();
        let expected = [
            ("/srv/eksa/releases/crictl.tar.gz", false),
            ("/srv/eksa/releases/crictl.tar.gz.sha256", true),
            ("https://artifacts.example/repo/deb.example.org/pool/a.deb%3Fx=1", false),
            ("https://artifacts.example/repo/eks-d-artifacts/kubernetes-1-34/x/kubelet", false),
            ("https://artifacts.example/repo/eks-d-artifacts/kubernetes-1-34/x/kubelet.sha256", false),
        ];
        assert_eq!(spots, expected.map(|(spot, sum)| (spot.to_owned(), sum)));
    }

    #[test]
    fn what_takes_no_files_is_refused() {
        for text in ["s3://bucket/x", "https://user@h/x", "https://h/x?y", "https://"] {
            assert!(Base::read(text).is_err(), "{text}");
        }
        assert_eq!(Base::read("http://h:81").unwrap(), Base::Server("http://h:81/".parse().unwrap()));
    }
}
