//! The fetcher behind a gate that is closed.
use super::*;
use crate::fetch::tests_stock::{Shelf, digest_of};

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn offline(shelf: Shelf, hosts: &[&str]) -> (Fetcher, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let gate = Gate::closed(vec![Arc::new(shelf)], hosts);
    (Fetcher::new(folder.path().join("cache")).behind(gate), folder)
}

#[tokio::test]
async fn what_is_collected_comes_without_any_server() {
    let (cx, there) = (cx(), url("https://get.example.com/tool?arch=amd64"));
    let (fetcher, _folder) = offline(Shelf::of(&[(there.as_str(), b"tool")]), &[]);
    let plain = fetcher.get(&cx, std::slice::from_ref(&there), None).await.unwrap();
    assert_eq!(std::fs::read(&plain.path).unwrap(), b"tool");
    let digest = digest_of(b"tool");
    let known = fetcher.get(&cx, std::slice::from_ref(&there), Some(&digest)).await.unwrap();
    assert!(!known.from_cache && known.digest == digest);
    assert!(fetcher.get(&cx, std::slice::from_ref(&there), Some(&digest)).await.unwrap().from_cache);
    assert_eq!(fetcher.small(&cx, &there, 4).await.unwrap(), b"tool");
    assert!(matches!(fetcher.small(&cx, &there, 3).await, Err(FetchError::TooLarge { .. })));
    assert_eq!(fetcher.probe(&there, None).await.unwrap().bytes, Some(4));
    assert_eq!(fetcher.kept(&cx, &there, 4, false).await.unwrap().bytes, b"tool");
    // Under another address, but the same file.
    let mirror = url("https://mirror.example.com/tool");
    assert_eq!(fetcher.probe(&mirror, Some(&digest)).await.unwrap().bytes, Some(4));
    let (fetcher, _folder) = offline(Shelf::of(&[(there.as_str(), b"tool")]), &[]);
    assert_eq!(fetcher.get(&cx, &[mirror], Some(&digest)).await.unwrap().digest, digest);
    assert!(fetcher.gate().take_refused().is_empty());
}

#[tokio::test]
async fn what_is_not_is_refused_by_every_door() {
    let (cx, there, other) = (cx(), url("https://get.example.com/a"), url("https://get.example.com/b"));
    let (fetcher, _folder) = offline(Shelf::of(&[(there.as_str(), b"a")]), &[]);
    let digest = digest_of(b"b");
    let errors = [
        fetcher.get(&cx, std::slice::from_ref(&other), None).await.unwrap_err(),
        fetcher.get(&cx, std::slice::from_ref(&other), Some(&digest)).await.unwrap_err(),
        fetcher.small(&cx, &other, 10).await.unwrap_err(),
        fetcher.probe(&other, None).await.unwrap_err(),
        fetcher.kept(&cx, &other, 10, false).await.unwrap_err(),
        fetcher.pass(false, &other, &reqwest::header::HeaderMap::new()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "could not fetch `https://get.example.com/b`: goldsmith is offline, and it is neither in shelf nor at an allowed host"
        );
        assert_eq!(error.hint().unwrap(), COLLECT);
        assert!(!error.is_transient());
    }
    assert_eq!(fetcher.gate().take_refused(), ["https://get.example.com/b"]);
    // Of several places one is enough, and the others are not complained about.
    assert!(fetcher.get(&cx, &[other, there], None).await.is_ok());
    assert!(fetcher.gate().take_refused().is_empty());
}

#[tokio::test]
async fn the_cache_counts_when_the_digest_is_known() {
    let (cx, server) = (cx(), Server::start(b"golden".to_vec(), vec![Reply::Serve]).await);
    let folder = tempfile::tempdir().unwrap();
    let digest = digest_of(b"golden");
    let online = Fetcher::new(folder.path());
    online.get(&cx, std::slice::from_ref(&server.url), Some(&digest)).await.unwrap();
    let fetcher = Fetcher::new(folder.path()).behind(Gate::closed(Vec::new(), Vec::new()));
    assert!(fetcher.get(&cx, std::slice::from_ref(&server.url), Some(&digest)).await.unwrap().from_cache);
    let error = fetcher.get(&cx, std::slice::from_ref(&server.url), None).await.unwrap_err();
    assert!(error.to_string().contains("neither in a bundle (none was given)"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_allowed_host_is_asked() {
    let server = Server::start(b"golden".to_vec(), vec![Reply::Serve]).await;
    let host = format!("127.0.0.1:{}", server.url.port().unwrap());
    let (fetcher, _folder) = offline(Shelf::default(), &[&host]);
    assert_eq!(fetcher.small(&cx(), &server.url, 100).await.unwrap(), b"golden");
    let (fetcher, _folder) = offline(Shelf::default(), &["127.0.0.1:1"]);
    assert!(fetcher.small(&cx(), &server.url, 100).await.is_err());
}

#[tokio::test]
async fn a_damaged_collection_leaves_nothing_in_the_cache() {
    let (cx, there) = (cx(), url("https://get.example.com/tool"));
    let mut shelf = Shelf::of(&[(there.as_str(), vec![1; 600_000].as_slice())]);
    shelf.broken = true;
    let (fetcher, folder) = offline(shelf, &[]);
    let error = fetcher.get(&cx, std::slice::from_ref(&there), None).await.unwrap_err();
    assert_eq!(error.to_string(), "could not take `https://get.example.com/tool` out of shelf");
    assert!(error.hint().unwrap().contains("goldsmith bundle verify shelf"));
    let left: Vec<_> = std::fs::read_dir(folder.path().join("cache/url")).unwrap().flatten().collect();
    assert!(left.iter().all(|file| file.path().extension().is_some_and(|end| end == "lock")), "{left:?}");
    let wrong = digest_of(b"something else");
    let (fetcher, _folder) = offline(Shelf::of(&[(there.as_str(), b"tool")]), &[]);
    let error = fetcher.get(&cx, &[there], Some(&wrong)).await.unwrap_err();
    assert!(matches!(error, FetchError::Refused { .. }), "another version is not what is meant: {error}");
    let long: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
    let error = fetcher.get(&cx, &[url("https://get.example.com/tool")], Some(&long)).await.unwrap_err();
    assert!(matches!(error, FetchError::Digest { .. }), "{error}");
}
