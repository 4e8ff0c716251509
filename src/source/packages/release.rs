//! What a Release file of an archive says: which lists of packages there are, and their digests.
use crate::value::Digest;
use std::collections::BTreeMap;

/// A file that is larger than this is no Release file.
pub(super) const LARGEST: usize = 32 << 20;

/// How lists are packed, the best first; apt takes the first that there is.
const PACKED: &[&str] = &[".xz", ".gz", ".bz2", ".zst", ""];

/// A list that apt asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Its path, from the folder of the Release file.
    pub(super) path: String,
    /// Its digest.
    pub(super) digest: Digest,
    /// Its size.
    pub(super) bytes: u64,
    /// Its other path, by digest, if the archive has such.
    pub(super) by_hash: Option<String>,
}

/// A Release file, as far as it matters here.
#[derive(Debug, Default)]
pub(super) struct Release {
    architectures: Vec<String>,
    /// Lists of packages for all architectures are in those of each.
    merged: bool,
    by_hash: bool,
    /// Digest and size by path; those of SHA-256 and of SHA-512.
    files: BTreeMap<String, (Option<Digest>, Option<Digest>, u64)>,
}

impl Release {
    /// Reads `Release`, or `InRelease` with its signature around it. What is no such line is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut release = Self::default();
        let mut section = "";
        for line in text.lines() {
            if line.starts_with("-----BEGIN PGP SIGNATURE") {
                break;
            }
            if let Some(entry) = line.strip_prefix(' ') {
                release.entry(section, entry);
                continue;
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            section = key;
            let value = value.trim();
            match key {
                "Architectures" => {
                    release.architectures = value.split_whitespace().map(str::to_owned).collect();
                }
                "No-Support-for-Architecture-all" => release.merged = value == "Packages",
                "Acquire-By-Hash" => release.by_hash = value == "yes",
                _ => {}
            }
        }
        release
    }

    fn entry(&mut self, section: &str, entry: &str) {
        let mut words = entry.split_whitespace();
        let (Some(digest), Some(bytes), Some(path)) = (words.next(), words.next(), words.next()) else {
            return;
        };
        let Ok(bytes) = bytes.parse() else { return };
        let Ok(digest) = format!("{}:{digest}", section.to_ascii_lowercase()).parse::<Digest>() else {
            return;
        };
        let file = self.files.entry(path.to_owned()).or_insert((None, None, bytes));
        match section {
            "SHA256" => file.0 = Some(digest),
            _ => file.1 = Some(digest),
        }
    }

    /// The lists that apt takes for packages of `arch` in these components; none of them means a flat archive. First those of packages,
    /// then what apt asks for besides when it is there.
    pub(super) fn indices(&self, components: &[String], arch: &str) -> Vec<Index> {
        if components.is_empty() {
            return self.best("Packages").into_iter().chain(self.best("en")).collect();
        }
        let mut arches = vec![arch];
        if self.architectures.iter().any(|name| name == "all") && !self.merged {
            arches.push("all");
        }
        let packages = components.iter().flat_map(|component| {
            arches.iter().map(move |arch| format!("{component}/binary-{arch}/Packages"))
        });
        let besides = components.iter().flat_map(|component| {
            [format!("{component}/i18n/Translation-en"), format!("{component}/cnf/Commands-{arch}")]
        });
        packages.chain(besides).filter_map(|name| self.best(&name)).collect()
    }

    /// The list of this name, as apt takes it.
    fn best(&self, name: &str) -> Option<Index> {
        PACKED.iter().find_map(|end| {
            let path = format!("{name}{end}");
            let (sha256, sha512, bytes) = self.files.get(&path)?;
            let digest = sha256.clone().or_else(|| sha512.clone())?;
            // apt asks for it by the strongest digest that there is.
            let by_hash = self.by_hash.then(|| {
                let folder =
                    path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
                let strongest = sha512.as_ref().unwrap_or(&digest);
                let name = strongest.algorithm().name().to_ascii_uppercase();
                format!("{folder}by-hash/{name}/{}", strongest.hex())
            });
            Some(Index { path, digest, bytes: *bytes, by_hash })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> String {
        let (a, b, c, d) = ("aa".repeat(32), "bb".repeat(32), "cc".repeat(32), "dd".repeat(32));
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nAcquire-By-Hash: yes\n\
             No-Support-for-Architecture-all: Packages\nArchitectures: all amd64\nComponents: main\nMD5Sum:\n \
             0ed6d4c8891eb86358b94bb35d9e4da4 7 main/binary-amd64/Packages.xz\nSHA256:\n {a} 50 main/binary-amd64/Packages\n \
             {b}   20 main/binary-amd64/Packages.gz\n {c}  10 main/binary-amd64/Packages.xz\n {d} 9 main/i18n/Translation-en.bz2\n \
             {d} 8 main/binary-all/Packages.xz\n-----BEGIN PGP SIGNATURE-----\n {a} 1 main/cnf/Commands-amd64.xz\n"
        )
    }

    #[test]
    fn the_lists_are_those_that_apt_takes() {
        let main = ["main".to_owned()];
        let indices = Release::parse(&text()).indices(&main, "amd64");
        let paths: Vec<&str> = indices.iter().map(|index| index.path.as_str()).collect();
        assert_eq!(paths, ["main/binary-amd64/Packages.xz", "main/i18n/Translation-en.bz2"]);
        assert_eq!(indices[0].bytes, 10);
        let by_hash = format!("main/binary-amd64/by-hash/SHA256/{}", "cc".repeat(32));
        assert_eq!(indices[0].by_hash.as_deref(), Some(by_hash.as_str()));
        // Without that line, packages for all architectures are in a list of their own.
        let own = text().replace("No-Support-for-Architecture-all: Packages\n", "");
        assert_eq!(Release::parse(&own).indices(&main, "amd64").len(), 3);
    }

    #[test]
    fn the_strongest_digest_names_a_file() {
        let strong = "ee".repeat(64);
        let text = format!(
            "Acquire-By-Hash: yes\nSHA256:\n {} 1 Packages\nSHA512:\n {strong} 1 Packages\n",
            "aa".repeat(32)
        );
        let indices = Release::parse(&text).indices(&[], "amd64");
        assert_eq!(indices[0].digest.algorithm().name(), "sha256");
        assert_eq!(indices[0].by_hash.as_deref(), Some(format!("by-hash/SHA512/{strong}").as_str()));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(text in "(?s).{0,400}", lines in prop::collection::vec("( [0-9a-f]{64} [0-9]{0,22} [^ ]{0,12}|[A-Za-z0-9-]{0,12}: ?.{0,20}|SHA256:)", 0..20)) {
            for text in [text, lines.join("\n")] {
                let _ = Release::parse(&text).indices(&["main".to_owned()], "amd64");
                let _ = Release::parse(&text).indices(&[], "amd64");
            }
        }
    }
}
