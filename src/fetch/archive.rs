//! Where publishers keep the releases that are no longer current. A point release is current until the next one; then its files
//! move, and an address that was right for months answers HTTP 404.
//!
//! Only archives whose layout is certain are in the table. Not in it: CentOS Stream, which keeps no old media, and Photon OS, of
//! which no archive is known.
use url::Url;

/// How an archive names the folder of a release.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Folder {
    /// As the tree of current releases does, by number or by code name.
    Same,
    /// By a version of at least so many numbers. Where the tree of current releases has a link instead (`current`, `9`), the file's
    /// name tells which release it was.
    Version(usize),
}

/// One publisher's archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// For people: whose releases.
    pub(crate) publisher: &'static str,
    /// What is before the folder of a release: `HOST/PATH`, or `*/PATH` for the end of a path on any host, since mirrors have the
    /// same tree below a folder of that name.
    pub(crate) trees: &'static [&'static str],
    /// The folder of a release in the archive.
    pub(crate) folder: Folder,
    /// How names of files begin, before their version.
    pub(crate) prefix: &'static str,
    /// A folder below that of the release which the archive is without.
    pub(crate) dropped: Option<&'static str>,
    /// What is before the folder of a release in the archive.
    pub(crate) archive: &'static str,
}

/// The archives that are known.
pub(crate) const PUBLISHED: &[Rule] = &[
    // `debian-cd/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso`; also `12.8.0-live/…`, and `current/…`.
    Rule {
        publisher: "Debian",
        trees: &["*/debian-cd", "*/cdimage/release"],
        folder: Folder::Version(3),
        prefix: "debian-",
        dropped: None,
        archive: "https://cdimage.debian.org/cdimage/archive/",
    },
    // `24.04.1/`, `24.04/` and `noble/` alike, each with the point releases that were in it.
    Rule {
        publisher: "Ubuntu",
        trees: &["releases.ubuntu.com", "releases.ubuntu.com/releases", "*/ubuntu-releases"],
        folder: Folder::Same,
        prefix: "ubuntu-",
        dropped: None,
        archive: "https://old-releases.ubuntu.com/releases/",
    },
    // Other architectures than amd64: `24.04/release/ubuntu-24.04.1-live-server-arm64.iso`.
    Rule {
        publisher: "Ubuntu",
        trees: &["cdimage.ubuntu.com/releases", "cdimage.ubuntu.com/ubuntu/releases"],
        folder: Folder::Same,
        prefix: "ubuntu-",
        dropped: Some("release"),
        archive: "https://old-releases.ubuntu.com/releases/",
    },
    // `9.4/isos/x86_64/Rocky-9.4-x86_64-dvd.iso`, also in `9/…`.
    Rule {
        publisher: "Rocky Linux",
        trees: &["*/rocky", "*/rockylinux"],
        folder: Folder::Version(2),
        prefix: "Rocky-",
        dropped: None,
        archive: "https://dl.rockylinux.org/vault/rocky/",
    },
    // `9.4/isos/x86_64/AlmaLinux-9.4-x86_64-dvd.iso`, also in `9/…`.
    Rule {
        publisher: "AlmaLinux",
        trees: &["*/almalinux"],
        folder: Folder::Version(2),
        prefix: "AlmaLinux-",
        dropped: None,
        archive: "https://vault.almalinux.org/",
    },
    // `7.9.2009/isos/x86_64/CentOS-7-x86_64-Minimal-2009.iso`.
    Rule {
        publisher: "CentOS Linux",
        trees: &["*/centos"],
        folder: Folder::Version(3),
        prefix: "CentOS-",
        dropped: None,
        archive: "https://vault.centos.org/",
    },
    // `33/Server/x86_64/iso/Fedora-Server-dvd-x86_64-33-1.2.iso`.
    Rule {
        publisher: "Fedora",
        trees: &["*/fedora/linux/releases"],
        folder: Folder::Version(1),
        prefix: "Fedora-",
        dropped: None,
        archive: "https://archives.fedoraproject.org/pub/archive/fedora/linux/releases/",
    },
];

/// A place in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archived {
    /// For people: whose archive.
    pub(crate) publisher: &'static str,
    /// The file there. Its name is the same.
    pub(crate) url: Url,
}

