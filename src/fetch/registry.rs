//! Registries of container images, by the distribution API: what an image consists of, and the tokens without which many registries give
//! nothing to anybody.
//!
//! ```text
//!   https://HOST/v2/NAME/manifests/TAG    an index for several platforms, or the manifest of one
//!   https://HOST/v2/NAME/manifests/sha256:…
//!   https://HOST/v2/NAME/blobs/sha256:…   configuration and layers
//! ```
use super::{FetchError, Fetcher, Gate};
use crate::{
    cx::Cx,
    value::{Arch, Digest, DigestAlgorithm},
};
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{ACCEPT, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use url::Url;

/// A manifest is not larger; registries need not take larger ones either.
const LARGEST: usize = 4 << 20;
/// Kinds of manifests that are read.
const KINDS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Why an image's parts are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The name is none.
    #[error("`{name}` names no container image: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The registry did not give it.
    #[error("could not look up the container image `{name}`")]
    Fetch {
        /// The image.
        name: String,
        /// Why not.
        #[source]
        source: Box<FetchError>,
    },
    /// What the registry gave is no manifest.
    #[error("could not read a manifest of the container image `{name}`")]
    Manifest {
        /// The image.
        name: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The registry gave another manifest than was asked for.
    #[error("could not use a manifest of the container image `{name}`: expected {expected}, found {found}")]
    Digest {
        /// The image.
        name: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// It is of an old kind, or of none.
    #[error("the manifest of the container image `{name}` is neither an image's nor a list of such")]
    Kind {
        /// The image.
        name: String,
    },
    /// It is not there for this architecture.
    #[error("the container image `{name}` is not there for {arch}, only for {}", .there.join(", "))]
    Platform {
        /// The image.
        name: String,
        /// The architecture.
        arch: Arch,
        /// For what it is there.
        there: Vec<String>,
    },
}

impl RegistryError {
    /// What to do about it, if anything sensible can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch { source, .. } => source.hint(),
            Self::Name { .. } => Some("write it in full, such as `registry.k8s.io/pause:3.10`".to_owned()),
            _ => None,
        }
    }
}

/// A part of an image: a manifest, its configuration, or a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePart {
    /// Its address in the registry's API.
    pub url: Url,
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// The name of an image, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reference {
    /// The registry's API: `https://registry.k8s.io/v2/`.
    base: String,
    name: String,
    /// A tag, or a digest.
    version: String,
}

