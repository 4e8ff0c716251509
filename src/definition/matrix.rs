//! `[matrix]`: one definition, many builds. Read right after the variables, because even `arch` and `name` may depend on it.
use super::{
    problem::Span,
    reader::{At, Field, Raw, Reader, Sort},
    scalar::{List, Map, Text},
    schema,
    scope::InMatrix,
    suggest::{all_of, nearest},
};
use schemars::{Schema, SchemaGenerator, json_schema};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// More builds than this are a slip in a list.
const MOST_BUILDS: usize = 1024;
/// The keys of `[matrix]` that are no axes.
const EXCLUDE: &str = "exclude";
const INCLUDE: &str = "include";

/// `[matrix]`: all of its combinations.
#[derive(Debug)]
pub(super) struct Matrix {
    /// In the order of the builds: the first axis changes slowest.
    pub(super) cells: Vec<Rc<Cell>>,
    /// The axes by name, with their places.
    pub(super) axes: Vec<(String, Span)>,
}

/// One combination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// What `${matrix.KEY}` stands for, by `KEY`: `region`, or `release.codename`.
    pub(super) values: BTreeMap<String, String>,
    /// What its build is called by, in the order of the axes.
    pub(super) words: Vec<String>,
}

impl Cell {
    /// For people: `region = us-east-1, release = 1404`.
    pub(super) fn shown(&self) -> String {
        let whole = self.values.iter().filter(|(key, _)| !key.contains('.'));
        whole.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    }

    /// Makes `key` stand for `point`, and for nothing that it stood for before.
    fn set(&mut self, key: &str, point: &Point) {
        self.values.retain(|known, _| known.split('.').next() != Some(key));
        self.values.insert(key.to_owned(), point.name.clone());
        for (more, value) in &point.more {
            self.values.insert(format!("{key}.{more}"), value.clone());
        }
    }

    fn is(&self, key: &str, point: &Point) -> bool {
        self.values.get(key) == Some(&point.name)
    }
}

/// A value of an axis: a name, and what else belongs to it.
#[derive(Debug, Clone)]
struct Point {
    name: String,
    more: BTreeMap<String, String>,
}

/// An item of `exclude` or `include`, in the order of writing, with the places of the values.
#[derive(Debug)]
struct Rule(Vec<(String, Span, At<Point>)>);

#[derive(Debug)]
struct Axis {
    name: String,
    key: Span,
    points: Vec<At<Point>>,
}

/// The entries of a table as they were written.
fn in_order<'v, 'i>(table: &'v DeTable<'i>) -> Vec<(&'v str, Span, &'v Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> =
        table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
    entries.sort_by_key(|(_, span, _)| span.start);
    entries
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Whether `name` can stand after `${matrix.`.
fn named(name: &str, key: &Span, what: &str, reader: &mut Reader<'_>) -> bool {
    if !is_name(name) {
        let message = format!("`{}` cannot name {what}", name.escape_debug());
        let help = "a name is made of letters, digits, `_` and `-`, and starts with a letter";
        reader.report(key, message).help(help);
    }
    is_name(name)
}

impl Raw for Point {
    const EXPECTED: &'static str = "a string, or a table with a `name`";
    const EXAMPLE: &'static str = "\"…\"";
    const SORT: Sort = Sort::Text;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            if value.get_ref().as_str().is_none() {
                reader.mismatch::<Self>(value);
                return None;
            }
            let Text(text) = Text::decode(value, reader)?;
            return Some(Self { name: text.text, more: BTreeMap::new() });
        };
        let mut name = None;
        let mut more = BTreeMap::new();
        let mut good = true;
        for (key, place, value) in in_order(table) {
            let read = reader.enter::<Text>(key, value).required().map(|at| at.value.0.text);
            match read {
                Some(text) if key == "name" => name = Some(text),
                Some(text) if named(key, &place, "a value", reader) => {
                    more.insert(key.to_owned(), text);
                }
                _ => good = false,
            }
        }
        if name.is_none() && good {
            reader
                .report(&value.span(), "`name` is missing in a value of `[matrix]`")
                .label("add `name = \"…\"`")
                .help("builds are called by it, and it is what `${matrix.AXIS}` stands for");
        }
        name.filter(|_| good).map(|name| Self { name, more })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "properties": { "name": { "type": "string" } },
                "required": ["name"],
                "additionalProperties": { "type": "string" },
            },
        ] })
    }
}

