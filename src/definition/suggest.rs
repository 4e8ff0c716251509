//! Names that people probably meant.

/// The candidate nearest to `name`, when it is near enough that a person would see the slip.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(name);
    // One slip in a short name, one in three letters of a long one; more is another word.
    let allowed = (folded.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `Connect_Timeout` is `connect-timeout` written in another house style, not another name.
fn fold(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

/// Names in backticks, for people: `` `a`, `b` or `c` ``.
pub(super) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "or")
}

/// Names in backticks, for people: `` `a`, `b` and `c` ``.
pub(super) fn all_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "and")
}

fn joined<'a>(names: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {word} {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("memroy", Some("memory"))]
    #[test_case("disk_size", None)]
    #[test_case("CPUs", Some("cpus") ; "case")]
    #[test_case("cpu", Some("cpus") ; "missing letter")]
    #[test_case("x", None)]
    #[test_case("", None ; "empty")]
    fn only_near_names_are_suggested(name: &str, expected: Option<&str>) {
        assert_eq!(nearest(name, ["cpus", "memory", "disk"]), expected);
    }

    #[test]
    fn lists_read_like_prose() {
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(all_of(["a", "b"]), "`a` and `b`");
    }
}