impl Reference {
    fn parse(text: &str) -> Result<Self, RegistryError> {
        let wrong = |reason| RegistryError::Name { name: text.to_owned(), reason };
        let (host, rest) = text.split_once('/').ok_or_else(|| wrong("it does not begin with a registry"))?;
        if !host.contains(['.', ':']) && host != "localhost" {
            return Err(wrong("it does not begin with a registry"));
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => {
                let digest: Digest = digest.parse().map_err(|_| wrong("its digest is none"))?;
                (rest, Some(digest))
            }
            None => (rest, None),
        };
        let (name, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
        let part = |part: &str| {
            let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(usual)
        };
        if !name.split('/').all(part) {
            return Err(wrong("its parts are lower-case letters, digits, dots, hyphens and underscores"));
        }
        let usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if tag.is_empty() || !tag.chars().all(usual) {
            return Err(wrong("its tag is none"));
        }
        let (host, name) = match host {
            "docker.io" if !name.contains('/') => ("registry-1.docker.io", format!("library/{name}")),
            "docker.io" => ("registry-1.docker.io", name.to_owned()),
            host => (host, name.to_owned()),
        };
        // As containerd does it.
        let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
        let own = matches!(bare, "localhost" | "127.0.0.1" | "[::1]");
        let scheme = if own { "http" } else { "https" };
        let base = format!("{scheme}://{host}/v2/");
        if Url::parse(&base).is_err() {
            return Err(wrong("its registry is no host"));
        }
        let version = digest.map_or_else(|| tag.to_owned(), |digest| digest.to_string());
        Ok(Self { base, name, version })
    }

    fn url(&self, kind: &str, version: &str) -> Option<Url> {
        Url::parse(&format!("{}{}/{kind}/{version}", self.base, self.name)).ok()
    }
}

/// A manifest, or an index of such.
#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// Something that a manifest names.
#[derive(Debug, Deserialize)]
struct Descriptor {
    digest: Digest,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

impl Fetcher {
    /// All parts of the image `name` for guests of `arch`: the manifest under its tag, all below it under their digests.
    pub async fn image(&self, cx: &Cx, name: &str, arch: Arch) -> Result<Vec<ImagePart>, RegistryError> {
        let reference = Reference::parse(name)?;
        let mut parts = Vec::new();
        let (mut part, mut manifest) = self.manifest(cx, name, &reference, &reference.version).await?;
        if part.digest.to_string() != reference.version {
            parts.push(part.clone());
            part.url = reference.url("manifests", &part.digest.to_string()).unwrap_or(part.url);
        }
        parts.push(part);
        if !manifest.manifests.is_empty() {
            let own = platform(name, &manifest, arch)?.to_string();
            let (part, inner) = self.manifest(cx, name, &reference, &own).await?;
            parts.push(part);
            manifest = inner;
        }
        let Some(config) = manifest.config else { return Err(RegistryError::Kind { name: name.to_owned() }) };
        for Descriptor { digest, size, .. } in std::iter::once(config).chain(manifest.layers) {
            let Some(url) = reference.url("blobs", &digest.to_string()) else { continue };
            let part = ImagePart { url, digest, bytes: size };
            // One layer may be there several times.
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    async fn manifest(
        &self,
        cx: &Cx,
        name: &str,
        reference: &Reference,
        version: &str,
    ) -> Result<(ImagePart, Manifest), RegistryError> {
        let owned = || name.to_owned();
        let failed = |source| RegistryError::Fetch { name: owned(), source: Box::new(source) };
        let url = reference.url("manifests", version).ok_or(FetchError::NoOrigin).map_err(failed)?;
        let bytes = self.small(cx, &url, LARGEST).await.map_err(failed)?;
        let found = Digest::from_bytes(DigestAlgorithm::Sha256, &Sha256::digest(&bytes))
            .ok_or_else(|| RegistryError::Kind { name: owned() })?;
        if let Ok(expected) = version.parse::<Digest>()
            && expected.algorithm() == DigestAlgorithm::Sha256
            && expected != found
        {
            return Err(RegistryError::Digest { name: owned(), expected, found });
        }
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|source| RegistryError::Manifest { name: owned(), source })?;
        Ok((ImagePart { url, digest: found, bytes: bytes.len() as u64 }, manifest))
    }
}

/// The manifest of an index that is for this architecture.
fn platform<'a>(name: &str, index: &'a Manifest, arch: Arch) -> Result<&'a Digest, RegistryError> {
    let of = |entry: &Descriptor| entry.platform.as_ref().map(|p| (p.os.clone(), p.architecture.clone()));
    let wanted = ("linux".to_owned(), arch.debian().to_owned());
    let found = index.manifests.iter().find(|entry| of(entry).as_ref() == Some(&wanted));
    found.map(|entry| &entry.digest).ok_or_else(|| {
        let there = index.manifests.iter().filter_map(of).map(|(os, arch)| format!("{os}/{arch}"));
        RegistryError::Platform { name: name.to_owned(), arch, there: there.collect() }
    })
}

/// Tokens that registries gave, by registry and name.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, crate::value::Secret>>);

/// Sends `request` to `url`. A registry that wants a token gets one that anybody may have.
pub(super) async fn send(
    (tokens, gate): (&Tokens, &Gate),
    client: &reqwest::Client,
    url: &Url,
    mut request: RequestBuilder,
) -> reqwest::Result<Response> {
    let Some((repository, is_manifest)) = repository(url) else { return request.send().await };
    if is_manifest {
        request = request.header(ACCEPT, KINDS);
    }
    let again = request.try_clone();
    let known = tokens.0.lock().unwrap_or_else(PoisonError::into_inner).get(&repository).cloned();
    let response = match known {
        Some(token) => request.bearer_auth(token.expose()).send().await?,
        None => request.send().await?,
    };
    let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
        return Ok(response);
    };
    let asked = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    // Who gives tokens may be another host.
    let Some(token) = asked.and_then(challenge).filter(|url| gate.lets_through(url, None)) else {
        return Ok(response);
    };
    let Some(token) = give(client, token).await else { return Ok(response) };
    let sent = again.bearer_auth(token.expose()).send().await;
    tokens.0.lock().unwrap_or_else(PoisonError::into_inner).insert(repository, token);
    sent
}

