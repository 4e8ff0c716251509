//! Versions of RPM, compared as rpm compares them.
use std::cmp::Ordering;

/// Epoch, version, release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Evr {
    pub(super) epoch: u64,
    pub(super) version: String,
    /// Without one, any release is meant.
    pub(super) release: Option<String>,
}

impl Evr {
    /// Reads `[EPOCH:]VERSION[-RELEASE]`.
    #[cfg(test)]
    pub(super) fn parse(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, text),
        };
        let (version, release) = match rest.split_once('-') {
            Some((version, release)) => (version, Some(release.to_owned())),
            None => (rest, None),
        };
        Self { epoch, version: version.to_owned(), release }
    }

    /// Which is newer. Where one of them says no release, releases do not count.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let releases = || match (&self.release, &other.release) {
            (Some(one), Some(two)) => segments(one, two),
            _ => Ordering::Equal,
        };
        self.epoch.cmp(&other.epoch).then_with(|| segments(&self.version, &other.version)).then_with(releases)
    }
}

/// rpm's comparison of two texts: numbers and words in turn, everything else parts them; `~` is older than the end, `^` is newer.
pub(super) fn segments(one: &str, two: &str) -> Ordering {
    let (mut one, mut two) = (one, two);
    loop {
        let skip = |c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^';
        one = one.trim_start_matches(skip);
        two = two.trim_start_matches(skip);
        for (mark, absent) in [('~', Ordering::Less), ('^', Ordering::Greater)] {
            match (one.strip_prefix(mark), two.strip_prefix(mark)) {
                (Some(a), Some(b)) => return segments(a, b),
                // After the very end, a `^` is newer; before anything else it is older.
                (Some(_), None) if mark == '^' && !two.is_empty() => return Ordering::Less,
                (None, Some(_)) if mark == '^' && !one.is_empty() => return Ordering::Greater,
                (Some(_), None) => return absent,
                (None, Some(_)) => return absent.reverse(),
                (None, None) => {}
            }
        }
        if one.is_empty() || two.is_empty() {
            return one.len().min(1).cmp(&two.len().min(1));
        }
        let digits = one.starts_with(|c: char| c.is_ascii_digit());
        let part = |text: &str| {
            let same = |c: char| if digits { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
            text.find(|c| !same(c)).unwrap_or(text.len())
        };
        let (a, b) = (part(one), part(two));
        if b == 0 {
            // A number is newer than a word.
            return if digits { Ordering::Greater } else { Ordering::Less };
        }
        let (first, second) = (&one[..a], &two[..b]);
        let order = if digits {
            let (first, second) = (first.trim_start_matches('0'), second.trim_start_matches('0'));
            first.len().cmp(&second.len()).then_with(|| first.cmp(second))
        } else {
            first.cmp(second)
        };
        if order != Ordering::Equal {
            return order;
        }
        (one, two) = (&one[a..], &two[b..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    #[test_case("1.0", "1.0", Ordering::Equal)]
    #[test_case("1.0", "2.0", Ordering::Less)]
    #[test_case("2.0.1a", "2.0.1", Ordering::Greater)]
    #[test_case("5.5p10", "5.5p2", Ordering::Greater)]
    #[test_case("xyz10", "xyz10.1", Ordering::Less)]
    #[test_case("6.0.rc1", "6.0", Ordering::Greater)]
    #[test_case("10b2", "10a1", Ordering::Greater)]
    #[test_case("1.0aa", "1.0a", Ordering::Greater)]
    #[test_case("10.0001", "10.0039", Ordering::Less)]
    #[test_case("4.999.9", "5.0", Ordering::Less)]
    #[test_case("20101121", "20101122", Ordering::Less)]
    #[test_case("1.0~rc1", "1.0", Ordering::Less)]
    #[test_case("1.0~rc1~git123", "1.0~rc1", Ordering::Less)]
    #[test_case("1.0^", "1.0", Ordering::Greater)]
    #[test_case("1.0^git1", "1.01", Ordering::Less)]
    #[test_case("1.0^20160101", "1.0.1", Ordering::Less)]
    #[test_case("1.0^20160101^git1", "1.0^20160102", Ordering::Less)]
    #[test_case("1.0~rc1^git1", "1.0~rc1", Ordering::Greater)]
    #[test_case("a", "1", Ordering::Less)]
    #[test_case("2_0", "2.0", Ordering::Equal)]
    fn as_rpm_says(one: &str, two: &str, order: Ordering) {
        assert_eq!(segments(one, two), order);
        assert_eq!(segments(two, one), order.reverse());
    }

    #[test]
    fn epochs_count_most_and_releases_only_when_both_say_one() {
        let evr = Evr::parse;
        assert_eq!(evr("1:1-1").compare(&evr("2-9")), Ordering::Greater);
        assert_eq!(evr("1.0-2").compare(&evr("1.0")), Ordering::Equal);
        assert_eq!(evr("1.0-2.el9").compare(&evr("1.0-10.el9")), Ordering::Less);
    }

    proptest! {
        #[test]
        fn an_order_is_the_other_way_round_from_the_other_side(one in "[0-9a-c.~^_-]{0,9}", two in "[0-9a-c.~^_-]{0,9}") {
            prop_assert_eq!(segments(&one, &two), segments(&two, &one).reverse());
            prop_assert_eq!(segments(&one, &one), Ordering::Equal);
        }
    }
}
