//! The files of a guest that tell its package manager where packages come from, as steps change them. Pure: nobody is asked.
use super::steps::repository::{APT, MARK, YUM, apt_content, apt_key, rpm_content};
use crate::plan::{Content, RepositoryStep, Step, StepKind};
use std::collections::BTreeMap;

/// Folders with files of keys.
const KEYS: &[&str] = &["/etc/apt/keyrings/", "/etc/apt/trusted.gpg.d/", "/usr/share/keyrings/"];

/// What files about archives and repositories hold, by their paths in the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryFiles {
    /// Which repositories of RPMs there are.
    pub repos: BTreeMap<String, Content>,
    /// Which archives there are for apt.
    pub sources: BTreeMap<String, Content>,
    /// What they are signed with.
    pub keys: BTreeMap<String, Content>,
    /// What was turned off.
    off: BTreeMap<String, Content>,
}

impl RepositoryFiles {
    /// Those of a guest after `step`.
    pub fn apply(&mut self, step: &Step) {
        match &step.kind {
            StepKind::File(file) => self.put(&file.dest, &file.content),
            StepKind::Repository(repository) => self.repository(repository),
            _ => {}
        }
    }

    /// A path at which a file of keys is looked for.
    pub fn is_key(path: &str) -> bool {
        KEYS.iter().any(|folder| path.starts_with(folder))
    }

    fn put(&mut self, path: &str, content: &Content) {
        // Other names are left alone by those who read the folders.
        let is_in = |folder: &str, ends: &[&str]| {
            let name = path.strip_prefix(folder).and_then(|name| name.strip_prefix('/'));
            name.is_some_and(|name| ends.iter().any(|end| name.ends_with(end)))
        };
        let (in_folder, is_repo) = (is_in(APT, &[".list", ".sources"]), is_in(YUM, &[".repo"]));
        if is_repo {
            self.repos.insert(path.to_owned(), content.clone());
        } else if in_folder || path == "/etc/apt/sources.list" {
            self.sources.insert(path.to_owned(), content.clone());
        } else if Self::is_key(path) {
            self.keys.insert(path.to_owned(), content.clone());
        }
    }

    fn repository(&mut self, step: &RepositoryStep) {
        match step {
            RepositoryStep::Apt(apt) => {
                if let Some(key) = &apt.key {
                    self.keys.insert(apt_key(apt), key.clone());
                }
                self.put(&format!("{APT}/{}.sources", apt.name), &Content::Text(apt_content(apt)));
            }
            RepositoryStep::Rpm(rpm) => {
                self.put(&format!("{YUM}/{}.repo", rpm.name), &Content::Text(rpm_content(rpm)));
            }
            RepositoryStep::File { content, name, dest } => {
                let name = name.rsplit('/').next().unwrap_or_default();
                let is_repo = name.rsplit_once('.').is_some_and(|(_, end)| end == "repo");
                let folder = if is_repo { YUM } else { APT };
                self.put(&dest.clone().unwrap_or_else(|| format!("{folder}/{name}")), content);
            }
            RepositoryStep::Absent { name } => {
                self.sources.remove(&format!("{APT}/{name}.sources"));
                self.sources.remove(&format!("{APT}/{name}.list"));
                self.repos.remove(&format!("{YUM}/{name}.repo"));
            }
            RepositoryStep::Public { state } if state == "disabled" => {
                let is_own = |content: &Content| match content {
                    Content::Text(text) => text.lines().next() == Some(MARK),
                    Content::Path(_) => false,
                };
                for files in [&mut self.sources, &mut self.repos] {
                    let (own, off): (BTreeMap<_, _>, BTreeMap<_, _>) =
                        std::mem::take(files).into_iter().partition(|(_, content)| is_own(content));
                    *files = own;
                    self.off.extend(off);
                }
            }
            RepositoryStep::Public { .. } => {
                for (path, content) in std::mem::take(&mut self.off) {
                    let files = if path.starts_with(YUM) { &mut self.repos } else { &mut self.sources };
                    files.entry(path).or_insert(content);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{AptRepository, FileStep},
        provision::tests::step,
    };

    fn repository(step: RepositoryStep) -> Step {
        super::super::tests::step("repository", StepKind::Repository(step))
    }

    fn paths(files: &RepositoryFiles) -> Vec<&str> {
        files.sources.keys().map(String::as_str).collect()
    }

    #[test]
    fn files_about_archives_come_and_go_with_the_steps() {
        let mut files = RepositoryFiles::default();
        let text = |text: &str| Content::Text(text.to_owned());
        files.sources.insert(format!("{APT}/debian.sources"), text("Types: deb\n"));
        let own = AptRepository {
            name: "own".into(),
            uris: vec!["https://example.org/apt".into()],
            suites: vec!["/".into()],
            components: vec![],
            types: vec!["deb".into()],
            options: BTreeMap::new(),
            key: Some(text("KEY")),
            enabled: true,
        };
        files.apply(&repository(RepositoryStep::Apt(own)));
        assert_eq!(files.keys["/etc/apt/keyrings/own.asc"], text("KEY"));
        files.apply(&repository(RepositoryStep::Public { state: "disabled".into() }));
        assert_eq!(paths(&files), ["/etc/apt/sources.list.d/own.sources"]);
        files.apply(&repository(RepositoryStep::Public { state: "enabled".into() }));
        files.apply(&repository(RepositoryStep::Absent { name: "own".into() }));
        assert_eq!(paths(&files), ["/etc/apt/sources.list.d/debian.sources"]);
        for name in ["a.repo", "b.sources"] {
            files.apply(&repository(RepositoryStep::File {
                content: text(""),
                name: name.into(),
                dest: None,
            }));
        }
        assert_eq!(files.repos.keys().collect::<Vec<_>>(), ["/etc/yum.repos.d/a.repo"]);
        files.apply(&repository(RepositoryStep::Absent { name: "b".into() }));
        for dest in ["/etc/apt/sources.list", "/etc/apt/sources.list.d/x.list.old", "/etc/motd"] {
            let root = || "root".to_owned();
            let file =
                FileStep { dest: dest.into(), content: text(""), mode: 0o644, owner: root(), group: root() };
            files.apply(&step("file", StepKind::File(file)));
        }
        assert_eq!(paths(&files), ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"]);
    }
}
