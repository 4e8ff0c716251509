//! Foreign text as a person would read it: without what moves a terminal's cursor.

/// Takes escape sequences (ECMA-48) out of what a terminal is sent, however that is cut into pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Escapes(State);

/// Where in an escape sequence the last character was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    Begun,
    Control,
    /// A string, such as a title, up to a bell or a string terminator.
    Text,
}

/// What a character is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Itself: a part of the text, or a control character.
    Char(char),
    /// The end of a sequence that changes colours or moves the cursor.
    Control,
    /// A part of a sequence.
    Nothing,
}

impl Escapes {
    /// The next character.
    pub fn take(&mut self, c: char) -> Shown {
        let (state, shown) = match (self.0, c) {
            // Intermediate characters go on, a final one ends.
            (_, '\u{1b}') | (State::Begun, ' '..='/') => (State::Begun, Shown::Nothing),
            (State::Outside, c) => (State::Outside, Shown::Char(c)),
            // Whatever was begun, it does not go over the end of a line: garbage must not hide all that follows.
            (_, '\n') => (State::Outside, Shown::Char('\n')),
            (State::Begun, '[') | (State::Control, '\0'..='?') => (State::Control, Shown::Nothing),
            (State::Begun, ']' | 'P' | 'X' | '^' | '_') => (State::Text, Shown::Nothing),
            (State::Control, _) => (State::Outside, Shown::Control),
            (State::Begun, _) | (State::Text, '\u{7}') => (State::Outside, Shown::Nothing),
            (State::Text, _) => (State::Text, Shown::Nothing),
        };
        self.0 = state;
        shown
    }
}

/// A line of foreign output without escape sequences and control characters: a guest must not be able to move our cursor.
pub fn clean_line(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut escapes = Escapes::default();
    for c in line.chars() {
        match escapes.take(c) {
            Shown::Char('\t') => clean.push_str("    "),
            Shown::Char(c) if !c.is_control() => clean.push(c),
            Shown::Char(_) | Shown::Control | Shown::Nothing => {}
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    #[test_case("\u{1b}[1;31mred\u{1b}[0m" => "red" ; "colours")]
    #[test_case("a\u{1b}]0;title\u{7}b\u{1b}]2;C:\\x\u{1b}\\c" => "abc" ; "titles")]
    #[test_case("a\u{1b}(Bb\u{1b}7c\u{1b}Pq#0\u{1b}\\d" => "abcd" ; "charsets, saved cursors and pictures")]
    #[test_case("a\tb\r\u{0}\u{9b}c" => "a    bc" ; "control characters")]
    #[test_case("a\u{1b}]never ends" => "a" ; "a title without an end")]
    fn what_is_left(line: &str) -> String {
        clean_line(line)
    }

    #[test]
    fn garbage_hides_no_more_than_its_line() {
        let mut escapes = Escapes::default();
        let shown: Vec<Shown> = "\u{1b}]x\ny".chars().map(|c| escapes.take(c)).collect();
        assert_eq!(shown[3..], [Shown::Char('\n'), Shown::Char('y')]);
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_moves_a_cursor(line in "(\\PC|[\\x00-\\x1f]|\\x1b[\\[\\]PX^_( ]?){0,40}") {
            prop_assert!(!clean_line(&line).contains(|c: char| c.is_control()));
        }
    }
}
