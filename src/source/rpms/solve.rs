//! Which packages come along: everything that what is asked for needs, from all that there is. Nobody knows what the guest has already,
//! and of several that would do, all are taken: it may be more than dnf takes, but never less.
use super::metadata::{Capability, Flag, Package};
use super::version::Evr;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

/// A package by its place, and the version in which it provides something.
type Provider<'a> = (usize, Option<&'a (Flag, Evr)>);

/// All packages of some repositories, by what they provide.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    packages: &'a [(usize, Package)],
    by_name: BTreeMap<&'a str, Vec<usize>>,
    providers: BTreeMap<&'a str, Vec<Provider<'a>>>,
}

/// What comes along.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Closure {
    /// Packages, by their place.
    pub(super) packages: BTreeSet<usize>,
    /// What was asked for and is nowhere.
    pub(super) missing: Vec<String>,
    /// What packages need and is nowhere: the guest has it, or nobody does.
    pub(super) outside: BTreeSet<String>,
}

impl<'a> Pool<'a> {
    /// Those of the packages that run on `arch`. Each comes with the number of its repository.
    pub(super) fn new(packages: &'a [(usize, Package)], arch: &str) -> Self {
        let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut providers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (at, (_, package)) in packages.iter().enumerate() {
            if package.arch != arch && package.arch != "noarch" {
                continue;
            }
            by_name.entry(package.name.as_str()).or_default().push(at);
            for provided in &package.provides {
                providers.entry(provided.name.as_str()).or_default().push((at, provided.version.as_ref()));
            }
            for file in &package.files {
                providers.entry(file.as_str()).or_default().push((at, None));
            }
        }
        Self { packages, by_name, providers }
    }

    /// What `wanted` (names, `name=version`, files; no groups) is, with all that it needs, and what that recommends if so wanted.
    pub(super) fn closure(&self, wanted: &[String], recommends: bool) -> Closure {
        let mut closure = Closure::default();
        let mut queue = VecDeque::new();
        for name in wanted {
            let found = self.named(name);
            if found.is_empty() {
                closure.missing.push(name.clone());
            }
            queue.extend(found);
        }
        self.follow(queue, recommends, &mut closure);
        closure
    }

    /// All packages in their newest versions, which an upgrade may take.
    pub(super) fn newest(&self) -> BTreeSet<usize> {
        self.by_name.values().filter_map(|all| self.best(all.iter().copied())).collect()
    }

    fn follow(&self, mut queue: VecDeque<usize>, recommends: bool, closure: &mut Closure) {
        while let Some(at) = queue.pop_front() {
            if !closure.packages.insert(at) {
                continue;
            }
            let Some((_, package)) = self.packages.get(at) else { continue };
            let wishes = if recommends { package.recommends.as_slice() } else { &[] };
            for (needs, strictly) in [(package.requires.as_slice(), true), (wishes, false)] {
                for need in
                    needs.iter().flat_map(|need| need.names().into_iter().map(move |name| (name, need)))
                {
                    let (name, whole) = need;
                    // rpm itself provides what it can do.
                    if name.name.starts_with("rpmlib(") {
                        continue;
                    }
                    let found = self.providing(&name);
                    // A part of a rich dependency need not be there.
                    if found.is_empty() && strictly && whole.name == name.name {
                        closure.outside.insert(name.name.clone());
                    }
                    queue.extend(found);
                }
            }
        }
    }

    /// The newest package of each name that provides `need`.
    fn providing(&self, need: &Capability) -> Vec<usize> {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, version) in self.providers.get(need.name.as_str()).into_iter().flatten() {
            if let Some((_, package)) = self.packages.get(*at).filter(|_| need.accepts(*version)) {
                by_name.entry(&package.name).or_default().push(*at);
            }
        }
        by_name.into_values().filter_map(|all| self.best(all.into_iter())).collect()
    }

    /// What is meant by a name as a step has it.
    fn named(&self, wanted: &str) -> Vec<usize> {
        if let Some((name, version)) = wanted.split_once('=') {
            let all = self.by_name.get(name).into_iter().flatten().copied();
            return self.best(all.filter(|at| self.has_version(*at, version))).into_iter().collect();
        }
        if let Some(all) = self.by_name.get(wanted) {
            return self.best(all.iter().copied()).into_iter().collect();
        }
        if wanted.contains('*') {
            let fits = |name: &&str| fits(wanted, name);
            let names = self.by_name.keys().copied().filter(fits);
            return names.filter_map(|name| self.best(self.by_name[name].iter().copied())).collect();
        }
        let found = self.providing(&Capability { name: wanted.to_owned(), version: None });
        if !found.is_empty() {
            return found;
        }
        // `name-version` or `name-version-release`, as dnf takes them.
        let parts = wanted.match_indices('-').map(|(at, _)| (&wanted[..at], &wanted[at + 1..]));
        parts
            .filter_map(|(name, version)| {
                let all = self.by_name.get(name)?.iter().copied();
                self.best(all.filter(|at| self.has_version(*at, version)))
            })
            .collect()
    }

    fn has_version(&self, at: usize, wanted: &str) -> bool {
        let Some((_, package)) = self.packages.get(at) else { return false };
        let Evr { epoch, version, release } = &package.evr;
        let whole = format!("{version}-{}", release.as_deref().unwrap_or_default());
        [version.clone(), whole.clone(), format!("{epoch}:{version}"), format!("{epoch}:{whole}")]
            .iter()
            .any(|form| fits(wanted, form))
    }

    fn best(&self, all: impl Iterator<Item = usize>) -> Option<usize> {
        let evr = |at: &usize| self.packages.get(*at).map(|(_, package)| &package.evr);
        all.max_by(|one, two| match (evr(one), evr(two)) {
            (Some(one), Some(two)) => one.compare(two),
            _ => Ordering::Equal,
        })
    }
}

