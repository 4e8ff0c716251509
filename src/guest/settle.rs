//! Bringing a freshly booted guest to rest: cloud-init done, nobody else at the package manager.
use super::{Command, Guest, GuestError, Trouble, capture, quote_all};
use crate::{
    cx::{Cx, Look, Sight, WaitError},
    value::HumanDuration,
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

/// Jobs that take the package manager's lock by themselves. Masked at run time only: a mask that lives in memory cannot
/// end up in the image.
pub const APT_JOBS: [&str; 5] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "apt-daily.service",
    "apt-daily-upgrade.service",
    "unattended-upgrades.service",
];

/// Says in one line what cloud-init does, by its files: `cloud-init status` starts Python, which costs an emulated guest
/// seconds at every look. `cloud-init status --wait` looks at the same files.
const CLOUD_INIT: &str = "
if ! command -v cloud-init >/dev/null; then echo absent; exit 0; fi
if [ -s /run/cloud-init/result.json ]; then echo result; cat /run/cloud-init/result.json; exit 0; fi
if [ -e /run/cloud-init/disabled ]; then echo disabled; exit 0; fi
if [ -s /run/cloud-init/status.json ]; then echo running; cat /run/cloud-init/status.json; exit 0; fi
if [ -e /run/cloud-init/enabled ]; then echo running; exit 0; fi
echo idle
";

/// Holders of the locks of apt and dpkg, one a line: `lock pid unit name`. These are POSIX locks, so /proc/locks has them, by
/// the number of the inode; that the same file is meant is seen from what the holder has open.
const LOCKS: &str = r#"
stat -c '%i %n' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock \
  2>/dev/null | while read -r i f; do
  while read -r _ kind _ _ pid where _; do
    case $kind:$where in POSIX:*:"$i"|OFDLCK:*:"$i") ;; *) continue;; esac
    if [ -d "/proc/$pid/fd" ]; then
      same=
      for d in "/proc/$pid/fd"/*; do if [ "$d" -ef "$f" ]; then same=yes; break; fi; done
      [ "$same" ] || continue
    fi
    n=; read -r n 2>/dev/null <"/proc/$pid/comm" || true
    u=
    while IFS=: read -r _ _ c; do case $c in *.service) u=${c##*/};; esac; done 2>/dev/null <"/proc/$pid/cgroup" || true
    echo "$f $pid ${u:--} ${n:-?}"
  done </proc/locks
done
"#;

#[derive(Debug, Deserialize)]
struct CloudInit {
    v1: BTreeMap<String, serde_json::Value>,
}

impl CloudInit {
    fn stage(&self) -> Option<&str> {
        self.v1.get("stage").and_then(|stage| stage.as_str())
    }

    fn errors(&self) -> Vec<String> {
        let errors = self.v1.get("errors").and_then(|errors| errors.as_array());
        errors.into_iter().flatten().filter_map(|error| error.as_str().map(str::to_owned)).collect()
    }
}

impl Guest {
    /// Waits until cloud-init has done its work, if the guest has it. Its errors become a warning, since the login works
    /// and images exist whose cloud-init always complains; the warning says what it complains about.
    pub async fn settle(
        &self,
        cx: &Cx,
        limit: HumanDuration,
        trouble: Trouble<'_>,
    ) -> Result<(), GuestError> {
        let look = Command::script("look at cloud-init", CLOUD_INIT).timeout(Duration::from_secs(60));
        let errors = cx
            .wait_for("cloud-init to finish", limit.get(), Duration::from_secs(2), || async {
                if let Some(trouble) = trouble() {
                    return Look::Hopeless(trouble.into());
                }
                match capture(self, cx, &look).await.and_then(|captured| captured.ok("look at cloud-init")) {
                    Ok(answer) => cloud_init(&answer),
                    Err(error) => Look::Hopeless(Box::new(error)),
                }
            })
            .await
            .map_err(unsettled)?;
        if !errors.is_empty() {
            let long = Command::script("cloud-init status", "cloud-init status --long");
            // Exit code 1 or 2 says that there are errors, which is why we ask.
            let status = capture(self, cx, &long).await?;
            for line in status.stdout.lines().chain(status.stderr.lines()) {
                cx.emit(crate::cx::Event::Output {
                    source: "cloud-init".into(),
                    stream: crate::cx::Stream::Stdout,
                    line: line.to_owned(),
                });
            }
            cx.events().warn(
                format!(
                    "cloud-init in the guest reports errors: {}",
                    cx.redactor().redact(&errors.join("; "))
                ),
                Some(
                    "see /var/log/cloud-init.log in the guest; the build goes on because the login works"
                        .into(),
                ),
            );
        }
        Ok(())
    }

    /// Stops the guest's own package jobs until the next boot and waits until nobody holds the package manager's locks.
    /// Nothing to do where there is no apt.
    pub async fn quiesce(
        &self,
        cx: &Cx,
        limit: HumanDuration,
        trouble: Trouble<'_>,
    ) -> Result<(), GuestError> {
        let mask = Command::script(
            "stop apt's timers",
            format!(
                "if command -v apt-get >/dev/null && [ -d /run/systemd/system ]; then\n\
                   systemctl mask --runtime --now {} 2>&1 || true\nfi",
                quote_all(APT_JOBS)
            ),
        );
        capture(self, cx, &mask).await?.ok("stop apt's timers")?;
        self.quiet.store(true, Ordering::Relaxed);
        self.apt_is_free(cx, limit, trouble).await
    }