impl Raw for Rule {
    const EXPECTED: &'static str = "a table";
    const EXAMPLE: &'static str = "{ … }";
    const SORT: Sort = Sort::Table;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            reader.mismatch::<Self>(value);
            return None;
        };
        if table.is_empty() {
            reader.report(&value.span(), "this names no value of any axis");
            return None;
        }
        let entries = in_order(table).into_iter().map(|(key, place, value)| {
            let point = reader.enter::<Point>(key, value).required()?;
            named(key, &place, "an axis or a value", reader).then(|| (key.to_owned(), place, point))
        });
        let entries: Vec<Option<_>> = entries.collect();
        entries.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        schema::map(Point::schema(generator))
    }
}

impl Raw for Matrix {
    const EXPECTED: &'static str = "a table";
    const EXAMPLE: &'static str = "{ region = [\"…\"] }";
    const SORT: Sort = Sort::Table;

    fn decode(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Self> {
        // What is read here cannot depend on what comes out of it.
        let outside = std::mem::replace(&mut reader.scope.matrix, InMatrix::NotYet);
        let arch = std::mem::take(&mut reader.scope.arch);
        let matrix = matrix(value, reader);
        reader.scope.arch = arch;
        reader.scope.matrix = outside;
        matrix
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let rules = || json_schema!({ "type": "array", "items": { "type": "object" } });
        let axis = schema::list(Point::schema(generator));
        let (exclude, include) = (rules(), rules());
        json_schema!({
            "type": "object",
            "properties": { EXCLUDE: exclude, INCLUDE: include },
            "additionalProperties": axis,
        })
    }
}

fn matrix(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Matrix> {
    let Some(table) = value.get_ref().as_table() else {
        reader.mismatch::<Map<Text>>(value);
        return None;
    };
    let (mut axes, mut exclude, mut include) = (Vec::new(), Some(Vec::new()), Some(Vec::new()));
    let mut good = true;
    for (key, place, value) in in_order(table) {
        let rules = |reader: &mut Reader<'_>| match reader.enter::<List<Rule>>(key, value) {
            Field::Good(at) => Some(at.value),
            Field::Absent | Field::Bad => None,
        };
        match key {
            EXCLUDE => exclude = rules(reader),
            INCLUDE => include = rules(reader),
            _ => match axis(key, place, value, reader) {
                Some(axis) => axes.push(axis),
                None => good = false,
            },
        }
    }
    let (exclude, include) = (exclude?, include?);
    if !good {
        return None;
    }
    let known = exclude.iter().all(|rule| excludes(&rule.value, &axes, reader));
    if !known {
        return None;
    }
    let cells = cells(&axes, &exclude, &include, &value.span(), reader)?;
    let axes = axes.into_iter().map(|axis| (axis.name, axis.key)).collect();
    Some(Matrix { cells: cells.into_iter().map(Rc::new).collect(), axes })
}

fn axis(name: &str, key: Span, value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_>) -> Option<Axis> {
    let named = named(name, &key, "an axis", reader);
    let points = reader.enter::<List<Point>>(name, value).required()?;
    if points.value.is_empty() {
        let message = format!("the axis `{name}` has no values, so that there is nothing to build");
        reader.report(&points.span, message);
        return None;
    }
    let mut seen = BTreeSet::new();
    for point in &points.value {
        if !seen.insert(&point.value.name) {
            let message = format!("the axis `{name}` has the value `{}` twice", point.value.name);
            reader.report(&point.span, message);
            return None;
        }
    }
    named.then(|| Axis { name: name.to_owned(), key, points: points.value })
}

/// Whether an item of `exclude` names axes and values that there are.
fn excludes(rule: &Rule, axes: &[Axis], reader: &mut Reader<'_>) -> bool {
    let mut good = true;
    for (key, place, point) in &rule.0 {
        let Some(axis) = axes.iter().find(|axis| axis.name == *key) else {
            let names = || axes.iter().map(|axis| axis.name.as_str());
            let help = match nearest(key, names()) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None => format!("the axes are {}", all_of(names())),
            };
            reader.report(place, format!("`{key}` is not an axis of `[matrix]`")).help(help);
            good = false;
            continue;
        };
        if axis.points.iter().all(|known| known.value.name != point.value.name) {
            let names = || axis.points.iter().map(|point| point.value.name.as_str());
            let help = match nearest(&point.value.name, names()) {
                Some(guess) => format!("did you mean `{guess}`?"),
                None => format!("its values are {}", all_of(names())),
            };
            let message = format!("the axis `{key}` has no value `{}`", point.value.name.escape_debug());
            reader.report(&point.span, message).help(help);
            good = false;
        }
    }
    good
}

