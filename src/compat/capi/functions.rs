//! The functions in values of variables: ``{{user `x`}}``, ``{{env `X` | lower}}`` and the like.
use jiff::Timestamp;

/// What the functions ask for.
pub(super) trait Names {
    /// The value of a variable.
    fn user(&self, name: &str) -> Result<String, String>;
    /// The value of an environment variable.
    fn env(&self, name: &str) -> String;
    /// When the build was begun.
    fn started(&self) -> Timestamp;
}

/// `text` with every `{{…}}` replaced.
pub(super) fn fill(text: &str, names: &dyn Names) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        filled.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let end = end(after).ok_or_else(|| format!("`{{{{{after}` has no `}}}}`"))?;
        filled.push_str(&pipeline(&after[..end], names)?);
        rest = &after[end + 2..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Where `}}` stands outside of quotes.
fn end(text: &str) -> Option<usize> {
    let (mut quote, mut skip) = (None, false);
    for (at, c) in text.char_indices() {
        match quote {
            _ if skip => skip = false,
            Some('"') if c == '\\' => skip = true,
            Some(open) if c == open => quote = None,
            None if matches!(c, '`' | '"') => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some(at),
            _ => {}
        }
    }
    None
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Pipe,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '|' => tokens.push(Token::Pipe),
            '`' | '"' => {
                let mut inner = String::new();
                loop {
                    match chars.next() {
                        None => return Err(format!("a quote in `{{{{{text}}}}}` has no end")),
                        Some(next) if next == c => break,
                        Some('\\') if c == '"' => inner.extend(chars.next()),
                        Some(next) => inner.push(next),
                    }
                }
                tokens.push(Token::Text(inner));
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = chars
                    .next_if(|next| !next.is_whitespace() && !matches!(next, '(' | ')' | '|' | '`' | '"'))
                {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// How deep parentheses may be.
const DEEPEST: usize = 16;

fn pipeline(text: &str, names: &dyn Names) -> Result<String, String> {
    let tokens = tokens(text)?;
    let mut at = 0;
    let value = chain(&tokens, &mut at, names, 0)?;
    if at < tokens.len() {
        return Err(format!("`{{{{{text}}}}}` has a parenthesis too many"));
    }
    Ok(value)
}

/// Calls with `|` between, up to the end or a closing parenthesis.
fn chain(tokens: &[Token], at: &mut usize, names: &dyn Names, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err("parentheses are too deep".to_owned());
    }
    let mut value: Option<String> = None;
    loop {
        let mut arguments = Vec::new();
        let mut function = None;
        while let Some(token) = tokens.get(*at) {
            match token {
                Token::Pipe | Token::Close => break,
                Token::Word(word) if function.is_none() && arguments.is_empty() => {
                    function = Some(word.as_str());
                }
                Token::Word(word) => arguments.push(word.clone()),
                Token::Text(text) => arguments.push(text.clone()),
                Token::Open => {
                    *at += 1;
                    arguments.push(chain(tokens, at, names, depth + 1)?);
                    if tokens.get(*at) != Some(&Token::Close) {
                        return Err("a parenthesis is not closed".to_owned());
                    }
                }
            }
            *at += 1;
        }
        // As in Go's templates, what comes through the pipe is the last argument.
        arguments.extend(value.take());
        let result = match function {
            Some(function) => call(function, &arguments, names)?,
            None => match &arguments[..] {
                [text] => text.clone(),
                _ => return Err("there is nothing between the braces".to_owned()),
            },
        };
        if tokens.get(*at) != Some(&Token::Pipe) {
            return Ok(result);
        }
        value = Some(result);
        *at += 1;
    }
}

fn call(function: &str, arguments: &[String], names: &dyn Names) -> Result<String, String> {
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is not a number"));
    match (function, arguments) {
        ("user", [name]) => names.user(name),
        ("env", [name]) => Ok(names.env(name)),
        ("timestamp", []) => Ok(names.started().as_second().to_string()),
        ("isotime", []) => Ok(names.started().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ("isotime", [layout]) => isotime(names.started(), layout),
        ("lower", [text]) => Ok(text.to_lowercase()),
        ("upper", [text]) => Ok(text.to_uppercase()),
        ("replace", [old, new, count, text]) => {
            let count: i64 = count.parse().map_err(|_| format!("`{count}` is not a number"))?;
            Ok(match usize::try_from(count) {
                Ok(count) => text.replacen(old.as_str(), new, count),
                Err(_) => text.replace(old.as_str(), new),
            })
        }
        ("replace_all", [old, new, text]) => Ok(text.replace(old.as_str(), new)),
        ("split", [text, separator, index]) => {
            let index = number(index)?;
            let part = text.split(separator.as_str()).nth(index);
            part.map(str::to_owned)
                .ok_or_else(|| format!("`{text}` has no part {index} between `{separator}`"))
        }
        ("clean_resource_name" | "clean_ami_name", [text]) => Ok(clean(text)),
        (
            "user" | "env" | "timestamp" | "isotime" | "lower" | "upper" | "replace" | "replace_all"
            | "split",
            _,
        ) => Err(format!("the function `{function}` takes other arguments than these {}", arguments.len())),
        _ => Err(format!(
            "there is no function `{function}`: goldsmith knows user, env, timestamp, isotime, lower, upper, replace, replace_all, split and clean_resource_name"
        )),
    }
}

/// What Amazon allows in the name of an AMI; all else becomes `-`.
fn clean(text: &str) -> String {
    let right = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    text.chars().map(|c| if right(c) { c } else { '-' }).collect()
}

/// A layout of Go's: the parts of its reference time, `2006-01-02 15:04:05`.
fn isotime(started: Timestamp, layout: &str) -> Result<String, String> {
    const PARTS: &[(&str, &str)] = &[
        ("2006", "%Y"),
        ("January", "%B"),
        ("Jan", "%b"),
        ("Monday", "%A"),
        ("Mon", "%a"),
        ("Z07:00", "Z"),
        ("-0700", "+0000"),
        ("MST", "UTC"),
        ("PM", "%p"),
        ("01", "%m"),
        ("02", "%d"),
        ("15", "%H"),
        ("03", "%I"),
        ("04", "%M"),
        ("05", "%S"),
        ("06", "%y"),
    ];
    let mut format = String::new();
    let mut rest = layout;
    'rest: while let Some(c) = rest.chars().next() {
        for (go, ours) in PARTS {
            if let Some(after) = rest.strip_prefix(go) {
                format.push_str(ours);
                rest = after;
                continue 'rest;
            }
        }
        if c.is_ascii_digit() {
            return Err(format!(
                "`{layout}` has a digit that is no part of Go's reference time as goldsmith knows it"
            ));
        }
        if c == '%' {
            format.push('%');
        }
        format.push(c);
        rest = &rest[c.len_utf8()..];
    }
    Ok(started.strftime(&format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    struct World;

    impl Names for World {
        fn user(&self, name: &str) -> Result<String, String> {
            match name {
                "series" => Ok("v1.34".to_owned()),
                other => Err(format!("no `{other}`")),
            }
        }
        fn env(&self, name: &str) -> String {
            if name == "CHANNEL" { "Stable".to_owned() } else { String::new() }
        }
        fn started(&self) -> Timestamp {
            "2026-03-04T05:06:07Z".parse().unwrap()
        }
    }

    #[test_case("plain", "plain"; "nothing to do")]
    #[test_case("a/{{ user `series` }}/deb", "a/v1.34/deb"; "a variable")]
    #[test_case("{{user `series` | replace \"v\" \"\" 1}}", "1.34"; "replace")]
    #[test_case("{{ split (user `series`) \".\" 1 }}", "34"; "split")]
    #[test_case("{{env `CHANNEL` | lower}}-{{env `NONE`}}", "stable-"; "the environment")]
    #[test_case("{{upper `a`}}", "A"; "upper")]
    #[test_case("{{timestamp}} {{isotime}}", "1772600767 2026-03-04T05:06:07Z"; "times")]
    #[test_case("{{isotime \"2006-01-02 15:04:05 Mon Jan 06 100%\"}}", "x"; "a digit that is nothing")]
    #[test_case("{{isotime \"20060102150405\"}}", "20260304050607"; "a layout")]
    #[test_case("{{ `a b+c` | clean_resource_name}}", "a b-c"; "names of AMIs")]
    #[test_case("{{`}}`}}", "}}"; "braces in quotes")]
    fn functions(text: &str, expected: &str) {
        match fill(text, &World) {
            Ok(filled) => assert_eq!(filled, expected),
            Err(error) => assert!(expected == "x", "{error}"),
        }
    }

    #[test_case("{{user `x`", "has no `}}`"; "open braces")]
    #[test_case("{{user `x`}}", "no `x`"; "no such variable")]
    #[test_case("{{consul_key `x`}}", "no function `consul_key`"; "another function")]
    #[test_case("{{user}}", "takes other arguments"; "no argument")]
    #[test_case("{{}}", "nothing between"; "nothing")]
    #[test_case("{{ (lower `a` }}", "not closed"; "an open parenthesis")]
    #[test_case("{{ lower `a` ) }}", "too many"; "a closed parenthesis")]
    #[test_case("{{ split `a` \",\" 3 }}", "no part 3"; "a part that is not there")]
    fn what_is_wrong_is_said(text: &str, expected: &str) {
        let error = fill(text, &World).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fall_over(text in "\\PC*|[{}`\"() |a-z.]*") {
            let _ = fill(&text, &World);
        }
    }
}
