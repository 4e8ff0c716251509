//! The renderers, fed with a scripted build. `script` is also played live, for people who change how it looks:
//! `cargo test --lib replay -- --ignored --nocapture`, in a terminal.
use super::{draw::Draw, json, plain::Lines, terminal::Screen, track::Track};
use crate::{
    cli::{console::Verbosity, theme::Theme},
    cx::{Check, Event, Level, Record, Sight, Stream, Unit},
    value::HumanDuration,
};
use jiff::{SignedDuration, Timestamp};
use std::{fmt::Write as _, time::Duration};

const GIB: u64 = 1 << 30;

/// A build, written down: each event with the milliseconds after which it comes.
struct Script {
    name: &'static str,
    build: &'static str,
    at: i64,
    records: Vec<Record>,
}

impl Script {
    fn new(name: &'static str, build: &'static str) -> Self {
        Self { name, build, at: 0, records: Vec::new() }
    }

    fn after(&mut self, ms: i64, event: Event) -> &mut Self {
        self.at += ms;
        self.records.push(Record {
            at: start() + SignedDuration::from_millis(self.at),
            build: self.build.parse().unwrap(),
            name: self.name.to_owned(),
            event,
        });
        self
    }

    fn stage(&mut self, stage: &str, ms: i64, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.after(0, Event::StageStarted { stage: stage.to_owned() });
        let begin = self.at;
        inside(self);
        self.after(ms, Event::StageFinished { stage: stage.to_owned(), seconds: HumanDuration::seconds(0) });
        let took = duration(self.at - begin);
        if let Some(Record { event: Event::StageFinished { seconds, .. }, .. }) = self.records.last_mut() {
            *seconds = took;
        }
        self
    }

    fn output(&mut self, ms: i64, source: &str, stream: Stream, line: &str) -> &mut Self {
        self.after(ms, Event::Output { source: source.to_owned(), stream, line: line.to_owned() })
    }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_782_864_000).unwrap()
}

fn duration(ms: i64) -> HumanDuration {
    Duration::from_millis(ms.unsigned_abs()).into()
}

fn waiting(what: &str, elapsed: i64, seen: Vec<Sight>) -> Event {
    Event::Waiting {
        what: what.to_owned(),
        seen,
        elapsed: duration(elapsed),
        limit: HumanDuration::seconds(300),
    }
}

fn check(name: &str, passed: bool) -> Event {
    Event::Checked {
        subject: "qcow2 (efi)".to_owned(),
        check: Check {
            name: name.to_owned(),
            passed,
            expected: "`golden`".to_owned(),
            found: if passed { "`golden`".to_owned() } else { "`lead`".to_owned() },
        },
    }
}

/// Everything up to provisioning.
fn opening(script: &mut Script) {
    script.after(
        0,
        Event::BuildStarted {
            definition: format!("/srv/images/{}.toml", script.name).into(),
            logs: format!("/home/ada/.local/state/goldsmith/logs/{}-{}", script.name, script.build).into(),
            stages: crate::build::STAGES
                .iter()
                .filter(|stage| **stage != "install")
                .map(|stage| (*stage).to_owned())
                .collect(),
        },
    );
    script.stage("preflight", 240, |script| {
        script.after(
            60,
            Event::Message {
                level: Level::Warning,
                text: "`/dev/kvm` opens, but a test guest does not run; using QEMU's emulation".to_owned(),
                hint: Some("boot this host with nested virtualisation".to_owned()),
            },
        );
    });
    script.stage("source", 300, |script| {
        let what = "debian-12-generic-amd64.qcow2".to_owned();
        for tick in 0..=20 {
            let done = tick * GIB / 20;
            let total = Some(GIB);
            script.after(250, Event::Progress { what: what.clone(), done, total, unit: Unit::Bytes });
        }
        script.after(0, Event::ProgressFinished { what });
    });
    script.stage("seed", 20, |_| {}).stage("create", 110, |_| {}).stage("power-on", 80, |_| {});
    script.stage("connect", 400, |script| {
        let port = || Sight::yes("port", "");
        script.after(50, waiting("a login", 50, vec![port(), Sight::unknown("banner", "")]));
        script.output(900, "serial", Stream::Serial, "[    1.204211] Linux version 6.1.0-18-amd64");
        for second in 1..=14 {
            let banner = if second < 12 {
                Sight::no("banner", "refused")
            } else {
                Sight::yes("banner", "OpenSSH_9.2p1")
            };
            let login =
                if second < 12 { Sight::unknown("login", "") } else { Sight::no("login", "key refused") };
            script.after(1000, waiting("a login", second * 1000, vec![port(), banner, login]));
        }
    });
}

