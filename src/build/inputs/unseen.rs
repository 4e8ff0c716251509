//! What steps may fetch without saying it: scripts, playbooks.
use super::{Unknowable, place};
use crate::plan::{Step, StepKind};

/// Words of scripts that bring something from elsewhere, and what makes that known. Where several fit, the first counts.
const WORDS: &[(&[&str], Option<&str>)] = &[
    (
        &["kubeadm config images pull", "kubeadm config images list"],
        Some("name the images in the role's `kubernetes-images`: those are listed"),
    ),
    (&["snap install", "snap refresh"], Some("take a package or an archive instead of the snap")),
    (
        &["curl", "wget", "aria2c"],
        Some("use a `download` or `archive` step, which says its address and digest"),
    ),
    (&["git clone", "git fetch", "git pull"], Some("use an `archive` step with an archive of that commit")),
    (
        &["apt-get install", "apt install", "apt-get upgrade", "apt-get dist-upgrade", "apt upgrade"],
        Some("use a `package` step"),
    ),
    (
        &[
            "dnf install",
            "dnf -y install",
            "dnf upgrade",
            "yum install",
            "yum -y install",
            "yum update",
            "zypper install",
        ],
        Some("use a `package` step"),
    ),
    (
        &["ctr images pull", "ctr image pull", "crictl pull", "docker pull", "podman pull", "nerdctl pull"],
        Some("use an `image` step"),
    ),
    (
        &[
            "pip install",
            "pip3 install",
            "pip download",
            "gem install",
            "npm install",
            "go install",
            "cargo install",
        ],
        None,
    ),
    (&["subscription-manager register", "subscription-manager attach"], None),
    (&["aws s3 cp", "aws s3 sync", "aws ecr get-login-password", "gsutil cp", "az storage"], None),
];

/// Adds what `step`, the one with this index, may fetch.
pub(super) fn collect(unknowable: &mut Vec<Unknowable>, index: usize, step: &Step) {
    let (what, hint) = match &step.kind {
        StepKind::Shell(shell) => match fetching(&shell.script) {
            Some((word, hint)) => (format!("what the script fetches by itself: it runs `{word}`"), hint),
            None => return,
        },
        StepKind::Ansible(ansible) => {
            (format!("what the playbook `{}` fetches by itself", ansible.playbook.display()), None)
        }
        _ => return,
    };
    let (needed_by, hint) = (place(index, step), hint.map(str::to_owned));
    unknowable.push(Unknowable { what, needed_by, hint });
}

/// The first command of a script that brings something from elsewhere. A script can hide it; what is found is a help, not a proof.
fn fetching(script: &str) -> Option<(&'static str, Option<&'static str>)> {
    let lines: Vec<String> = script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        // Asking whether a program is there runs it not.
        .filter(|line| !line.contains("command -v"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    WORDS.iter().find_map(|(words, hint)| {
        let word = words.iter().find(|word| lines.iter().any(|line| has(line, word)))?;
        Some((*word, *hint))
    })
}

/// Whether `words` are in `line` as words of their own.
fn has(line: &str, words: &str) -> bool {
    let within = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    line.match_indices(words).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + words.len()..]);
        !before.ends_with(within) && !after.starts_with(within)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("curl -fsSL https://example.org/x | sh", Some("curl"))]
    #[test_case("a && /usr/bin/wget x", Some("wget"))]
    #[test_case("snap   install core", Some("snap install"); "blanks")]
    #[test_case("/usr/bin/kubeadm config images pull --config x", Some("kubeadm config images pull"))]
    #[test_case("# curl x\necho done", None; "a comment")]
    #[test_case("rm -f /etc/curl.conf libcurl4", None; "other words")]
    #[test_case("command -v curl >/dev/null", None; "a question")]
    #[test_case("systemctl stop x", None)]
    fn scripts_that_fetch_are_recognised(script: &str, word: Option<&str>) {
        assert_eq!(fetching(script).map(|(word, _)| word), word);
    }
}