/// Whether `text` fits `pattern`, in which only `*` is special.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn capability(text: &str) -> Capability {
        match text.split_once(" >= ") {
            Some((name, version)) => {
                Capability { name: name.into(), version: Some((Flag::GreaterOrEqual, Evr::parse(version))) }
            }
            None => Capability { name: text.into(), version: None },
        }
    }

    fn package(nevra: (&str, &str, &str), requires: &[&str], provides: &[&str]) -> (usize, Package) {
        let (name, evr, arch) = nevra;
        let own = Capability { name: name.into(), version: Some((Flag::Equal, Evr::parse(evr))) };
        let provides = provides.iter().map(|text| capability(text)).chain([own]).collect();
        let package = Package {
            name: name.into(),
            arch: arch.into(),
            evr: Evr::parse(evr),
            href: format!("{name}-{evr}.rpm"),
            digest: None,
            bytes: None,
            provides,
            requires: requires.iter().map(|text| capability(text)).collect(),
            recommends: vec![],
            files: if name == "bash" { vec!["/bin/sh".into()] } else { vec![] },
        };
        (0, package)
    }

    fn found(packages: &[(usize, Package)], wanted: &[&str]) -> (Vec<String>, Closure) {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let closure = Pool::new(packages, "x86_64").closure(&wanted, true);
        (closure.packages.iter().map(|at| packages[*at].1.href.clone()).collect(), closure)
    }

    #[test]
    fn what_is_needed_comes_along_in_its_newest_version() {
        let packages = [
            package(("tool", "1-1", "x86_64"), &["lib >= 2"], &[]),
            package(("tool", "2-1", "x86_64"), &["lib >= 2", "/bin/sh", "rpmlib(X)"], &[]),
            package(("tool", "3-1", "aarch64"), &[], &[]),
            package(("lib", "1-1", "x86_64"), &[], &[]),
            package(("lib", "2-1", "x86_64"), &["tool", "(a or mta)", "glibc"], &[]),
            package(("bash", "5-1", "x86_64"), &[], &[]),
            package(("postfix", "3-1", "x86_64"), &[], &["mta"]),
            package(("exim", "4-1", "noarch"), &[], &["mta"]),
        ];
        let (names, closure) = found(&packages, &["tool"]);
        // Either of the two would do, so both are there.
        assert_eq!(names, ["tool-2-1.rpm", "lib-2-1.rpm", "bash-5-1.rpm", "postfix-3-1.rpm", "exim-4-1.rpm"]);
        assert_eq!(closure.outside.into_iter().collect::<Vec<_>>(), ["glibc"]);
        assert_eq!(found(&packages, &["lib=1"]).0, ["lib-1-1.rpm"]);
        assert_eq!(found(&packages, &["ba*"]).0, ["bash-5-1.rpm"]);
        assert_eq!(found(&packages, &["exim-4"]).0, ["exim-4-1.rpm"]);
        assert_eq!(found(&packages, &["nothing"]).1.missing, ["nothing"]);
        assert_eq!(Pool::new(&packages, "x86_64").newest().len(), 5);
    }

    #[test_case("1.30.*", "1.30.7-1", true)]
    #[test_case("*", "", true)]
    #[test_case("a*b*c", "axxbyyc", true)]
    #[test_case("a*b", "ab-", false)]
    #[test_case("a", "ab", false)]
    fn stars_stand_for_anything(pattern: &str, text: &str, expected: bool) {
        assert_eq!(fits(pattern, text), expected);
    }
}
