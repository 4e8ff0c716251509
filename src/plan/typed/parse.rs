//! From the text to actions.
use super::{
    Action,
    keys::{NAMED, letter, named},
};
use std::time::Duration;

/// Why a boot command cannot be typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not understand the boot command at character {}: {what}", at + 1)]
pub struct TypedError {
    /// Where in the text it is: bytes from its beginning.
    pub at: usize,
    /// How many bytes of it.
    pub len: usize,
    /// What is wrong there, and what to write instead.
    pub what: String,
}

/// Reads a boot command.
pub fn parse(text: &str) -> Result<Vec<Action>, TypedError> {
    let mut actions = Vec::new();
    // Keys that are held, what lets them go, and where that began.
    let mut held: Vec<(u32, String, usize, usize)> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (used, action) = match bracketed(rest) {
            Some((used, inner)) => (used, special(inner).map_err(|what| TypedError { at, len: used, what })?),
            None => (
                first.len_utf8(),
                Action::Press(typed(first).map_err(|what| TypedError { at, len: first.len_utf8(), what })?),
            ),
        };
        let (token, after) = rest.split_at(used);
        match &action {
            Action::Down(keys) => held.extend(keys.iter().map(|key| (*key, off(token), at, used))),
            Action::Up(keys) => held.retain(|(key, ..)| !keys.contains(key)),
            Action::Press(_) | Action::Wait(_) => {}
        }
        actions.push(action);
        rest = after;
    }
    match held.into_iter().next() {
        None => Ok(actions),
        Some((_, end, at, len)) => {
            Err(TypedError { at, len, what: format!("the key is never let go; write `{end}` where it is") })
        }
    }
}

/// What lets go the key that `token` holds.
fn off(token: &str) -> String {
    let stem = token.get(..token.len().saturating_sub("On>".len())).unwrap_or(token);
    format!("{stem}Off>")
}

/// How much of `rest` is a word in `<>`, and the word. A `<` that begins none is a letter.
fn bracketed(rest: &str) -> Option<(usize, &str)> {
    let inner = rest.strip_prefix('<')?;
    // `<<On>` and `<>On>` hold keys that are brackets themselves.
    let own = ["<On>", "<Off>", ">On>", ">Off>"]
        .into_iter()
        .find(|own| inner.get(..own.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(own)));
    if let Some(own) = own {
        return Some((1 + own.len(), inner.get(..own.len() - 1)?));
    }
    let end = inner.find('>')?;
    let word = inner.get(..end)?;
    // Any single character can be held; names and pauses are letters and digits.
    let held =
        ends_with(word, "on").or_else(|| ends_with(word, "off")).is_some_and(|key| key.chars().count() == 1);
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | 'µ' | 'μ');
    let named = !word.is_empty() && word.chars().all(is_word);
    (held || named).then_some((end + 2, word))
}

/// `text` without `suffix`, whatever its case.
fn ends_with<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (start, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(start)
}

/// What a word in `<>` means. Names of keys are no letters: `<on>` is unknown, `<nOn>` is the key `n`.
fn special(word: &str) -> Result<Action, String> {
    if let Some(code) = named(word) {
        return Ok(Action::Press(vec![code]));
    }
    if let Some(time) =
        word.get(..4).filter(|begin| begin.eq_ignore_ascii_case("wait")).and_then(|_| word.get(4..))
        && ends_with(time, "on").or_else(|| ends_with(time, "off")).is_none()
    {
        return if time.chars().next().is_none_or(|c| !c.is_ascii_alphabetic()) {
            wait(time).map(Action::Wait)
        } else {
            Err(unknown(word))
        };
    }
    for (suffix, action) in [("on", Action::Down as fn(Vec<u32>) -> Action), ("off", Action::Up)] {
        let Some(key) = ends_with(word, suffix).filter(|key| !key.is_empty()) else { continue };
        if let Some(code) = named(key) {
            return Ok(action(vec![code]));
        }
        let mut chars = key.chars();
        if let (Some(only), None) = (chars.next(), chars.next()) {
            return typed(only).map(action);
        }
    }
    Err(unknown(word))
}

fn typed(c: char) -> Result<Vec<u32>, String> {
    letter(c).ok_or_else(|| match c {
        '\n' | '\r' => "a line end is no key; write `<enter>`".to_owned(),
        '\t' => "a tab is typed as `<tab>`".to_owned(),
        c => format!("`{}` is not on a US keyboard", c.escape_debug()),
    })
}

/// A number of seconds, or a duration as Go writes it: `1m30s`, `500ms`, `1.5h`. Nothing is one second.
fn wait(time: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "`{time}` is no time to wait; write seconds (`<wait5>`) or a duration (`<wait500ms>`, `<wait1m30s>`)"
        )
    };
    if time.is_empty() {
        return Ok(Duration::from_secs(1));
    }
    let total = if time.bytes().all(|byte| byte.is_ascii_digit()) {
        time.parse().map(Duration::from_secs).map_err(|_| wrong())?
    } else {
        duration(time).ok_or_else(wrong)?
    };
    if total.is_zero() {
        return Err("the time to wait must be more than nothing".to_owned());
    }
    Ok(total)
}

fn duration(mut text: &str) -> Option<Duration> {
    // Longest first: `m` begins `ms`.
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let mut total = Duration::ZERO;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at_checked(digits)?;
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        // `.5s` and `5.s` are right for Go and for Rust; a lone dot is for neither.
        let seconds = number.parse::<f64>().ok()? * seconds;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        text = rest.get(unit.len()..)?;
    }
    Some(total)
}

/// Says which name was probably meant, and how to type the text itself.
fn unknown(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let held = [("off", "Off"), ("on", "On")]
        .iter()
        .find_map(|(suffix, shown)| lower.strip_suffix(suffix).map(|stem| (stem, *shown)));
    // Pauses have a number behind their name and cannot be held.
    let pause = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let near = NAMED
        .iter()
        .flat_map(|(name, shown, _)| {
            [Some((lower.as_str(), "")), held]
                .into_iter()
                .flatten()
                .map(move |written| (written, *name, *shown))
        })
        .chain([((pause, ""), "wait", "wait")])
        .map(|((written, suffix), name, shown)| {
            (strsim::damerau_levenshtein(written, name), (written.chars().count() / 3).max(1), shown, suffix)
        })
        .filter(|(distance, allowed, shown, _)| distance <= allowed && *distance < shown.len())
        .min_by_key(|(distance, ..)| *distance);
    let hint = match near {
        Some((_, _, shown, suffix)) => format!("did you mean `<{shown}{suffix}>`?"),
        None => {
            "the keys are `<enter>`, `<esc>`, `<tab>`, `<f1>` to `<f12>`, `<up>`, `<leftCtrl>` and others."
                .to_owned()
        }
    };
    format!(
        "no key is called `<{word}>`; {hint} To type it as a text, begin with `<<On><<Off>` instead of `<`"
    )
}