/// Where the file at `url` is once its release is no longer current; never `url` itself.
pub(crate) fn archived(rules: &[Rule], url: &Url) -> Option<Archived> {
    // An archive has none itself, though it may be a tree of such a name.
    if !matches!(url.scheme(), "http" | "https") || rules.iter().any(|rule| rule.has(url)) {
        return None;
    }
    rules.iter().find_map(|rule| {
        let url = rule.place(url)?;
        Some(Archived { publisher: rule.publisher, url })
    })
}

/// Where the list of digests at `list` is once the medium at `file` is no longer current. A list with a release in its address
/// moves as files do. One in a folder that stays, such as `current`, is then the list of the next release; the medium's own is
/// beside the medium.
pub(crate) fn archived_list(rules: &[Rule], list: &Url, file: &Url) -> Option<Archived> {
    let beside = || {
        let folder = |url: &Url| url.join(".").ok();
        let name = list.path_segments()?.next_back().filter(|name| !name.is_empty())?;
        let moved = archived(rules, file).filter(|_| folder(list) == folder(file))?;
        Some(Archived { url: moved.url.join(&format!("./{name}")).ok()?, ..moved })
    };
    beside().or_else(|| archived(rules, list)).filter(|moved| moved.url != *list)
}

/// The publisher and its archive of which the name of the file at `url` speaks, wherever that is.
pub(super) fn by_name(rules: &[Rule], url: &Url) -> Option<(&'static str, &'static str)> {
    let name = url.path_segments()?.next_back()?;
    let rule = rules.iter().find(|rule| name.starts_with(rule.prefix) && !rule.has(url))?;
    Some((rule.publisher, rule.archive))
}

impl Rule {
    fn place(&self, url: &Url) -> Option<Url> {
        let host = url.host_str()?;
        let segments: Vec<&str> = url.path_segments()?.collect();
        let name = segments.last().filter(|name| !name.is_empty())?;
        // At least a release and a file are behind the tree; of two trees, one in the other, the inner one counts.
        let (at, release) = (0..segments.len().checked_sub(1)?)
            .rev()
            .filter(|&at| self.trees.iter().any(|tree| is_tree(tree, host, segments.get(..at))))
            .find_map(|at| Some((at, self.release(segments.get(at)?, name)?)))?;
        let mut rest = segments.get(at + 1..)?;
        if let (Some(dropped), [first, more @ ..]) = (self.dropped, rest)
            && *first == dropped
            && !more.is_empty()
        {
            rest = more;
        }
        Url::parse(&format!("{}{release}/{}", self.archive, rest.join("/"))).ok()
    }

    /// Whether `url` is in the archive, by whatever scheme.
    fn has(&self, url: &Url) -> bool {
        let archive = Url::parse(self.archive).ok();
        archive.is_some_and(|own| own.host_str() == url.host_str() && url.path().starts_with(own.path()))
    }

    /// What the archive calls the release that the tree has under `folder`.
    fn release(&self, folder: &str, file: &str) -> Option<String> {
        match self.folder {
            Folder::Same => {
                let usual = |c: char| c.is_ascii_alphanumeric() || c == '.';
                (folder.starts_with(|c: char| c.is_ascii_alphanumeric()) && folder.chars().all(usual))
                    .then(|| folder.to_owned())
            }
            Folder::Version(numbers) => {
                let whole = folder.split('-').next().unwrap_or_default();
                if version(folder, numbers) == Some(whole) {
                    return Some(folder.to_owned());
                }
                version(file.strip_prefix(self.prefix)?, numbers).map(str::to_owned)
            }
        }
    }
}

/// Whether `before`, the path up to a release on `host`, is the tree.
fn is_tree(tree: &str, host: &str, before: Option<&[&str]>) -> bool {
    let Some(before) = before else { return false };
    let (wanted, path) = tree.split_once('/').unwrap_or((tree, ""));
    let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if wanted == "*" { before.ends_with(&path) } else { wanted == host && before == path }
}

