//! Retention: which old AMIs may go, why the others stay, and their removal.
use super::{find::Image, life::is_protected, usage::Usage};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, BUILD, Kind, resource},
    cx::{Cx, Undo, causes},
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// An AMI with this tag is kept, unless its value is `false`.
const KEEP: &str = "goldsmith:keep";

/// Major and minor number of a version.
type Minor = (u64, u64);

/// What the user wants to keep.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// AMIs of these names are meant; `*` and `?` stand for any characters. Each pattern has its own newest ones. None means all.
    pub names: Vec<String>,
    /// And with tags of these values, in which `*` and `?` work as well.
    pub tags: BTreeMap<String, String>,
    /// So many of the newest of each pattern and architecture stay.
    pub keep: Option<usize>,
    /// The tag with a version, and how many of its newest minor versions stay; `keep` then counts in each of them.
    pub minors: Option<(String, usize)>,
    /// What is younger stays.
    pub older_than: Duration,
    /// AMIs without our tag may go, too.
    pub not_ours: bool,
}

/// What is to become of an AMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It stays.
    Keep,
    /// It may go.
    Remove,
}

/// An AMI with its fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judged {
    /// Which.
    #[serde(flatten)]
    pub ami: Image,
    /// Its fate.
    pub fate: Fate,
    /// Why.
    pub why: String,
    /// Its snapshots that other AMIs use, and that stay.
    pub shared_snapshots: Vec<String>,
}

/// Judges `all` AMIs of an account in one region: only those that the rules are about are in the result. Pure, so that what is shown is
/// what is done.
pub fn judge(all: &[Image], used: &Usage, rules: &Rules, now: Timestamp) -> Vec<Judged> {
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for snapshot in all.iter().flat_map(|ami| &ami.snapshots) {
        *owners.entry(snapshot).or_default() += 1;
    }
    let mut meant: Vec<(usize, &Image)> =
        all.iter().filter_map(|ami| Some((rules.pattern(ami)?, ami))).collect();
    meant.sort_by(|(_, a), (_, b)| (b.created, &b.name, &b.id).cmp(&(a.created, &a.name, &a.id)));
    let minors = rules.newest_minors(&meant);
    let mut counted: BTreeMap<(usize, String, Option<Minor>), usize> = BTreeMap::new();
    let mut judged: Vec<Judged> = meant
        .into_iter()
        .map(|(pattern, ami)| {
            let stays = rules.stays(ami, used, now).or_else(|| {
                let minor = rules.minor(ami);
                if let (Some((tag, _)), None) = (&rules.minors, minor) {
                    return Some(format!("its tag `{tag}` tells no version"));
                }
                if minor.is_some_and(|minor| !minors.contains(&minor)) {
                    return None;
                }
                let group = (pattern, ami.arch().unwrap_or_default().to_owned(), minor);
                let count = counted.entry(group).or_default();
                *count += 1;
                match rules.keep {
                    Some(keep) if *count > keep => None,
                    Some(keep) => Some(format!("number {count} of the {keep} newest")),
                    None => Some("its version is among the newest".to_owned()),
                }
            });
            let (fate, why) = match stays {
                Some(why) => (Fate::Keep, why),
                None => (Fate::Remove, rules.reason(ami, &minors)),
            };
            let shared = ami.snapshots.iter().filter(|id| owners.get(id.as_str()).is_some_and(|n| *n > 1));
            Judged { ami: ami.clone(), fate, why, shared_snapshots: shared.cloned().collect() }
        })
        .collect();
    judged.sort_by(|a, b| (&a.ami.name, &a.ami.id).cmp(&(&b.ami.name, &b.ami.id)));
    judged
}

impl Rules {
    /// Number of the first pattern that the image fits; `None` when the rules are not about it.
    fn pattern(&self, ami: &Image) -> Option<usize> {
        let tagged = self
            .tags
            .iter()
            .all(|(key, pattern)| ami.tags.get(key).is_some_and(|value| fits(pattern, value)));
        if !tagged || ami.state == "deregistered" {
            return None;
        }
        if self.names.is_empty() { Some(0) } else { self.names.iter().position(|name| fits(name, &ami.name)) }
    }

    /// Why an image stays whatever its place among the others. Such ones do not count among the newest.
    fn stays(&self, ami: &Image, used: &Usage, now: Timestamp) -> Option<String> {
        if !self.not_ours && !ami.tags.contains_key(BUILD) {
            return Some("goldsmith did not make it".to_owned());
        }
        if ami.state == "pending" {
            return Some("it is being made".to_owned());
        }
        if ami.tags.get(KEEP).is_some_and(|value| value != "false") {
            return Some(format!("it has the tag `{KEEP}`"));
        }
        if is_protected(ami.protection.as_deref()) {
            return Some("it is protected from deregistration".to_owned());
        }
        if let Some(who) = used.of(&ami.id) {
            return Some(format!("{who} uses it"));
        }
        let age = ami.created.map(|created| now.duration_since(created));
        match age {
            None => Some("its age is not known".to_owned()),
            Some(age) if age.as_secs() < i64::try_from(self.older_than.as_secs()).unwrap_or(i64::MAX) => {
                Some("it is too young".to_owned())
            }
            Some(_) => None,
        }
    }

