//! GRUB's script language as words: quotes, escapes, variables, and what separates commands.

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(String),
    /// The value of a variable; unless it is quoted, blanks in it separate words.
    Variable { name: String, quoted: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Vec<Part>),
    /// A line end, `;`, or what else ends a command.
    End,
    Open,
    Close,
}

/// Takes a text apart. Nothing is an error: what makes no sense to GRUB either is taken as it is.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: text, tokens: Vec::new(), word: None };
    while let Some(c) = lexer.next() {
        match c {
            '\n' | ';' | '|' | '&' | '<' | '>' => lexer.end(Some(Token::End)),
            '{' => lexer.end(Some(Token::Open)),
            '}' => lexer.end(Some(Token::Close)),
            c if c.is_whitespace() => lexer.end(None),
            '#' if lexer.word.is_none() => {
                let line = lexer.rest.find('\n').unwrap_or(lexer.rest.len());
                lexer.rest = lexer.rest.get(line..).unwrap_or_default();
            }
            '\'' => {
                let end = lexer.rest.find('\'').unwrap_or(lexer.rest.len());
                let (inner, after) = lexer.rest.split_at(end);
                lexer.text(inner);
                lexer.rest = after.strip_prefix('\'').unwrap_or(after);
            }
            '"' => lexer.double(),
            '\\' => lexer.escape(),
            '$' => lexer.variable(false),
            c => lexer.text(c.encode_utf8(&mut [0; 4])),
        }
    }
    lexer.end(None);
    lexer.tokens
}

struct Lexer<'a> {
    rest: &'a str,
    tokens: Vec<Token>,
    word: Option<Vec<Part>>,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// Ends the word, and perhaps the command.
    fn end(&mut self, token: Option<Token>) {
        self.tokens.extend(self.word.take().map(Token::Word));
        self.tokens.extend(token);
    }

    fn text(&mut self, text: &str) {
        let word = self.word.get_or_insert_default();
        if let Some(Part::Text(last)) = word.last_mut() {
            last.push_str(text);
        } else {
            word.push(Part::Text(text.to_owned()));
        }
    }

    fn double(&mut self) {
        self.text("");
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '$' => self.variable(true),
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$')) => self.text(c.encode_utf8(&mut [0; 4])),
                    Some(c) => {
                        self.text("\\");
                        self.text(c.encode_utf8(&mut [0; 4]));
                    }
                },
                c => self.text(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// Behind a `\` outside of quotes.
    fn escape(&mut self) {
        match self.next() {
            Some('\n') | None => {}
            // `\x20` reaches the kernel as it is: labels have their blanks so.
            Some('x')
                if self.rest.len() >= 2 && self.rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()) =>
            {
                self.text("\\x");
            }
            Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
        }
    }

    /// Behind a `$`.
    fn variable(&mut self, quoted: bool) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (inner, braced) = match self.rest.strip_prefix('{') {
            Some(inner) => (inner, true),
            None => (self.rest, false),
        };
        let len = match inner.chars().next() {
            Some('?' | '#' | '*' | '@') => 1,
            _ => inner.find(|c| !is_name(c)).unwrap_or(inner.len()),
        };
        let (name, after) = inner.split_at(len);
        let after = if braced { after.strip_prefix('}') } else { Some(after) };
        match after.filter(|_| !name.is_empty()) {
            Some(after) => {
                self.word.get_or_insert_default().push(Part::Variable { name: name.to_owned(), quoted });
                self.rest = after;
            }
            None => self.text("$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .map(|token| match token {
                Token::Word(parts) => parts
                    .into_iter()
                    .map(|part| match part {
                        Part::Text(text) => text,
                        Part::Variable { name, quoted } => {
                            format!("[{name}{}]", if quoted { "!" } else { "" })
                        }
                    })
                    .collect(),
                Token::End => "END".to_owned(),
                Token::Open => "OPEN".to_owned(),
                Token::Close => "CLOSE".to_owned(),
            })
            .collect()
    }

    #[test]
    fn words_are_what_grub_sees() {
        assert_eq!(words("menuentry 'a b' --x \"c $d\" {"), ["menuentry", "a b", "--x", "c [d!]", "OPEN"]);
        assert_eq!(words("ds=nocloud\\;s=/x a\\ b"), ["ds=nocloud;s=/x", "a b"]);
        assert_eq!(words("L=A\\x20B\\x2Z \"\\x20\""), ["L=A\\x20Bx2Z", "\\x20"]);
        assert_eq!(words("a$b${c}d $ ${"), ["a[b][c]d", "$", "$", "OPEN"]);
        assert_eq!(words("x # y\nz#z; }"), ["x", "END", "z#z", "END", "CLOSE"]);
        assert_eq!(words("img}\n'' \"\""), ["img", "CLOSE", "END", "", ""]);
        assert_eq!(words("a \\\n b 'un'\"closed"), ["a", "b", "unclosed"]);
    }

    proptest! {
        #[test]
        fn any_text_has_words(text in "\\PC*|[ -~\n]*|([${}'\"\\\\#;x2 \n]|a)*") {
            tokens(&text);
        }
    }
}