/// Whose file of a registry `url` is, and whether it is a manifest; nothing for other addresses.
fn repository(url: &Url) -> Option<(String, bool)> {
    let path = url.path().strip_prefix("/v2/")?;
    let is_manifest = path.contains("/manifests/");
    let (name, _) = path.rsplit_once(if is_manifest { "/manifests/" } else { "/blobs/" })?;
    Some((format!("{} {name}", url.origin().ascii_serialization()), is_manifest))
}

/// The address that gives a token, by `Bearer realm="…",service="…",scope="…"`.
fn challenge(header: &str) -> Option<Url> {
    let (scheme, mut rest) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut query) = (None, Vec::new());
    while let Some((key, after)) = rest.trim_start_matches([',', ' ']).split_once('=') {
        let (value, more) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        match key.trim() {
            "realm" => realm = Url::parse(value).ok(),
            key @ ("service" | "scope") => query.push((key.to_owned(), value.to_owned())),
            _ => {}
        }
        rest = more;
    }
    let mut realm = realm.filter(|url| matches!(url.scheme(), "http" | "https"))?;
    realm.query_pairs_mut().extend_pairs(query);
    Some(realm)
}

async fn give(client: &reqwest::Client, address: Url) -> Option<crate::value::Secret> {
    #[derive(Deserialize)]
    struct Given {
        token: Option<String>,
        access_token: Option<String>,
    }
    let mut response = client.get(address).send().await.ok()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST {
            return None;
        }
    }
    let given: Given = serde_json::from_slice(&bytes).ok()?;
    given.token.or(given.access_token).map(crate::value::Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    #[test_case("registry.k8s.io/pause:3.10", "https://registry.k8s.io/v2/pause/manifests/3.10")]
    #[test_case("docker.io/busybox", "https://registry-1.docker.io/v2/library/busybox/manifests/latest")]
    #[test_case("docker.io/a/b:c", "https://registry-1.docker.io/v2/a/b/manifests/c")]
    #[test_case("localhost:5000/x/y:1", "http://localhost:5000/v2/x/y/manifests/1")]
    fn names_are_addresses(name: &str, url: &str) {
        let reference = Reference::parse(name).unwrap();
        assert_eq!(reference.url("manifests", &reference.version).unwrap().as_str(), url);
    }

    #[test]
    fn a_digest_counts_more_than_a_tag() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(Reference::parse(&format!("ghcr.io/a/b:1@{digest}")).unwrap().version, digest);
    }

    #[test_case("busybox"; "no registry")]
    #[test_case("library/busybox"; "no registry, but a folder")]
    #[test_case("x.example/Upper:1"; "upper case")]
    #[test_case("x.example/a/../b:1"; "a way out")]
    #[test_case("x.example/a:b c"; "a blank")]
    #[test_case("x.example/a@sha256:00"; "no digest")]
    fn what_is_no_name_is_refused(name: &str) {
        assert!(Reference::parse(name).is_err());
    }

    #[test]
    fn a_challenge_says_where_tokens_are() {
        let header = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull""#;
        let url = challenge(header).unwrap();
        assert_eq!(
            url.as_str(),
            "https://auth.example/token?service=registry.example&scope=repository%3Aa%2Fb%3Apull"
        );
        assert_eq!(challenge("Basic realm=\"x\""), None);
        assert_eq!(challenge("Bearer realm=\"file:///etc/passwd\""), None);
    }

    #[test]
    fn only_addresses_of_registries_get_tokens() {
        let of = |url: &str| repository(&url.parse().unwrap());
        assert_eq!(
            of("https://x.example/v2/a/b/manifests/1"),
            Some(("https://x.example a/b".to_owned(), true))
        );
        assert_eq!(
            of("https://x.example/v2/a/blobs/sha256:0"),
            Some(("https://x.example a".to_owned(), false))
        );
        assert_eq!(of("https://x.example/manifests/1"), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(name in "[a-z./:@A-Z0-9 -]{0,40}", header in "(Bearer )?([a-z]{0,7}=\"?[^\"]{0,9}\"?,? ?){0,4}", json in r#"\{("(manifests|config|layers)":(\[\]|null|1|\{\}),?){0,3}\}"#) {
            let _ = (Reference::parse(&name), challenge(&header), serde_json::from_str::<Manifest>(&json));
        }
    }
}
