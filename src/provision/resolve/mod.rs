//! From the plan's steps to the very steps for one guest: what does not apply is left out, repetitions are written out, and
//! every template is replaced. Pure: the same plan and facts give the same steps.
//!
//! ```text
//!   plan.roles ──> scopes      which names each use of a role knows, or that it is left out
//!   plan.provision ──> steps   `when`, `for-each`, then the texts of the step's serialised value
//! ```
mod names;
#[cfg(test)]
mod tests;

use crate::{
    guest::Facts,
    plan::{Content, FileStep, ForEach, Param, Plan, RoleUse, Step, StepKind, TemplateStep},
};
use minijinja::{Environment, Value as Name, value::Serde};
use names::Names;
use serde_json::Value;

/// More repetitions of one step are a mistake.
const MOST_REPETITIONS: usize = 10_000;

/// The steps for a guest could not be worked out. Nothing was done in it.
#[derive(Debug, thiserror::Error)]
#[error("could not work out {what} ({at})")]
pub struct ResolveError {
    /// The step or role.
    what: String,
    /// Where it stands, `file:line`.
    at: String,
    /// Why.
    #[source]
    source: Fault,
}

/// What is wrong with a template, an expression or a value.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// A template or expression.
    #[error("`{shown}` has no value")]
    Template {
        /// Its beginning.
        shown: String,
        #[source]
        source: minijinja::Error,
    },
    /// A value that its place does not take.
    #[error("{0}")]
    Value(String),
    /// What came out is no step.
    #[error("what comes out is no such step")]
    Step(#[source] serde_json::Error),
}

/// The steps of `plan` in a guest with these facts, in order.
pub fn resolve(plan: &Plan, facts: &Facts) -> Result<Vec<Step>, ResolveError> {
    let renderer = Renderer::new(plan, facts)?;
    let mut steps = Vec::new();
    for step in &plan.provision {
        let failed =
            |source| ResolveError { what: format!("step `{}`", step.label), at: step.at.clone(), source };
        renderer.step(step, &mut steps).map_err(failed)?;
    }
    Ok(steps)
}

/// The steps of `plan` that its guest has for certain, and whose texts are known, before there is any. `facts` are those that the source is
/// known to give; without them, what asks the guest is not certain.
pub fn certain(plan: &Plan, facts: Option<&Facts>) -> Vec<Step> {
    let mut renderer = Renderer {
        env: names::environment(),
        base: names::of_plan(plan, facts),
        scopes: Vec::new(),
        lenient: true,
    };
    for role in &plan.roles {
        let scope = renderer.scope(role).ok().flatten();
        renderer.scopes.push(scope);
    }
    let mut steps = Vec::new();
    for step in &plan.provision {
        let mut more = Vec::new();
        if renderer.step(step, &mut more).is_ok() {
            steps.extend(more);
        }
    }
    steps
}

struct Renderer {
    env: Environment<'static>,
    base: Names,
    /// What has no value is no name, instead of an error, until something needs it.
    lenient: bool,
    /// For each use of a role its names; `None` when it is left out.
    scopes: Vec<Option<Names>>,
}

impl Renderer {
    fn new(plan: &Plan, facts: &Facts) -> Result<Self, ResolveError> {
        let mut renderer = Self {
            env: names::environment(),
            base: names::of_guest(plan, facts),
            scopes: Vec::new(),
            lenient: false,
        };
        for role in &plan.roles {
            let failed =
                |source| ResolveError { what: format!("role `{}`", role.name), at: role.at.clone(), source };
            let scope = renderer.scope(role).map_err(failed)?;
            renderer.scopes.push(scope);
        }
        Ok(renderer)
    }

    /// The names that hold where `role` says; `None` when that is left out.
    fn names(&self, role: Option<usize>) -> Option<&Names> {
        match role {
            None => Some(&self.base),
            Some(index) => self.scopes.get(index)?.as_ref(),
        }
    }

