//! What Packer's users write, and what is wrong with it.
use super::{keys::NAMED, *};
use proptest::prelude::*;
use test_case::test_case;

fn seconds(seconds: f64) -> Action {
    Action::Wait(Duration::from_secs_f64(seconds))
}

#[test]
fn a_command_for_a_boot_menu_becomes_keys() {
    let actions = parse("<esc><wait>/A b=C:1<leftCtrlOn>x<leftCtrlOff><F10>").unwrap();
    let press = |keys: &[u32]| Action::Press(keys.to_vec());
    assert_eq!(
        actions,
        [
            press(&[1]),
            seconds(1.0),
            press(&[53]),
            press(&[42, 30]),
            press(&[57]),
            press(&[48]),
            press(&[13]),
            press(&[42, 46]),
            press(&[42, 39]),
            press(&[2]),
            Action::Down(vec![29]),
            press(&[45]),
            Action::Up(vec![29]),
            press(&[68]),
        ]
    );
}

/// The codes are those of the kernel's header, as the C compiler reads it.
#[test]
fn codes_are_those_of_the_kernel() {
    let out = std::process::Command::new("gcc")
        .args(["-dM", "-E", "-x", "c", "-include", "linux/input-event-codes.h", "/dev/null"])
        .output()
        .expect("gcc, which compiles the C parts of some crates");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let header = String::from_utf8(out.stdout).unwrap();
    let code = |name: &str| -> u32 {
        let line = header
            .lines()
            .find(|line| line.split_whitespace().nth(1) == Some(&format!("KEY_{name}")))
            .unwrap_or_else(|| panic!("KEY_{name}"));
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    for (name, _, number) in NAMED {
        let kernel = match *name {
            "bs" => "BACKSPACE",
            "del" => "DELETE",
            "return" => "ENTER",
            "spacebar" => "SPACE",
            "menu" => "COMPOSE",
            "leftsuper" | "leftcommand" => "LEFTMETA",
            "rightsuper" | "rightcommand" => "RIGHTMETA",
            "leftoption" => "LEFTALT",
            "rightoption" => "RIGHTALT",
            other => &other.to_uppercase(),
        };
        assert_eq!(*number, code(kernel), "{name}");
    }
    for (letters, names) in [
        ("-_", "MINUS"),
        ("=+", "EQUAL"),
        ("[{", "LEFTBRACE"),
        ("]}", "RIGHTBRACE"),
        (";:", "SEMICOLON"),
        ("'\"", "APOSTROPHE"),
        ("`~", "GRAVE"),
        ("\\|", "BACKSLASH"),
        (",<", "COMMA"),
        (".>", "DOT"),
        ("/?", "SLASH"),
        (" ", "SPACE"),
        ("1!", "1"),
        ("2@", "2"),
        ("3#", "3"),
        ("4$", "4"),
        ("5%", "5"),
        ("6^", "6"),
        ("7&", "7"),
        ("8*", "8"),
        ("9(", "9"),
        ("0)", "0"),
        ("aA", "A"),
        ("qQ", "Q"),
        ("zZ", "Z"),
        ("mM", "M"),
        ("pP", "P"),
        ("lL", "L"),
    ] {
        for (index, letter) in letters.chars().enumerate() {
            let expected = if index == 0 { vec![code(names)] } else { vec![42, code(names)] };
            assert_eq!(keys::letter(letter), Some(expected), "{letter}");
        }
    }
}

#[test_case("<wait>", 1.0)]
#[test_case("<wait5>", 5.0)]
#[test_case("<WAIT10>", 10.0)]
#[test_case("<wait1m30s>", 90.0)]
#[test_case("<wait500ms>", 0.5)]
#[test_case("<wait1.5h>", 5400.0)]
#[test_case("<wait.5s>", 0.5)]
#[test_case("<wait4m2ns>", 240.000_000_002)]
#[test_case("<wait7us>", 0.000_007)]
#[test_case("<wait7µs>", 0.000_007 ; "micro")]
fn pauses_are_seconds_or_durations(text: &str, expected: f64) {
    assert_eq!(parse(text).unwrap(), [seconds(expected)]);
}

#[test_case("<wait0>", "must be more than nothing")]
#[test_case("<wait-1m>", "is no time to wait; write seconds (`<wait5>`)")]
#[test_case("<wait5x>", "`5x` is no time")]
#[test_case("<wait5m3>", "`5m3` is no time")]
#[test_case("<wait.s>", "`.s` is no time")]
#[test_case("<wait99999999999999999999>", "is no time")]
#[test_case("<wait99999999999999999999h>", "is no time")]
fn impossible_pauses_are_errors(text: &str, expected: &str) {
    let error = parse(text).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[test_case("ab<entre>", 2, "at character 3: no key is called `<entre>`; did you mean `<enter>`?")]
#[test_case("<leftCrtlOn>", 0, "did you mean `<leftCtrlOn>`?")]
#[test_case("<pagedwon>", 0, "did you mean `<pageDown>`?")]
#[test_case("<wiat5>", 0, "no key is called `<wiat5>`; did you mean `<wait>`?")]
#[test_case("<f13>", 0, "did you mean `<f1")]
#[test_case("<nonsense>", 0, "the keys are `<enter>`")]
#[test_case("<waiton>", 0, "no key is called `<waiton>`; did you mean `<wait>`?")]
#[test_case("<on>", 0, "no key is called `<on>`")]
#[test_case("a\nb", 1, "write `<enter>`")]
#[test_case("a\tb", 1, "`<tab>`")]
#[test_case("größe", 2, "`ö` is not on a US keyboard")]
#[test_case("<leftShiftOn>a", 0, "the key is never let go; write `<leftShiftOff>` where it is")]
#[test_case("<aOn><bOff>", 0, "write `<aOff>`")]
fn errors_say_where_and_what_was_meant(text: &str, at: usize, expected: &str) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.at, at);
    assert!(text.is_char_boundary(at + error.len), "{error:?}");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn brackets_that_are_no_key_are_letters() {
    let less = Action::Press(vec![42, 51]);
    let more = Action::Press(vec![42, 52]);
    assert_eq!(parse("<").unwrap(), std::slice::from_ref(&less));
    assert_eq!(parse("<>").unwrap(), [less.clone(), more.clone()]);
    assert_eq!(parse("a < b > c").unwrap().len(), 9);
    assert_eq!(parse("<a b>").unwrap().len(), 5);
    // What the error for `<foo>` proposes.
    let typed = parse("<<On><<Off>foo>").unwrap();
    let keys: Vec<Chord> = chords(&typed);
    assert_eq!(keys.first(), Some(&Chord::Press { keys: vec![42, 51], hold: None }));
    assert_eq!(keys.len(), 5);
    assert_eq!(parse("<>On><>off>").unwrap(), [Action::Down(vec![42, 52]), Action::Up(vec![42, 52])]);
}

#[test]
fn every_name_can_be_held_and_written_in_any_case() {
    for (lower, shown, code) in NAMED {
        let upper = shown.to_uppercase();
        assert_eq!(shown.to_lowercase(), *lower);
        for name in [*lower, *shown, &upper] {
            assert_eq!(parse(&format!("<{name}>")).unwrap(), [Action::Press(vec![*code])]);
            let held = parse(&format!("<{name}On><{name}OFF>")).unwrap();
            assert_eq!(held, [Action::Down(vec![*code]), Action::Up(vec![*code])]);
        }
    }
    let held = parse("<COn><cOff><COff>");
    assert!(held.is_ok(), "{held:?}");
}

#[test]
fn held_keys_become_chords() {
    let press = |keys: &[u32], hold: Option<u64>| Chord::Press {
        keys: keys.to_vec(),
        hold: hold.map(Duration::from_secs),
    };
    let of = |text: &str| chords(&parse(text).unwrap());
    assert_eq!(
        of("<leftCtrlOn>xy<leftCtrlOff>z"),
        [press(&[29, 45], None), press(&[29, 21], None), press(&[44], None)]
    );
    assert_eq!(
        of("<leftAltOn><wait><f2><wait><leftAltOff>"),
        [Chord::Wait(Duration::from_secs(1)), press(&[56, 60], None), Chord::Wait(Duration::from_secs(1)),]
    );
    assert_eq!(of("<leftCtrlOn><leftAltOn><del><leftAltOff><leftCtrlOff>"), [press(&[29, 56, 111], None)]);
    assert_eq!(of("<cOn><wait5><wait2><cOff>"), [press(&[46], Some(7))]);
    assert_eq!(
        of("<leftSuperOn><leftSuperOff><wait3>"),
        [press(&[125], None), Chord::Wait(Duration::from_secs(3))]
    );
    assert_eq!(of("<leftShiftOn>A<leftShiftOff>"), [press(&[42, 30], None)]);
    assert_eq!(of("<leftShiftOff>a"), [press(&[30], None)], "letting go what is not held does nothing");
}

/// The letter that a US keyboard makes of keys that are pressed together.
fn letter_of(keys: &[u32]) -> char {
    (' '..='~').find(|c| super::keys::letter(*c).as_deref() == Some(keys)).unwrap()
}

proptest! {
    #[test]
    fn whatever_is_written_never_panics(text in "\\PC*|(<|>|[Oo](n|ff)|wait|[0-9.]+|m?s|h|enter|left|ü|µ|-| )*") {
        match parse(&text) {
            Ok(actions) => drop(chords(&actions)),
            Err(error) => prop_assert!(text.get(error.at..error.at + error.len).is_some_and(|part| !part.is_empty())),
        }
    }

    #[test]
    fn printable_text_is_typed_as_it_is(text in "[ -;=-~]*") {
        let typed: String = parse(&text).unwrap().iter().map(|action| match action {
            Action::Press(keys) => letter_of(keys),
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(typed, text);
    }
}
