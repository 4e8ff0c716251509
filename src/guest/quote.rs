//! The one function that puts foreign text into a shell script.

/// `text` as one word of a POSIX shell. Never call it on text with NUL bytes: no shell can hold them (they are dropped).
pub fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            // Leave the quotes, add an escaped quote, enter them again.
            '\'' => quoted.push_str("'\\''"),
            '\0' => {}
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// Several words, each quoted, separated by blanks.
pub fn quote_all<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    words.into_iter().map(|word| quote(word.as_ref())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn through_sh(script: &str) -> Vec<u8> {
        let out = Command::new("/bin/sh").arg("-euc").arg(script).output().unwrap();
        assert!(out.status.success(), "{script}: {out:?}");
        out.stdout
    }

    #[test]
    fn harmless_words_stay_readable() {
        assert_eq!(quote("/etc/motd"), "/etc/motd");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("~"), "'~'");
        assert_eq!(quote_all(["a b", "c"]), "'a b' c");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_shell_gives_back_exactly_what_was_quoted(text in "[^\0]{0,60}") {
            prop_assert_eq!(through_sh(&format!("printf %s {}", quote(&text))), text.as_bytes());
        }

        #[test]
        fn a_quoted_text_is_one_word_and_runs_nothing(text in r#"[ \t\n'"\\$`;&|<>(){}*?\[\]~#!a-z-]{1,30}"#) {
            let script = format!("set -- {}; printf '%s/%s' \"$#\" \"$1\"", quote(&text));
            prop_assert_eq!(through_sh(&script), format!("1/{text}").into_bytes());
        }
    }
}