    fn minor(&self, ami: &Image) -> Option<Minor> {
        let (tag, _) = self.minors.as_ref()?;
        let text = ami.tags.get(tag)?;
        let text = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    fn newest_minors(&self, meant: &[(usize, &Image)]) -> BTreeSet<Minor> {
        let Some((_, keep)) = &self.minors else { return BTreeSet::new() };
        let all: BTreeSet<Minor> = meant.iter().filter_map(|(_, ami)| self.minor(ami)).collect();
        all.into_iter().rev().take(*keep).collect()
    }

    fn reason(&self, ami: &Image, minors: &BTreeSet<Minor>) -> String {
        match (self.minor(ami), self.keep) {
            (Some((major, minor)), _) if !minors.contains(&(major, minor)) => {
                format!("version {major}.{minor} is not among the {} newest", minors.len())
            }
            (_, Some(keep)) => format!("not among the {keep} newest"),
            (_, None) => "nothing keeps it".to_owned(),
        }
    }
}

/// Whether `text` is as `pattern` says, in which `*` stands for any characters and `?` for one.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and what it was tried with.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// What became of an AMI that was to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retired {
    /// Where.
    pub region: String,
    /// Which.
    pub ami: String,
    /// It is deregistered.
    pub removed: bool,
    /// The snapshots that went with it.
    pub snapshots: Vec<String>,
    /// Why not all of it went, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error: Vec<String>,
}

