//! The language of templates, in definitions, roles and answers alike: strict about what is not defined, free of I/O, clock and
//! randomness, and never without an end.
use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig};

/// The language without words of one's own. A template that takes more than `fuel` is caught in a loop.
pub(crate) fn environment<'a>(fuel: u64) -> Environment<'a> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    let syntax =
        SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build();
    // These settings contradict nothing, which is all that could be wrong with them.
    env.set_syntax(syntax.unwrap_or_default());
    env.set_fuel(Some(fuel));
    env
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("a {{ '<' }}\n" => Some("a <\n".to_owned()) ; "nothing is escaped, and the last line keeps its end")]
    #[test_case("{% if true %}\n  a\n  {% endif %}\nb" => Some("  a\nb".to_owned()) ; "lines of blocks leave nothing")]
    #[test_case("{{ nothing }}" => None ; "what is not defined")]
    #[test_case("{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}" => None ; "no end")]
    fn templates(text: &str) -> Option<String> {
        environment(100_000).render_str(text, ()).ok()
    }
}
