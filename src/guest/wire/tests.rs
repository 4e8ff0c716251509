//! The protocol in every shell that may be `sh`.
use super::*;
use crate::value::Secret;
use proptest::prelude::*;
use std::{
    io::Write as _,
    process::{Command as Process, Stdio},
};
use test_case::test_case;

/// Every shell that may be `sh`. busybox is there when somebody installed it; the others always.
fn shells() -> Vec<Vec<&'static str>> {
    let mut shells = vec![vec!["dash"], vec!["bash", "--posix"]];
    if Process::new("busybox").arg("true").output().is_ok() {
        shells.push(vec!["busybox", "ash"]);
    }
    shells
}

/// What `commands` printed in one shell: (standard output, standard error, exit code) each.
fn talk(shell: &[&str], commands: &[Command]) -> Vec<(String, String, String)> {
    let (hello, marks): (Mark, Vec<Mark>) =
        (Mark::random(), commands.iter().map(|_| Mark::random()).collect());
    let mut child = Process::new(shell[0])
        .args(&shell[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut input = opening(&hello).into_bytes();
    for (command, mark) in commands.iter().zip(&marks) {
        input.extend(script(command, mark).unwrap());
    }
    let feed = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let out = child.wait_with_output().unwrap();
    feed.join().unwrap();
    let said = Scanner::new(&hello).push(&out.stdout);
    let greeting = said.iter().find_map(|token| match token {
        Token::Said { kind: b'O', word } => Hello::parse(word),
        _ => None,
    });
    let hello = greeting.unwrap_or_else(|| panic!("{shell:?} said no hello: {out:?}"));
    assert!(hello.group > 1 && hello.printf, "{hello:?}");
    assert_eq!(hello.slow, shell[0] == "bash");
    let (mut stdout, mut stderr) = (out.stdout, out.stderr);
    let mut all = Vec::new();
    for mark in &marks {
        let (before, _, rest) = until(&stdout, mark, b'B');
        assert!(!before.contains("never-shown"), "{before:?}");
        let (printed, code, rest) = until(&rest, mark, b'E');
        stdout = rest;
        let (complained, other, rest) = until(&stderr, mark, b'E');
        stderr = rest;
        assert_eq!(code, other);
        all.push((printed, complained, code));
    }
    all
}

/// The text before what was said about `kind`, its word, and the bytes after it.
fn until(bytes: &[u8], mark: &Mark, kind: u8) -> (String, String, Vec<u8>) {
    let mut scanner = Scanner::new(mark);
    let mut text = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        for token in scanner.push(&[*byte]) {
            match token {
                Token::Text(more) => text.extend(more),
                Token::Said { kind: said, word } if said == kind => {
                    return (String::from_utf8(text).unwrap(), word, bytes[at + 1..].to_vec());
                }
                Token::Said { .. } => {}
            }
        }
    }
    panic!("no {} in {:?}", kind as char, String::from_utf8_lossy(bytes));
}

#[test_case("echo out; echo err >&2; printf 'no end'; exit 7" => (r"out|no end", "err|", "7"); "both streams")]
#[test_case("false; echo on" => ("", "", "1"); "an error ends it")]
#[test_case("f() { false; echo on; }; f; echo on" => ("", "", "1"); "an error in a function ends it")]
#[test_case("false || true; ! true; if false; then :; fi; echo on" => ("on|", "", "0"); "errors that are asked for do not")]
#[test_case("echo \"[$#][${1-}][$-]\" | tr -dc '][0-9'; cat; echo end" => ("[0][][]end|", "", "0"); "no arguments, no input")]
#[test_case("a=1; export a; cd /; umask 077; PATH=/; exit 3" => ("", "", "3"); "what it changes")]
#[test_case("printf '\\036E00000000000000000000000000000000:0;'; exit 4" => ("\x1eE00000000000000000000000000000000:0;", "", "4"); "a forged mark")]
#[test_case("echo it\\'s 'a \"b\" $c `d`\ne' # ' unbalanced\n" => ("it's a \"b\" $c `d`|e|", "", "0"); "quotes")]
#[test_case("exec 1>&- 2>&-; exit 5" => ("", "", "5"); "closed streams")]
#[test_case("trap 'echo bye' EXIT; exit 6" => ("bye|", "", "6"); "its own trap")]
#[test_case("exec sh -c 'exit 9'" => ("", "", "9"); "another program")]
fn a_script_ends_with_its_code_and_its_output(text: &str) -> (&'static str, &'static str, &'static str) {
    let mut first = None;
    for shell in shells() {
        // Between two others, so that what it leaves would show.
        let probe = "echo \"${a-unset} $(umask) ${PATH%%:*}\"; [ \"$PWD\" = \"$HOME\" ]";
        for own_process in [false, true] {
            let test = Command::script("test", text);
            let test = if own_process { test.own_process() } else { test };
            let commands = [Command::script("before", probe), test, Command::script("after", probe)];
            let said = talk(&shell, &commands);
            assert_eq!(said[0], said[2], "{shell:?}");
            assert!(
                said[0].0.starts_with("unset 0022 /usr/local/sbin") || said[0].0.starts_with("unset 0"),
                "{said:?}"
            );
            assert_eq!(said[0].2, "0", "{shell:?}: {said:?}");
            let this = (said[1].0.replace('\n', "|"), said[1].1.replace('\n', "|"), said[1].2.clone());
            let first = first.get_or_insert_with(|| this.clone());
            assert_eq!(*first, this, "{shell:?} is another");
        }
    }
    let (out, err, code) = first.unwrap();
    (out.leak(), err.leak(), code.leak())
}

#[test]
fn a_syntax_error_ends_the_script_and_nothing_else() {
    for shell in shells() {
        let bad =
            ["echo 'open", "if then fi", "echo a; )", "echo \"${x", "done; echo never-shown", "((", "\\"];
        let commands: Vec<Command> = bad
            .iter()
            .flat_map(|text| [Command::script("bad", *text), Command::script("good", "echo good")])
            .collect();
        for (command, (stdout, _, code)) in commands.iter().zip(talk(&shell, &commands)) {
            match command.label() {
                "good" => assert_eq!((stdout.as_str(), code.as_str()), ("good\n", "0"), "{shell:?}"),
                _ if command.script.expose() == "\\" => {}
                _ => assert_ne!(code, "0", "{shell:?} takes {:?}", command.script.expose()),
            }
        }
    }
}

#[test]
fn a_signal_is_told_from_a_code_above_128() {
    for shell in shells() {
        let said = |text: &str, own_process: bool| {
            let mut command = Command::script("test", text);
            command.own_process = own_process;
            let mark = Mark::random();
            let mut input = opening(&Mark::random()).into_bytes();
            input.extend(script(&command, &mark).unwrap());
            let mut child = Process::new(shell[0])
                .args(&shell[1..])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(&input).unwrap();
            let out = child.wait_with_output().unwrap();
            let tokens = Scanner::new(&mark).push(&out.stderr);
            let by_itself = tokens.iter().any(|token| matches!(token, Token::Said { kind: b'S', .. }));
            let text: Vec<&Token> = tokens.iter().filter(|token| matches!(token, Token::Text(_))).collect();
            assert!(text.is_empty(), "{shell:?} complains: {text:?}");
            let (_, code, _) = until(&out.stdout, &mark, b'E');
            (by_itself, code)
        };
        for own in [false, true] {
            assert_eq!(said("exit 139", own), (true, "139".into()), "{shell:?}");
            assert_eq!(said("sh -c 'exit 143'; true", own), (true, "143".into()), "{shell:?}");
            assert_eq!(said("sh -c 'kill -KILL $PPID'; sleep 5", own), (false, "137".into()), "{shell:?}");
            assert_eq!(said("exit 128", own), (false, "128".into()), "{shell:?}");
        }
        assert_eq!(said("kill -KILL $$", true), (false, "137".into()), "{shell:?}");
    }
}

#[test]
fn a_process_of_its_own_is_what_a_script_expects() {
    let text = "echo \"$0 $#\"; [ $$ = \"$(sh -c 'echo $PPID')\" ]\nfor f in 3 4; do [ ! -e /proc/self/fd/$f ]; done\nnot-there";
    for shell in shells() {
        let (stdout, stderr, code) = talk(&shell, &[Command::script("test", text).own_process()]).remove(0);
        assert_eq!((stdout.as_str(), code.as_str()), ("/proc/self/fd/4 0\n", "127"), "{shell:?}: {stderr}");
        assert!(stderr.contains("3: ") && stderr.contains("not-there"), "{shell:?}: {stderr}");
    }
}

#[test]
fn environment_and_variables_arrive_whole() {
    let text = "it's $x `y` \"z\"\n\\n ü \t#";
    for shell in shells() {
        let mut command =
            Command::script("test", "printf %s \"$A\"; sh -c 'printf %s \"${b-none}$A\"'; printf %s \"$b\"")
                .env("A", Secret::new(text));
        command.variables.insert("b", Secret::new(text));
        let said = talk(&shell, &[command, Command::script("after", "echo \"${A-none}${b-none}\"")]);
        assert_eq!(said[0].0, format!("{text}none{text}{text}"), "{shell:?}");
        assert_eq!(said[1].0, "nonenone\n");
    }
}

#[test]
fn a_large_script_is_no_problem() {
    for shell in shells() {
        let big = "x".repeat(200_000);
        let said = talk(&shell, &[Command::script("big", format!("x='{big}'; echo ${{#x}}"))]);
        assert_eq!(said[0].0, "200000\n");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_text_comes_through_any_shell(text in "[^\0]{0,80}", ugly in "[\u{80}-\u{9f}\u{1e}'\"\\\\$`\n]{0,20}") {
        for shell in shells() {
            let both = format!("{text}{ugly}");
            let mut command = Command::script("test", format!("printf %s {}; printf %s \"$v\"", quote(&both)));
            command.variables.insert("v", Secret::new(&both));
            let other = Command::script("other", format!("printf %s {}", quote(&both))).own_process();
            let said = talk(&shell, &[command, other]);
            prop_assert_eq!(&said[0].0, &format!("{both}{both}"), "{:?}", shell);
            prop_assert_eq!(&said[1].0, &both, "{:?}", shell);
        }
    }

    #[test]
    fn pieces_do_not_matter(
        before in proptest::collection::vec(any::<u8>(), 0..60),
        after in "[\u{1e}EBS0-9a-f:;]{0,60}",
        sizes in proptest::collection::vec(1usize..20, 1..20),
    ) {
        let mark = Mark("0123456789abcdef0123456789abcdef".into());
        let mut stream = before.clone();
        stream.extend(b"\x1eE0123456789abcdef0123456789abcdef:17;");
        stream.extend(after.as_bytes());
        let mut scanner = Scanner::new(&mark);
        let (mut text, mut said) = (Vec::new(), Vec::new());
        let (mut at, mut sizes) = (0, sizes.iter().cycle());
        while at < stream.len() {
            let end = (at + sizes.next().unwrap()).min(stream.len());
            for token in scanner.push(&stream[at..end]) {
                match token {
                    Token::Text(more) => text.extend(more),
                    Token::Said { kind, word } => said.push((kind, word)),
                }
            }
            at = end;
        }
        text.extend(scanner.rest());
        prop_assert_eq!(said, vec![(b'E', "17".to_owned())]);
        let mut expected = before;
        expected.extend(after.as_bytes());
        prop_assert_eq!(text, expected);
    }
}