    /// Waits until nobody in the guest holds a lock of apt or dpkg, of which there need not be any.
    pub async fn apt_is_free(
        &self,
        cx: &Cx,
        limit: HumanDuration,
        trouble: Trouble<'_>,
    ) -> Result<(), GuestError> {
        let look = Command::script("look at apt's locks", LOCKS).timeout(Duration::from_secs(60));
        cx.wait_for("the guest's package manager to be free", limit.get(), Duration::from_secs(1), || async {
            if let Some(trouble) = trouble() {
                return Look::Hopeless(trouble.into());
            }
            match capture(self, cx, &look).await.and_then(|captured| captured.ok("look at apt's locks")) {
                Ok(held) => locks(&held),
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        })
        .await
        .map_err(|error| match error {
            WaitError::TimedOut { .. } => GuestError::Busy(error),
            other => unsettled(other),
        })
    }
}

fn unsettled(error: WaitError) -> GuestError {
    match error {
        WaitError::Cancelled(cancelled) => GuestError::Cancelled(cancelled),
        other => GuestError::Unsettled(other),
    }
}

/// Reads the answer of [`CLOUD_INIT`]; ready with cloud-init's errors.
fn cloud_init(answer: &str) -> Look<Vec<String>> {
    let (state, json) = answer.split_once('\n').unwrap_or((answer, ""));
    let parsed: Option<CloudInit> = serde_json::from_str(json).ok();
    match state.trim() {
        "absent" | "disabled" | "idle" => Look::Ready(vec![]),
        "result" => match parsed {
            Some(result) => Look::Ready(result.errors()),
            // It is written by rename, so this is a format that we do not know; it is there, so cloud-init is done.
            None => Look::Ready(vec![]),
        },
        _ => {
            let stage = parsed.as_ref().and_then(CloudInit::stage).unwrap_or("between stages");
            Look::NotYet(vec![Sight::no("cloud-init", stage)])
        }
    }
}

/// Reads the answer of [`LOCKS`].
fn locks(held: &str) -> Look<()> {
    let sights: Vec<Sight> = held
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (file, pid, unit) = (words.next()?, words.next()?, words.next()?);
            let name = words.collect::<Vec<_>>().join(" ");
            let of = if unit == "-" { String::new() } else { format!(" of {unit}") };
            Some(Sight::no(file.to_owned(), format!("held by {name}, pid {pid}{of}")))
        })
        .collect();
    if sights.is_empty() { Look::Ready(()) } else { Look::NotYet(sights) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_init_is_done_when_its_result_is_there_or_it_never_runs() {
        for done in ["absent", "disabled\n", "idle", "result\n{\"v1\":{\"datasource\":\"x\",\"errors\":[]}}"]
        {
            assert!(matches!(cloud_init(done), Look::Ready(errors) if errors.is_empty()), "{done}");
        }
        let failed = "result\n{\"v1\": {\"datasource\": null, \"errors\": [\"('locale', boom)\"]}}";
        assert!(matches!(cloud_init(failed), Look::Ready(errors) if errors == ["('locale', boom)"]));
    }

    #[test]
    fn while_it_runs_its_stage_is_shown() {
        let running = "running\n{\"v1\": {\"stage\": \"modules-config\", \"init\": {\"errors\": []}}}";
        let Look::NotYet(sights) = cloud_init(running) else { panic!("not waiting") };
        assert_eq!(Sight::line(&sights), "cloud-init ✗ (modules-config)");
        assert!(matches!(cloud_init("running\n"), Look::NotYet(_)));
    }

    #[test]
    fn a_held_lock_names_its_holder() {
        assert!(matches!(locks(""), Look::Ready(())));
        let Look::NotYet(sights) = locks("/var/lib/dpkg/lock 812 - apt-get\n/x 7 a.service my tool\n") else {
            panic!("free")
        };
        assert_eq!(
            Sight::line(&sights),
            "/var/lib/dpkg/lock ✗ (held by apt-get, pid 812) · /x ✗ (held by my tool, pid 7 of a.service)"
        );
    }

    #[test]
    fn the_lock_script_sees_a_posix_lock_of_another_process() {
        // The same script on a file of ours: /proc/locks is this kernel's.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lock");
        let holder = "import fcntl,os,sys;f=open(sys.argv[1],'w');fcntl.lockf(f,fcntl.LOCK_EX);\
                      print('held',flush=True);sys.stdin.read()";
        let mut child = std::process::Command::new("python3")
            .args(["-c", holder])
            .arg(&file)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut held = [0u8; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut held).unwrap();
        let script = LOCKS.replace("/var/lib/dpkg/lock-frontend", file.to_str().unwrap());
        let seen = || {
            let out = std::process::Command::new("sh").args(["-euc", &script]).output().unwrap();
            assert!(out.status.success(), "{out:?}");
            String::from_utf8(out.stdout).unwrap()
        };
        // With the unit between, which depends on who runs the test.
        let text = seen();
        let line = text.lines().find(|line| line.starts_with(&format!("{} {} ", file.display(), child.id())));
        assert!(line.is_some_and(|line| line.ends_with(" python3")), "{text}");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!seen().contains("python3"));
    }
}
