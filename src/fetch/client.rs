//! The HTTP client: TLS by rustls and ring, proxies from the environment, roots from the system or `SSL_CERT_FILE`.
use super::FetchError;
use std::time::Duration;
use url::Url;

const CONNECT: Duration = Duration::from_secs(15);
const PROBE: Duration = Duration::from_secs(20);

/// A client. reqwest takes proxies from the environment itself; its platform verifier reads `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` through rustls-native-certs.
pub(super) fn new() -> Result<reqwest::Client, FetchError> {
    // Fails only when a provider is installed already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("goldsmith/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .build()
        .map_err(|source| FetchError::Client { source })
}

/// Asks whether `url` answers with a file, without downloading it. Returns its size when the server tells.
pub(super) async fn probe(url: &Url) -> Result<Option<u64>, FetchError> {
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
    let client = new()?;
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
