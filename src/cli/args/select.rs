//! Which builds of the definitions are meant.
use clap::Args;

/// Builds by their names, as `goldsmith plan` lists them.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct Selection {
    /// Only builds with such a name, in which `*` stands for anything; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) only: Vec<String>,
    /// No builds with such a name; may be repeated, and wins over `--only`
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) except: Vec<String>,
}

impl Selection {
    /// Whether the build `name` is meant.
    pub(in crate::cli) fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, name));
        (self.only.is_empty() || any(&self.only)) && !any(&self.except)
    }

    /// The first pattern that fits none of `names`, with the option that it was given to.
    pub(in crate::cli) fn useless<'a>(&'a self, names: &[String]) -> Option<(&'static str, &'a str)> {
        let options = [("--only", &self.only), ("--except", &self.except)];
        let mut all = options
            .into_iter()
            .flat_map(|(option, patterns)| patterns.iter().map(move |pattern| (option, pattern.as_str())));
        all.find(|(_, pattern)| !names.iter().any(|name| fits(pattern, name)))
    }
}

/// Whether `name` is what `pattern` says: `*` is any letters, also none, and `?` is one.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut here) = (0, 0);
    // Where the last `*` stands, and up to where it reaches: only the last one can be of use once it is met.
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[here] => {
                at += 1;
                here += 1;
            }
            _ => {
                let Some((stands, reaches)) = star else { return false };
                star = Some((stands, reaches + 1));
                at = stands + 1;
                here = reaches + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("web", "web" => true)]
    #[test_case("web", "web-1" => false)]
    #[test_case("web*", "web" => true ; "nothing")]
    #[test_case("*-hvm", "us-east-1-hvm" => true)]
    #[test_case("*-hvm", "us-east-1-hvm-2" => false)]
    #[test_case("us-*-1404-*", "us-east-1-1404-pv" => true)]
    #[test_case("us-*-1404-*", "us-east-1-1204-pv" => false)]
    #[test_case("*a*b*", "xxaxxab" => true ; "going back")]
    #[test_case("?-??", "a-bc" => true)]
    #[test_case("?", "" => false ; "one is not none")]
    #[test_case("*", "" => true ; "any is also none")]
    #[test_case("WEB", "web" => false ; "case")]
    fn patterns(pattern: &str, name: &str) -> bool {
        fits(pattern, name)
    }

    #[test]
    fn what_is_excepted_is_not_taken_whatever_only_says() {
        let list = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let selection = Selection { only: list(&["a*", "b"]), except: list(&["*2"]) };
        let taken: Vec<&str> =
            ["a1", "a2", "b", "c"].into_iter().filter(|name| selection.takes(name)).collect();
        assert_eq!(taken, ["a1", "b"]);
        assert_eq!(selection.useless(&list(&["a1", "a2"])), Some(("--only", "b")));
        assert_eq!(selection.useless(&list(&["a1", "b2"])), Some(("--only", "b")));
        assert_eq!(selection.useless(&list(&["a2", "b"])), None);
    }
}