/// Deregisters the AMI of the session's region that `judged` lets go, and deletes the snapshots that nobody else uses.
pub async fn retire(cx: &Cx, aws: &Aws, judged: &Judged) -> Result<Retired, AwsError> {
    let ami = &judged.ami;
    let mut retired = Retired {
        region: aws.region().to_owned(),
        ami: ami.id.clone(),
        removed: false,
        snapshots: Vec::new(),
        error: Vec::new(),
    };
    cx.check()?;
    let own: Vec<&String> = ami.snapshots.iter().filter(|id| !judged.shared_snapshots.contains(id)).collect();
    // Snapshots cannot go before their image, and when we die between the two, nothing would name them any more.
    let mut plans = Vec::new();
    for id in &own {
        plans.push(cx.undo().plan(Undo::Resource(resource(aws, Kind::Snapshot, id.as_str())))?);
    }
    let gone = aws.ec2().deregister_image().image_id(&ami.id).send().await;
    let gone = gone.map(drop).map_err(|error| {
        AwsError::of(format!("deregister `{}` in {}", ami.id, aws.region()), "DeregisterImage", error)
    });
    match gone {
        Err(error) if error.kind() != AwsErrorKind::NotFound => {
            for plan in plans {
                cx.undo().keep(plan)?;
            }
            retired.error = causes(&error);
            return Ok(retired);
        }
        _ => retired.removed = true,
    }
    for (id, plan) in own.into_iter().zip(plans) {
        let deleted = aws.ec2().delete_snapshot().snapshot_id(id).send().await;
        let deleted = deleted.map(drop).map_err(|error| {
            let attempt = format!("delete the snapshot `{id}` of `{}` in {}", ami.id, aws.region());
            AwsError::of(attempt, "DeleteSnapshot", error)
        });
        match deleted {
            Err(error) if error.kind() != AwsErrorKind::NotFound => {
                // Somebody else's now: an image that was made of it meanwhile, perhaps in another account.
                if error.code() == Some("InvalidSnapshot.InUse") {
                    cx.undo().keep(plan)?;
                }
                retired.error = causes(&error);
            }
            _ => {
                cx.undo().keep(plan)?;
                retired.snapshots.push(id.clone());
            }
        }
    }
    Ok(retired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-07-31T00:00:00Z".parse().unwrap()
    }

    fn ami(id: &str, name: &str, day: u8) -> Image {
        Image {
            id: id.into(),
            name: name.into(),
            state: "available".into(),
            created: Some(format!("2026-07-{day:02}T00:00:00Z").parse().unwrap()),
            architecture: Some("x86_64".into()),
            snapshots: vec![format!("snap-{id}")],
            tags: BTreeMap::from([(BUILD.to_owned(), "b".to_owned())]),
            ..Image::default()
        }
    }

    fn removed(all: &[Image], used: &Usage, rules: &Rules) -> Vec<String> {
        let judged = judge(all, used, rules, now());
        judged.into_iter().filter(|one| one.fate == Fate::Remove).map(|one| one.ami.id).collect()
    }

    #[test]
    fn the_newest_of_each_pattern_and_architecture_stay() {
        let mut all: Vec<Image> =
            (1..=5).map(|day| ami(&format!("w{day}"), &format!("web-{day}"), day)).collect();
        all.push(Image { architecture: Some("arm64".into()), ..ami("arm", "web-arm", 1) });
        all.push(ami("db", "db-1", 1));
        let rules = Rules { names: vec!["web-*".into()], keep: Some(2), ..Rules::default() };
        assert_eq!(removed(&all, &Usage::default(), &rules), ["w1", "w2", "w3"]);
        let both = Rules { names: vec!["web-*".into(), "db-*".into()], keep: Some(0), ..Rules::default() };
        assert_eq!(removed(&all, &Usage::default(), &both).len(), 7);
    }

    #[test]
    fn what_is_used_protected_marked_young_strange_or_unfinished_stays() {
        let mut used = Usage::default();
        used.add("used", "the instance i-1");
        let tagged = |id: &str, key: &str, value: &str| {
            let mut one = ami(id, id, 1);
            one.tags.insert(key.into(), value.into());
            one
        };
        let all = [
            ami("used", "used", 1),
            Image { protection: Some("enabled-without-cooldown".into()), ..ami("safe", "safe", 1) },
            Image { protection: Some("disabled".into()), ..ami("gone1", "gone1", 1) },
            tagged("marked", KEEP, "true"),
            tagged("gone2", KEEP, "false"),
            ami("young", "young", 30),
            Image { created: None, ..ami("ageless", "ageless", 1) },
            Image { tags: BTreeMap::new(), ..ami("strange", "strange", 1) },
            Image { state: "pending".into(), ..ami("pending", "pending", 1) },
        ];
        let week = Duration::from_secs(7 * 86_400);
        let rules = Rules { keep: Some(0), older_than: week, ..Rules::default() };
        assert_eq!(removed(&all, &used, &rules), ["gone1", "gone2"]);
        let why: BTreeMap<String, String> =
            judge(&all, &used, &rules, now()).into_iter().map(|one| (one.ami.id, one.why)).collect();
        assert_eq!(why["used"], "the instance i-1 uses it");
        assert_eq!(why["strange"], "goldsmith did not make it");
        let all_of_them = Rules { not_ours: true, ..rules };
        assert!(removed(&all, &used, &all_of_them).contains(&"strange".to_owned()));
    }

    #[test]
    fn housekeeping_as_capas_keeps_the_newest_minors() {
        let of = |id: &str, version: &str, day| {
            let mut one = ami(id, &format!("capa-ami-ubuntu-24.04-{version}"), day);
            one.tags.insert("kubernetes_version".into(), version.into());
            one
        };
        let all = [
            of("a", "v1.33.1", 20),
            of("b", "v1.33.0", 10),
            of("c", "v1.32.9", 21),
            of("d", "v1.31.14", 5),
            of("e", "v1.30.2", 22),
            of("f", "v1.9.1", 23),
            of("odd", "latest", 1),
        ];
        let rules = Rules { minors: Some(("kubernetes_version".into(), 3)), ..Rules::default() };
        assert_eq!(removed(&all, &Usage::default(), &rules), ["e", "f"]);
        let one_each = Rules { keep: Some(1), ..rules };
        assert_eq!(removed(&all, &Usage::default(), &one_each), ["e", "b", "f"]);
        // The way of its script: a substring of the tag.
        let tag = BTreeMap::from([("kubernetes_version".to_owned(), "*1.30*".to_owned())]);
        let rules = Rules { tags: tag, keep: Some(0), ..Rules::default() };
        assert_eq!(removed(&all, &Usage::default(), &rules), ["e"]);
    }

    #[test]
    fn snapshots_of_two_images_are_named_and_patterns_fit_as_in_a_shell() {
        let twin =
            |id: &str| Image { snapshots: vec!["snap-both".into(), format!("snap-{id}")], ..ami(id, id, 1) };
        let judged = judge(&[twin("a"), twin("b")], &Usage::default(), &Rules::default(), now());
        assert_eq!(judged[0].shared_snapshots, ["snap-both"]);
        for (pattern, text, yes) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("*24.04*", "capa-ubuntu-24.04-v1", true),
            ("", "a", false),
            ("a**b*c", "a-b-b-c", true),
        ] {
            assert_eq!(fits(pattern, text), yes, "{pattern} {text}");
        }
    }
}