fn provision(script: &mut Script, fails: bool) {
    let steps = [
        "install tcpdump, jq",
        "write /etc/motd",
        "enable the service `node-exporter` and start it right now",
    ];
    let total = steps.len();
    for (index, label) in (1..).zip(steps) {
        let label = label.to_owned();
        script.after(30, Event::StepStarted { index, total, label: label.clone() });
        let begin = script.at;
        if index == 1 {
            for line in [
                "Reading package lists...",
                "Unpacking jq (1.6-2.1) ...",
                "Setting up tcpdump (4.99.3-1) ...",
            ] {
                script.output(1300, "step 1", Stream::Stdout, line);
            }
        }
        if index == 2 && fails {
            return;
        }
        script.after(700, Event::StepFinished { index, label, seconds: duration(script.at + 700 - begin) });
    }
}

fn success(name: &'static str, build: &'static str) -> Vec<Record> {
    let mut script = Script::new(name, build);
    opening(&mut script);
    script.stage("provision", 20, |script| provision(script, false));
    script.stage("seal", 3200, |_| {}).stage("shut-down", 2100, |_| {});
    script.stage("convert", 30, |script| {
        for tick in 0..=16 {
            for (what, share) in [("raw.gz", 3), ("qcow2", 4)] {
                let done = (tick * share * GIB / 8).min(8 * GIB);
                let event =
                    Event::Progress { what: what.to_owned(), done, total: Some(8 * GIB), unit: Unit::Bytes };
                script.after(200, event);
            }
        }
        for what in ["raw.gz", "qcow2"] {
            script.after(0, Event::ProgressFinished { what: what.to_owned() });
        }
    });
    script.stage("verify", 500, |script| {
        script.after(
            2000,
            waiting("a login", 2000, vec![Sight::yes("port", ""), Sight::no("banner", "refused")]),
        );
        script.after(8000, check("file `/etc/motd` has the content of step 2", true));
        script.after(40, check("package `jq` is installed", true));
    });
    script.stage("publish", 40, |script| {
        let path = format!("/srv/images/out/{name}.qcow2").into();
        let sha256 = "3f2a9c41b7d0e5a1".repeat(4);
        script.after(10, Event::Artifact { path, format: "qcow2".to_owned(), bytes: 412 << 20, sha256 });
    });
    script.after(0, Event::UndoStarted { count: 1 });
    script.after(20, Event::Undone { what: "`/work`".to_owned() });
    let seconds = duration(script.at);
    script.after(0, Event::BuildFinished { seconds });
    script.records
}

fn failure() -> Vec<Record> {
    let mut script = Script::new("web", "3f2a9c41b7d0");
    opening(&mut script);
    script.after(0, Event::StageStarted { stage: "provision".to_owned() });
    provision(&mut script, true);
    let error = "step 2 (`write /etc/motd`) failed".to_owned();
    let bundle = "/logs".into();
    script.after(
        900,
        Event::StageFailed { stage: "provision".to_owned(), seconds: duration(4800), error: error.clone() },
    );
    script.after(0, Event::UndoStarted { count: 2 });
    script.after(1200, Event::Undone { what: "libvirt domain `goldsmith-web`".to_owned() });
    script.after(
        100,
        Event::UndoFailed { what: "`/work/3f2a9c41b7d0`".to_owned(), error: "device busy".to_owned() },
    );
    script.after(0, Event::BuildFailed { stage: "provision".to_owned(), error: vec![error], bundle });
    script.records
}

/// What a terminal shows: the lasting lines as they come, and the live ones every `every` milliseconds of the script.
fn played(
    records: &[Record],
    theme: &Theme,
    width: usize,
    verbose: bool,
    names: Option<usize>,
    every: i64,
) -> String {
    let screen = Screen::new(theme.clone(), verbose, names);
    let mut text = String::new();
    let mut next = start();
    for record in records {
        while next < record.at {
            let live = screen.live(next, width, 24);
            for line in &live {
                assert!(console::measure_text_width(line) <= width, "too wide: {line}");
                let _ = writeln!(text, "    ~ {line}");
            }
            next += SignedDuration::from_millis(every);
        }
        for line in screen.take(record, width) {
            let _ = writeln!(text, "{line}");
        }
    }
    assert!(screen.live(next, width, 24).is_empty(), "nothing is live after the end");
    // Escape sequences are visible in the snapshot.
    text.replace('\u{1b}', "␛")
}

#[test]
fn a_terminal_shows_lasting_lines_above_live_ones() {
    let records = success("web", "3f2a9c41b7d0");
    let plain = Theme::new(false, true);
    insta::assert_snapshot!("terminal_80", played(&records, &plain, 80, false, None, 3000));
    insta::assert_snapshot!("terminal_120", played(&records, &plain, 120, false, None, 3000));
    insta::assert_snapshot!(
        "terminal_120_color",
        played(&records, &Theme::new(true, true), 120, false, None, 6000)
    );
    insta::assert_snapshot!(
        "terminal_80_ascii",
        played(&records, &Theme::new(false, false), 80, false, None, 6000)
    );
    insta::assert_snapshot!("terminal_80_verbose", played(&records, &plain, 80, true, None, 8000));
}

