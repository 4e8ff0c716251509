//! Files of digests, as publishers put them beside what they publish.
use super::Digest;

/// Why a file of digests does not tell a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// No line of it holds one.
    #[error("it holds no SHA-256 or SHA-512 digest")]
    None,
    /// It holds several, and none for this name.
    #[error("it holds {count} digests, but none of `{name}`")]
    Other {
        /// The name.
        name: String,
        /// How many digests.
        count: usize,
    },
    /// It holds two for this name that contradict each other.
    #[error("it holds two digests of `{name}` that contradict each other")]
    Contradiction {
        /// The name.
        name: String,
    },
}

/// The digest of the file `name` in `text`: a digest alone, `DIGEST  NAME` lines as of `sha256sum`, or `SHA256 (NAME) = DIGEST`
/// lines. A single digest is taken whatever its name, since such a file is about one file. Folders before names do not count.
pub fn digest_of(text: &str, name: &str) -> Result<Digest, SumsError> {
    let found: Vec<(Option<&str>, Digest)> = text.lines().filter_map(entry).collect();
    if let [(_, only)] = &found[..] {
        return Ok(only.clone());
    }
    let base = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let wanted = base(name);
    let mut own = found
        .iter()
        .filter(|(name, _)| name.is_some_and(|name| base(name) == wanted))
        .map(|(_, digest)| digest);
    let Some(first) = own.next() else {
        let count = found.len();
        return Err(if count == 0 { SumsError::None } else { SumsError::Other { name: wanted, count } });
    };
    // Digests of different functions cannot contradict each other.
    if own.any(|other| other.algorithm() == first.algorithm() && other != first) {
        return Err(SumsError::Contradiction { name: wanted });
    }
    Ok(first.clone())
}

/// The name and digest of one line.
fn entry(line: &str) -> Option<(Option<&str>, Digest)> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if let Some((head, digest)) = line.rsplit_once(" = ")
        && let Some((_, name)) = head.split_once('(')
        && let Some(name) = name.strip_suffix(')')
    {
        return Some((Some(name), digest.trim().parse().ok()?));
    }
    let (digest, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    // A star says that the file was read as it is.
    let name = name.trim_start();
    let name = name.strip_prefix('*').unwrap_or(name);
    Some((Some(name).filter(|name| !name.is_empty()), digest.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    fn hex(digit: char) -> String {
        std::iter::repeat_n(digit, 64).collect()
    }

    #[test_case("{a}"; "alone")]
    #[test_case("{a}\n"; "alone with an end")]
    #[test_case("\u{feff}sha256:{a}\r\n"; "with its function")]
    #[test_case("{a}  other-name.tar.gz\n"; "one whatever its name")]
    #[test_case("{b}  x.tar.gz.sbom\n{a}  x.tar.gz\n"; "lines")]
    #[test_case("{b} *dist/y\n{a} *dist/x.tar.gz\n"; "binary with folders")]
    #[test_case("# comment\nSHA256 (y) = {b}\nSHA256 (x.tar.gz) = {a}\n"; "as on BSD")]
    #[test_case("{a}  x.tar.gz\n{a}  ./x.tar.gz\n"; "twice the same")]
    fn the_digest_of_a_file_is_found(text: &str) {
        let text = text.replace("{a}", &hex('a')).replace("{b}", &hex('b'));
        assert_eq!(digest_of(&text, "https://example.org/d/x.tar.gz").unwrap().hex(), hex('a'));
    }

    #[test]
    fn what_is_not_there_or_not_clear_is_refused() {
        let (a, b) = (hex('a'), hex('b'));
        assert_eq!(digest_of("<html>not found</html>", "x"), Err(SumsError::None));
        let other = format!("{a}  y\n{b}  z\n");
        assert!(matches!(digest_of(&other, "x"), Err(SumsError::Other { count: 2, .. })));
        let both = format!("{a}  x\n{b}  x\n");
        assert!(matches!(digest_of(&both, "x"), Err(SumsError::Contradiction { .. })));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,200}", name in "\\PC{0,40}") {
            let _any_answer_will_do = digest_of(&text, &name);
        }

        #[test]
        fn every_file_of_a_list_is_found(
            names in proptest::collection::btree_set("[a-z0-9._-]{1,20}", 1..8),
            star in any::<bool>(),
            folder in "(\\./|[a-z]{1,5}/)?",
        ) {
            let digests: Vec<(String, String)> =
                names.iter().enumerate().map(|(index, name)| (name.clone(), format!("{index:064x}"))).collect();
            let mark = if star { " *" } else { "  " };
            let lines: Vec<String> =
                digests.iter().map(|(name, hex)| format!("{hex}{mark}{folder}{name}")).collect();
            let text = lines.join("
    ");
            for (name, hex) in &digests {
                let found = digest_of(&text, name).unwrap();
                prop_assert_eq!(found.hex(), hex.as_str());
            }
        }
    }
}