    fn scope(&self, role: &RoleUse) -> Result<Option<Names>, Fault> {
        let Some(outside) = self.names(role.parent) else { return Ok(None) };
        if let Some(when) = &role.when
            && !self.evaluate(when, outside)?.is_true()
        {
            return Ok(None);
        }
        let mut names = self.base.clone();
        for param in &role.params {
            match self.param(role, param, outside, &names) {
                Ok(value) => drop(names.insert(param.variable(), Name::from(Serde(value)))),
                Err(_) if self.lenient => drop(names.remove(&param.variable())),
                Err(fault) => return Err(fault),
            }
        }
        for (name, value) in &role.lets {
            let name = crate::plan::variable(name);
            match self.value(value, &names) {
                Ok(value) => drop(names.insert(name, Name::from(Serde(value)))),
                Err(_) if self.lenient => drop(names.remove(&name)),
                Err(fault) => return Err(fault),
            }
        }
        Ok(Some(names))
    }

    /// What a parameter is in a use of its role.
    fn param(&self, role: &RoleUse, param: &Param, outside: &Names, names: &Names) -> Result<Value, Fault> {
        let value = match role.given.get(&param.name) {
            // What a definition gives is no template: it has `${…}` for that.
            Some(value) if role.parent.is_none() => value.clone(),
            Some(value) => self.value(value, outside)?,
            None if param.required => {
                return Err(Fault::Value(format!(
                    "its parameter `{}` is required: give it in `with`",
                    param.name
                )));
            }
            None => param.default.as_ref().map_or(Ok(Value::Null), |value| self.value(value, names))?,
        };
        accept(param, value)
    }

    /// Appends what becomes of `step`.
    fn step(&self, step: &Step, into: &mut Vec<Step>) -> Result<(), Fault> {
        let Some(names) = self.names(step.rules.role) else { return Ok(()) };
        let items = match &step.rules.for_each {
            None => {
                if self.applies(step, names)? {
                    into.push(self.fill(step, names)?);
                }
                return Ok(());
            }
            Some(ForEach::Expression(expression)) => {
                let list = self.evaluate(expression, names)?;
                let list = serde_json::to_value(&list).map_err(Fault::Step)?;
                match list {
                    Value::Array(items) => items,
                    Value::Null => vec![],
                    _ => return Err(Fault::Value(format!("`for-each = \"{expression}\"` is no list"))),
                }
            }
            Some(ForEach::List(items)) => items.clone(),
        };
        if items.len() > MOST_REPETITIONS {
            return Err(Fault::Value(format!(
                "`for-each` has {} items, which is no list of things to do",
                items.len()
            )));
        }
        for item in items {
            let item = if step.rules.role.is_some() { self.value(&item, names)? } else { item };
            let mut names = names.clone();
            names.insert("item".to_owned(), Name::from(Serde(item)));
            if self.applies(step, &names)? {
                into.push(self.fill(step, &names)?);
            }
        }
        Ok(())
    }

    fn applies(&self, step: &Step, names: &Names) -> Result<bool, Fault> {
        step.rules.when.as_ref().map_or(Ok(true), |when| Ok(self.evaluate(when, names)?.is_true()))
    }

    /// `step` with every text replaced.
    fn fill(&self, step: &Step, names: &Names) -> Result<Step, Fault> {
        let mut filled = step.clone();
        filled.rules.when = None;
        filled.rules.for_each = None;
        if step.rules.templated {
            // A derived label may be cut off within a template; it is then shown as it is.
            filled.label = self.text(&step.label, names).unwrap_or_else(|_| step.label.clone());
            let kind = serde_json::to_value(&step.kind).map_err(Fault::Step)?;
            // Every field of a step that may be a template is a text.
            let kind = own_files(texts(self.value(&kind, names)?, &kind), &kind);
            filled.kind = serde_json::from_value(kind).map_err(Fault::Step)?;
            filled.rules.templated = false;
        }
        if let StepKind::Template(TemplateStep { dest, text, origin, mode, owner, group }) = filled.kind {
            // In a role it was replaced with all the other texts.
            let text = if step.rules.templated { text } else { self.named(&origin, &text, names)? };
            let content = Content::Text(text);
            filled.kind = StepKind::File(FileStep { dest, content, mode, owner, group });
        }
        Ok(filled)
    }