#[test]
fn a_terminal_shows_where_a_build_failed_and_what_is_cleaned_up() {
    insta::assert_snapshot!(
        "terminal_failure",
        played(&failure(), &Theme::new(false, true), 80, false, None, 1000)
            .split_once("connect  ")
            .unwrap()
            .1
    );
}

#[test]
fn several_builds_do_not_garble_each_other() {
    let records = interleaved();
    insta::assert_snapshot!(
        "terminal_two",
        played(&records, &Theme::new(false, true), 80, false, Some(4), 4000)
    );
}

fn interleaved() -> Vec<Record> {
    let mut records = success("web", "3f2a9c41b7d0");
    let late = success("base", "00112233aabb").into_iter().map(|mut record| {
        record.at += SignedDuration::from_millis(1700);
        record
    });
    records.extend(late);
    records.sort_by_key(|record| record.at);
    records
}

#[test]
fn a_small_screen_never_gets_more_live_lines_than_it_has() {
    for height in [4, 6, 10] {
        let screen = Screen::new(Theme::new(true, true), false, Some(4));
        for record in interleaved() {
            screen.take(&record, 40);
            let live = screen.live(record.at, 40, height);
            assert!(live.len() < height, "{live:#?}");
        }
    }
}

fn plain(records: &[Record], verbosity: Verbosity, named: bool) -> String {
    let mut lines = Lines::new(Theme::new(false, true), verbosity, named);
    records.iter().flat_map(|record| lines.take(record)).collect::<Vec<_>>().join("\n")
}

#[test]
fn plain_lines_tell_the_same_without_a_terminal() {
    let records = success("web", "3f2a9c41b7d0");
    insta::assert_snapshot!("plain", plain(&records, Verbosity::Normal, false));
    insta::assert_snapshot!("plain_verbose", plain(&records, Verbosity::Verbose, false));
    insta::assert_snapshot!("plain_two", plain(&interleaved(), Verbosity::Normal, true));
    insta::assert_snapshot!("plain_failure", plain(&failure(), Verbosity::Normal, false));
}

#[test]
fn quiet_lines_are_warnings_only() {
    insta::assert_snapshot!("plain_quiet", plain(&success("web", "3f2a9c41b7d0"), Verbosity::Quiet, false));
}

#[test]
fn a_failed_check_is_shown_with_what_was_found() {
    let mut script = Script::new("web", "3f2a9c41b7d0");
    script.after(0, Event::StageStarted { stage: "verify".to_owned() });
    script
        .after(10, check("package `jq` is installed", true))
        .after(10, check("file `/etc/motd` is right", false));
    let theme = Theme::new(false, true);
    let draw = Draw { theme: &theme, width: 80, names: None, verbose: false };
    let mut track = Track::new("web");
    let mut lines = Vec::new();
    for record in &script.records {
        let ended = track.apply(record);
        lines.extend(draw.lasting(&track, record, ended.as_ref()));
    }
    assert_eq!(
        lines,
        ["  ✗ qcow2 (efi): file `/etc/motd` is right", "      expected `golden`", "      found    `lead`"]
    );
    let live = draw.live(&track, start() + SignedDuration::from_secs(2), 9);
    assert!(live[0].ends_with("1 check, 1 failed"), "{live:?}");
    insta::assert_snapshot!("plain_check", plain(&script.records, Verbosity::Normal, false));
}

#[test]
fn json_lines_are_records_one_a_line() {
    let records = failure();
    let lines: Vec<String> = records.iter().filter_map(json::line).collect();
    assert_eq!(lines.len(), records.len());
    assert!(lines.iter().all(|line| !line.contains('\n')));
    let kinds: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("waiting") || line.contains("build-") || line.contains("undo"))
        .collect();
    let few: Vec<&str> = [0, 1, kinds.len() - 3, kinds.len() - 1].map(|index| kinds[index].as_str()).to_vec();
    insta::assert_snapshot!("json", few.join("\n"));
}

/// Plays the script in real time on this terminal; for people who change how it looks.
#[test]
#[ignore = "for people to look at"]
fn replay_live() {
    use super::{Show, Terminal};
    use crate::{cli::console::Console, cx::Sink};
    use clap::Parser;
    let two = std::env::var_os("TWO").is_some();
    let cli = crate::cli::args::Cli::parse_from(["goldsmith", "schema"]);
    let terminal = Terminal::new(&Console::new(&cli.global), two.then_some(4));
    let records = match (two, std::env::var_os("FAIL").is_some()) {
        (true, _) => interleaved(),
        (false, true) => failure(),
        (false, false) => success("web", "3f2a9c41b7d0"),
    };
    let begin = std::time::Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let offset = Timestamp::now().duration_since(start());
    for mut record in records {
        let due = Duration::try_from(record.at.duration_since(start())).unwrap();
        runtime.block_on(async { tokio::time::sleep(due.saturating_sub(begin.elapsed())).await });
        record.at += offset;
        terminal.take(&record);
    }
    terminal.close();
    terminal.say("\nthe summary would be here");
}