/// The version that `text` begins with, if it has at least so many numbers.
fn version(text: &str, numbers: usize) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let version = text.get(..end)?.trim_end_matches('.');
    let parts = version.split('.');
    let all = parts.clone().all(|part| !part.is_empty());
    (all && parts.count() >= numbers).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    fn moved(url: &str) -> Option<String> {
        archived(PUBLISHED, &url.parse().unwrap()).map(|found| found.url.to_string())
    }

    const DEBIAN: &str =
        "https://cdimage.debian.org/cdimage/archive/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso";
    const ROCKY: &str = "https://dl.rockylinux.org/vault/rocky/9.4/isos/x86_64/Rocky-9.4-x86_64-dvd.iso";
    const ALMA: &str = "https://vault.almalinux.org/9.7/isos/x86_64/AlmaLinux-9.7-x86_64-dvd.iso";

    #[test_case(
        "https://cdimage.debian.org/debian-cd/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso",
        DEBIAN
    )]
    #[test_case("https://cdimage.debian.org/debian-cd/current/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso", DEBIAN; "by the name of the file")]
    #[test_case(
        "http://cdimage.debian.org/cdimage/release/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso",
        DEBIAN
    )]
    #[test_case("http://me:pw@mirror.example/a/debian-cd/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso?token=x", DEBIAN; "a mirror, and nothing secret of it")]
    #[test_case(
        "https://cdimage.debian.org/debian-cd/12.8.0/amd64/iso-cd/SHA256SUMS",
        "https://cdimage.debian.org/cdimage/archive/12.8.0/amd64/iso-cd/SHA256SUMS"
    )]
    #[test_case(
        "https://cdimage.debian.org/debian-cd/12.5.0-live/amd64/iso-hybrid/debian-live-12.5.0-amd64-xfce.iso",
        "https://cdimage.debian.org/cdimage/archive/12.5.0-live/amd64/iso-hybrid/debian-live-12.5.0-amd64-xfce.iso"
    )]
    #[test_case(
        "https://releases.ubuntu.com/24.04.1/ubuntu-24.04.1-live-server-amd64.iso",
        "https://old-releases.ubuntu.com/releases/24.04.1/ubuntu-24.04.1-live-server-amd64.iso"
    )]
    #[test_case(
        "https://releases.ubuntu.com/releases/noble/ubuntu-24.04.1-live-server-amd64.iso",
        "https://old-releases.ubuntu.com/releases/noble/ubuntu-24.04.1-live-server-amd64.iso"
    )]
    #[test_case(
        "http://mirror.example/ubuntu-releases/24.04/ubuntu-24.04.1-live-server-amd64.iso",
        "https://old-releases.ubuntu.com/releases/24.04/ubuntu-24.04.1-live-server-amd64.iso"
    )]
    #[test_case(
        "https://cdimage.ubuntu.com/releases/22.04/release/ubuntu-22.04.1-live-server-arm64.iso",
        "https://old-releases.ubuntu.com/releases/22.04/ubuntu-22.04.1-live-server-arm64.iso"
    )]
    #[test_case("https://download.rockylinux.org/pub/rocky/9.4/isos/x86_64/Rocky-9.4-x86_64-dvd.iso", ROCKY)]
    #[test_case("https://download.rockylinux.org/pub/rocky/9/isos/x86_64/Rocky-9.4-x86_64-dvd.iso", ROCKY; "rocky by the name of the file")]
    #[test_case("https://mirror.example/rockylinux/9.4/isos/x86_64/Rocky-9.4-x86_64-dvd.iso", ROCKY)]
    #[test_case("https://repo.almalinux.org/almalinux/9.7/isos/x86_64/AlmaLinux-9.7-x86_64-dvd.iso", ALMA)]
    #[test_case("https://repo.almalinux.org/almalinux/9/isos/x86_64/AlmaLinux-9.7-x86_64-dvd.iso", ALMA; "alma by the name of the file")]
    #[test_case(
        "http://mirror.example/centos/7.9.2009/isos/x86_64/CentOS-7-x86_64-Minimal-2009.iso",
        "https://vault.centos.org/7.9.2009/isos/x86_64/CentOS-7-x86_64-Minimal-2009.iso"
    )]
    #[test_case(
        "https://dl.fedoraproject.org/pub/fedora/linux/releases/33/Server/x86_64/iso/Fedora-Server-dvd-x86_64-33-1.2.iso",
        "https://archives.fedoraproject.org/pub/archive/fedora/linux/releases/33/Server/x86_64/iso/Fedora-Server-dvd-x86_64-33-1.2.iso"
    )]
    fn releases_move(from: &str, to: &str) {
        assert_eq!(moved(from).as_deref(), Some(to));
        assert_eq!(moved(to), None, "an archive has no archive");
    }

    #[test_case("https://example.org/isos/debian-12.8.0-amd64-netinst.iso"; "somewhere")]
    #[test_case("https://cdimage.debian.org/debian-cd/current/amd64/iso-cd/SHA256SUMS"; "which release is not said")]
    #[test_case("https://download.rockylinux.org/pub/rocky/9/isos/x86_64/Rocky-9-latest-x86_64-dvd.iso"; "no release at all")]
    #[test_case("https://mirror.stream.centos.org/9-stream/BaseOS/x86_64/iso/CentOS-Stream-9-latest-x86_64-dvd1.iso"; "stream")]
    #[test_case("https://cdimage.debian.org/debian-cd/12.8.0/"; "a folder")]
    #[test_case("https://cdimage.debian.org/debian-cd/debian-12.8.0.iso"; "no folder of a release")]
    #[test_case("https://releases.ubuntu.com/"; "nothing")]
    #[test_case("file:///debian-cd/12.8.0/amd64/iso-cd/debian-12.8.0-amd64-netinst.iso"; "a file of this host")]
    fn what_follows_no_rule_stays(url: &str) {
        assert_eq!(moved(url), None);
    }

    #[test]
    fn a_list_is_looked_for_beside_its_medium() {
        let list = |list: &str, file: &str| {
            let (list, file) = (list.parse().unwrap(), file.parse().unwrap());
            archived_list(PUBLISHED, &list, &file).map(|found| found.url.to_string())
        };
        let beside = DEBIAN.replace("debian-12.8.0-amd64-netinst.iso", "SHA256SUMS");
        let folder = "https://cdimage.debian.org/debian-cd/current/amd64/iso-cd/";
        let (sums, file) =
            (format!("{folder}SHA256SUMS"), format!("{folder}debian-12.8.0-amd64-netinst.iso"));
        assert_eq!(list(&sums, &file), Some(beside.clone()));
        assert_eq!(list(&sums, "https://example.org/debian-12.8.0-amd64-netinst.iso"), None);
        // It has a release of its own, and its medium lies elsewhere.
        let own = "https://cdimage.debian.org/debian-cd/12.8.0/amd64/iso-cd/SHA256SUMS";
        assert_eq!(list(own, "https://example.org/x.iso"), Some(beside.clone()));
        assert_eq!(list(&beside, DEBIAN), None);
    }

    #[test]
    fn a_name_tells_whose_archive_it_is() {
        let by = |url: &str| by_name(PUBLISHED, &url.parse().unwrap()).map(|(publisher, _)| publisher);
        assert_eq!(by("https://example.org/isos/debian-12.8.0-amd64-netinst.iso"), Some("Debian"));
        assert_eq!(by("https://example.org/isos/mine.iso"), None);
        assert_eq!(by(DEBIAN), None, "it was looked for there");
    }

    #[test]
    fn the_table_is_sound() {
        for rule in PUBLISHED {
            assert!(Url::parse(rule.archive).is_ok_and(|url| url.scheme() == "https"), "{rule:?}");
            assert!(
                rule.archive.ends_with('/') && rule.prefix.ends_with('-') && !rule.trees.is_empty(),
                "{rule:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_place_in_an_archive_is_another_one_with_the_same_name(
            host in "(cdimage\\.debian\\.org|releases\\.ubuntu\\.com|cdimage\\.ubuntu\\.com|dl\\.rockylinux\\.org|vault\\.almalinux\\.org|[a-z]{1,5}\\.example|\\[::1\\]:80)",
            path in "(/(debian-cd|cdimage|release|releases|archive|ubuntu-releases|pub|rocky|vault|almalinux|centos|fedora|linux|current|[0-9.-]{0,7}|%2F|%2e|ß|[a-zA-Z0-9 .+~-]{0,8})){0,8}/(debian-|ubuntu-|Rocky-)?[^/?#\\\\]{0,12}",
            query in "(\\?[a-z=]{0,5})?",
        ) {
            let Ok(url) = Url::parse(&format!("http://{host}{path}{query}")) else { return Ok(()) };
            let name = |url: &Url| url.path_segments().and_then(|mut all| all.next_back().map(str::to_owned));
            if let Some(found) = archived(PUBLISHED, &url) {
                prop_assert_ne!(&found.url, &url);
                prop_assert_eq!(name(&found.url), name(&url));
                prop_assert!(name(&url).is_some_and(|name| !name.is_empty()));
                prop_assert!(PUBLISHED.iter().any(|rule| found.url.as_str().starts_with(rule.archive)));
                prop_assert_eq!(found.url.query(), None);
                prop_assert_eq!(archived(PUBLISHED, &found.url), None, "{} -> {}", url, found.url);
            }
            let _ = archived_list(PUBLISHED, &url, &url);
            let _ = by_name(PUBLISHED, &url);
        }
    }
}