/// All combinations, without those of `exclude`, with `include` as on
/// [GitHub](https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations).
fn cells(
    axes: &[Axis],
    exclude: &[At<Rule>],
    include: &[At<Rule>],
    place: &Span,
    reader: &mut Reader<'_>,
) -> Option<Vec<Cell>> {
    let count = axes.iter().try_fold(1_usize, |count, axis| count.checked_mul(axis.points.len()));
    let count = count.and_then(|count| count.checked_add(include.len()));
    if count.is_none_or(|count| count > MOST_BUILDS) {
        reader
            .report(place, format!("`[matrix]` has more than {MOST_BUILDS} builds"))
            .help("split it into several definitions");
        return None;
    }
    let mut cells = if axes.is_empty() { Vec::new() } else { vec![Cell::default()] };
    for axis in axes {
        let with = |cell: &Cell, point: &At<Point>| {
            let mut cell = cell.clone();
            cell.set(&axis.name, &point.value);
            cell
        };
        cells =
            cells.iter().flat_map(|cell| axis.points.iter().map(move |point| with(cell, point))).collect();
    }
    let out = |cell: &Cell| {
        exclude.iter().any(|rule| rule.value.0.iter().all(|(key, _, point)| cell.is(key, &point.value)))
    };
    cells.retain(|cell| !out(cell));
    let original = cells.len();
    for At { value: Rule(entries), .. } in include {
        let is_axis = |key: &str| axes.iter().any(|axis| axis.name == key);
        let (fixed, added): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _, _)| is_axis(key));
        let mut met = false;
        // What earlier items of `include` added as builds of their own is not added to.
        for cell in cells.iter_mut().take(original) {
            if fixed.iter().all(|(key, _, point)| cell.is(key, &point.value)) {
                met = true;
                for (key, _, point) in &added {
                    cell.set(key, &point.value);
                }
            }
        }
        if !met {
            cells.push(own_cell(entries, axes));
        }
    }
    for cell in &mut cells {
        let words: Vec<String> =
            axes.iter().filter_map(|axis| cell.values.get(&axis.name)).cloned().collect();
        if !words.is_empty() {
            cell.words = words;
        }
    }
    if cells.is_empty() {
        reader.report(place, "`[matrix]` has no builds: all are excluded, or it has no axis");
        return None;
    }
    Some(cells)
}

/// A build that only an item of `include` makes.
fn own_cell(entries: &[(String, Span, At<Point>)], axes: &[Axis]) -> Cell {
    let mut cell = Cell::default();
    for (key, _, point) in entries {
        let known = axes.iter().find(|axis| axis.name == *key).and_then(|axis| {
            axis.points
                .iter()
                .find(|known| known.value.name == point.value.name && point.value.more.is_empty())
        });
        cell.set(key, known.map_or(&point.value, |known| &known.value));
        // Without any axis, it is called by all that it has.
        cell.words.push(point.value.name.clone());
    }
    cell
}
