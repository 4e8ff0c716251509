//! Releases that are in their publisher's archive.
use super::*;
use crate::fetch::moved::probe_in;

const CURRENT: &str = "/debian-cd/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso";
const ARCHIVE: &str = "/archive/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso";

impl Server {
    fn at(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    /// Debian's rule, with the archive on this server.
    fn archives(&self) -> &'static [Rule] {
        let archive = Box::leak(self.at("/archive/").to_string().into_boxed_str());
        Box::leak(Box::new([Rule { archive, ..archive::PUBLISHED[0] }]))
    }

    fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.path).collect()
    }
}

/// What a build says, the hints with it.
#[derive(Default)]
struct Memory(Mutex<Vec<String>>);

impl Sink for Memory {
    fn take(&self, record: &Record) {
        if let Event::Message { text, hint, .. } = &record.event {
            self.0.lock().unwrap().push([text.as_str(), hint.as_deref().unwrap_or_default()].join("\n"));
        }
    }
}

impl Bench {
    fn heard(&self) -> (Cx, Arc<Memory>) {
        let memory = Arc::new(Memory::default());
        let events = Events::new(self.cx.id().clone(), "test", vec![memory.clone()]);
        let (work, logs) = (self.cx.work().to_owned(), self.cx.logs().to_owned());
        let cx = Cx::new(self.cx.id().clone(), work, logs, events, Stop::default(), self.cx.undo().clone());
        (cx, memory)
    }
}

#[tokio::test]
async fn a_release_that_is_gone_is_taken_from_the_archive() {
    for status in [404, 410] {
        let bench = Bench::new();
        let server = Server::start(content(), vec![Reply::Status(status), Reply::Serve]).await;
        let fetcher = bench.fetcher().with_archives(server.archives());
        let (cx, memory) = bench.heard();
        let fetched = fetcher.get(&cx, &[server.at(CURRENT)], Some(&digest(&content()))).await.unwrap();
        assert_is_content(&fetched);
        assert_eq!(server.paths(), [CURRENT, ARCHIVE]);
        let said = memory.0.lock().unwrap().join("\n");
        let archive = server.at(ARCHIVE);
        assert_eq!(
            said,
            format!(
                "could not fetch `{}`: the server answered HTTP {status}; looking in the archive of Debian: `{archive}`\n\n\
                 `debian-12.8.0-amd64-netinst.iso` came from the archive of Debian: its release is not current any more\n\
                 write its new address into the definition: {archive}",
                server.at(CURRENT)
            )
        );
    }
}

#[tokio::test]
async fn mirrors_come_before_the_archive() {
    let bench = Bench::new();
    let gone = Server::start(content(), vec![Reply::Status(404)]).await;
    let there = Server::start(content(), vec![Reply::Serve]).await;
    let fetcher = bench.fetcher().with_archives(gone.archives());
    let origins = [gone.at(CURRENT), there.at(CURRENT)];
    assert_is_content(&fetcher.get(&bench.cx, &origins, Some(&digest(&content()))).await.unwrap());
    assert_eq!((gone.paths().len(), there.paths().len()), (1, 1));
}

#[tokio::test]
async fn what_the_archive_does_not_have_either_is_told_of_both_places() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Status(404)]).await;
    let fetcher = bench.fetcher().with_archives(server.archives());
    let error = fetcher.get(&bench.cx, &[server.at(CURRENT)], Some(&digest(&content()))).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("2 places") && text.contains(CURRENT) && text.contains(ARCHIVE), "{text}");
    assert_eq!(server.paths(), [CURRENT, ARCHIVE]);
}

#[tokio::test]
async fn only_what_is_gone_is_looked_for_in_an_archive() {
    let bench = Bench::new();
    let server = Server::start(content(), vec![Reply::Status(403)]).await;
    let fetcher = bench.fetcher().with_archives(server.archives());
    let error = fetcher.get(&bench.cx, &[server.at(CURRENT)], Some(&digest(&content()))).await.unwrap_err();
    assert!(matches!(error, FetchError::Http { status: 403, .. }), "{error}");
    let server = Server::start(content(), vec![Reply::Status(404)]).await;
    let fetcher = bench.fetcher().with_archives(server.archives());
    let error = fetcher.get(&bench.cx, &[server.at("/isos/debian-12.8.0.iso")], None).await.unwrap_err();
    assert!(error.hint().unwrap().contains("cdimage.debian.org/cdimage/archive/"), "{:?}", error.hint());
    assert_eq!(server.paths().len(), 1);
}

#[tokio::test]
async fn a_wrong_file_in_the_archive_is_refused() {
    let bench = Bench::new();
    let server = Server::start(b"something else".to_vec(), vec![Reply::Status(404), Reply::Serve]).await;
    let fetcher = bench.fetcher().with_archives(server.archives());
    let error = fetcher.get(&bench.cx, &[server.at(CURRENT)], Some(&digest(&content()))).await.unwrap_err();
    assert!(error.to_string().contains(digest(b"something else").hex()), "{error}");
}

#[tokio::test]
async fn a_probe_looks_into_the_archive() {
    let server = Server::start(content(), vec![Reply::Status(404), Reply::Serve]).await;
    let found = probe_in(&Gate::open(), server.archives(), &server.at(CURRENT)).await.unwrap();
    assert_eq!((found.url, found.bytes), (server.at(ARCHIVE), Some(1_200_000)));
    let server = Server::start(content(), vec![Reply::Status(404)]).await;
    let text = probe_in(&Gate::open(), server.archives(), &server.at(CURRENT)).await.unwrap_err().to_string();
    assert!(text.contains(CURRENT) && text.contains(ARCHIVE), "{text}");
}

#[tokio::test]
async fn a_list_of_the_next_release_is_passed_over_for_the_archives() {
    fn read(_: &Url, text: &[u8]) -> Result<String, FetchError> {
        let text = String::from_utf8_lossy(text);
        if text.contains("12.8.0") { Ok(text.into_owned()) } else { Err(FetchError::NoOrigin) }
    }
    let current = "/debian-cd/current/amd64/iso-cd/";
    let (sums, old) =
        (b"1  debian-12.9.0-amd64-netinst.iso\n".to_vec(), b"0  debian-12.8.0-amd64-netinst.iso\n".to_vec());
    let rules = vec![Reply::Serve, Reply::Replaced("\"two\"", old)];
    for (first, rules) in [("200", rules.clone()), ("404", vec![Reply::Status(404), rules[1].clone()])] {
        let bench = Bench::new();
        let server = Server::start(sums.clone(), rules).await;
        let fetcher = bench.fetcher().with_archives(server.archives());
        let (cx, memory) = bench.heard();
        let (list, file) =
            (format!("{current}SHA256SUMS"), format!("{current}debian-12.8.0-amd64-netinst.iso"));
        let found = fetcher.list(&cx, &server.at(&list), Some(&server.at(&file)), 1000, read).await.unwrap();
        assert!(found.starts_with('0'), "{found}");
        assert_eq!(server.paths(), [list.as_str(), "/archive/12.8.0/amd64/iso-cd/SHA256SUMS"], "{first}");
        assert!(memory.0.lock().unwrap().join("\n").contains("looking in the archive of Debian"));
        // Of another medium it says nothing, and there is nowhere else to look.
        let other = server.at("/mine.iso");
        assert!(
            fetcher
                .list(&cx, &other, Some(&other), 1000, |_, _| Err::<(), _>(FetchError::NoOrigin))
                .await
                .is_err()
        );
    }
}
