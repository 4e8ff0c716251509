//! The HTTP client: TLS by rustls and ring, proxies from the environment, roots from the system or `SSL_CERT_FILE`.
use super::{FetchError, Gate, Way};
use reqwest::redirect::Policy;
use std::time::Duration;
use url::Url;

const CONNECT: Duration = Duration::from_secs(15);
/// As many as the library follows by itself.
const REDIRECTS: usize = 10;
const PROBE: Duration = Duration::from_secs(20);

/// A client. reqwest takes proxies from the environment itself; its platform verifier reads `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` through rustls-native-certs. Where a server sends it elsewhere, `gate` is asked again.
pub(super) fn new(gate: &Gate) -> Result<reqwest::Client, FetchError> {
    // Fails only when a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder();
    if gate.is_closed() {
        let gate = gate.clone();
        builder = builder.redirect(Policy::custom(move |attempt| {
            if !matches!(gate.way(attempt.url(), None), Way::Network) {
                let refused = gate.refuse(attempt.url());
                return attempt.error(refused);
            }
            if attempt.previous().len() > REDIRECTS {
                attempt.error("too many redirects")
            } else {
                attempt.follow()
            }
        }));
    }
    builder
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .build()
        .map_err(|source| FetchError::Client { source })
}

/// Asks whether `url` answers with a file, without downloading it. Returns its size when the server tells.
pub(super) async fn probe(gate: &Gate, url: &Url) -> Result<Option<u64>, FetchError> {
    match url.scheme() {
        "http" | "https" => {}
        "file" => {
            let path = url.to_file_path().map_err(|()| FetchError::Scheme { url: Box::new(url.clone()) })?;
            let metadata =
                tokio::fs::metadata(&path).await.map_err(|source| FetchError::io("read", &path, source))?;
            return Ok(Some(metadata.len()));
        }
        _ => return Err(FetchError::Scheme { url: Box::new(url.clone()) }),
    }
    match gate.way(url, None) {
        Way::Network => {}
        Way::Stock(_, held) => return Ok(Some(held.bytes)),
        Way::Refused => return Err(gate.refuse(url)),
    }
    let client = new(gate)?;
    let send = |request: reqwest::RequestBuilder| async {
        request.timeout(PROBE).send().await.map_err(|error| FetchError::network(url, error))
    };
    let mut response = send(client.head(url.clone())).await?;
    // Signed addresses and some servers refuse HEAD.
    if matches!(response.status().as_u16(), 400 | 403 | 405 | 501) {
        response = send(client.get(url.clone()).header("range", "bytes=0-0")).await?;
    }
    if !response.status().is_success() {
        return Err(FetchError::Http {
            url: Box::new(url.clone()),
            status: response.status().as_u16(),
            retry_after: None,
        });
    }
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    Ok(match header("content-range") {
        Some(range) => range.rsplit('/').next().and_then(|total| total.parse().ok()),
        None => header("content-length").and_then(|length| length.parse().ok()),
    })
}