    /// `value` with every text in it replaced. A text that is one `{{ expression }}` becomes what the expression is.
    fn value(&self, value: &Value, names: &Names) -> Result<Value, Fault> {
        Ok(match value {
            Value::String(text) => match single(text) {
                // A place that takes a text keeps it one.
                Some(expression) => {
                    serde_json::to_value(self.evaluate(expression, names)?).map_err(Fault::Step)?
                }
                None => Value::String(self.text(text, names)?),
            },
            Value::Array(items) => {
                let mut filled = Vec::with_capacity(items.len());
                for item in items {
                    let is_expression = item.as_str().is_some_and(|text| single(text).is_some());
                    match self.value(item, names)? {
                        Value::Array(inner) if is_expression => filled.extend(inner),
                        Value::Null if is_expression => {}
                        Value::String(text) if is_expression && text.is_empty() => {}
                        value => filled.push(value),
                    }
                }
                Value::Array(filled)
            }
            Value::Object(entries) => {
                let mut filled = serde_json::Map::new();
                for (key, value) in entries {
                    filled.insert(self.text(key, names)?, self.value(value, names)?);
                }
                Value::Object(filled)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str, names: &Names) -> Result<String, Fault> {
        self.named("text", text, names)
    }

    fn named(&self, origin: &str, text: &str, names: &Names) -> Result<String, Fault> {
        if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
            return Ok(text.to_owned());
        }
        self.env.render_named_str(origin, text, names).map_err(|source| fault(text, source))
    }

    fn evaluate(&self, expression: &str, names: &Names) -> Result<Name, Fault> {
        let compiled = self.env.compile_expression(expression).map_err(|source| fault(expression, source))?;
        compiled.eval(names).map_err(|source| fault(expression, source))
    }
}

fn fault(text: &str, source: minijinja::Error) -> Fault {
    let line = source.line().and_then(|line| text.lines().nth(line.saturating_sub(1)));
    let shown = line.unwrap_or_else(|| text.lines().next().unwrap_or_default()).trim();
    Fault::Template { shown: shown.chars().take(120).collect(), source }
}

fn accept(param: &Param, value: Value) -> Result<Value, Fault> {
    // Secrets come as placeholders, whose kind is not known yet; only texts can hold them.
    param.accept(value).map_err(|wrong| Fault::Value(format!("its parameter `{}` {wrong}", param.name)))
}

/// `filled`, with numbers and booleans that came out of texts of `before` as texts.
fn texts(filled: Value, before: &Value) -> Value {
    match (filled, before) {
        (Value::Number(number), Value::String(_)) => Value::String(number.to_string()),
        (Value::Bool(bool), Value::String(_)) => Value::String(bool.to_string()),
        // Items may have been spliced in, so that they have no partner any more; but a list is of one kind.
        (Value::Array(items), Value::Array(before)) => match before.first() {
            Some(first) => Value::Array(items.into_iter().map(|item| texts(item, first)).collect()),
            None => Value::Array(items),
        },
        (Value::Object(entries), Value::Object(before)) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let value = match before.get(&key) {
                        Some(before) => texts(value, before),
                        None => value,
                    };
                    (key, value)
                })
                .collect(),
        ),
        (other, _) => other,
    }
}

/// `filled`, with files of this host that start where their names say: a name that came out of a template of `before` may be absolute,
/// and then it does not start in the definition's folder.
fn own_files(filled: Value, before: &Value) -> Value {
    match (filled, before) {
        (Value::Object(entries), Value::Object(before)) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let path =
                        |content: &Value| content.get("path").and_then(Value::as_str).map(str::to_owned);
                    let value = match (before.get(&key), path(&value)) {
                        (Some(old), Some(name)) if key == "content" => {
                            let folder = path(old)
                                .and_then(|old| old.split_once("{{").map(|(folder, _)| folder.len()));
                            let rest = folder.and_then(|length| name.get(length..));
                            match rest.filter(|rest| rest.starts_with('/')) {
                                Some(absolute) => serde_json::json!({ "path": absolute }),
                                None => value,
                            }
                        }
                        (Some(old), _) => own_files(value, old),
                        (None, _) => value,
                    };
                    (key, value)
                })
                .collect(),
        ),
        (other, _) => other,
    }
}

/// The expression of a text that is nothing but `{{ expression }}`.
fn single(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then(|| {
        // `-` beside the braces is whitespace control.
        let inner = inner.strip_prefix('-').unwrap_or(inner);
        inner.strip_suffix('-').unwrap_or(inner).trim()
    })
}
