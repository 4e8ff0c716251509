//! From a text to its builds: one walk for each combination of `[matrix]`, or one.
use super::{
    Builds, Inputs, Written,
    early::{ImageArch, ImageName, Variables},
    files::Files,
    matrix::{Cell, Matrix},
    problem::{DefinitionError, Problem, SourceFile},
    raw,
    reader::{Raw, Reader},
    resolve,
    scope::{InMatrix, Known},
};
use crate::plan::Plan;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    rc::Rc,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// After a few, the parser mostly reports what follows from those before.
pub(super) const MOST_SYNTAX_PROBLEMS: usize = 5;

/// A parsed definition, and what is needed to read it.
struct Parsed<'a> {
    file: SourceFile,
    root: Spanned<DeValue<'a>>,
    path: &'a Path,
    inputs: &'a Inputs,
    files: &'a dyn Files,
}

/// The plan of a definition that is one build.
pub(super) fn only(
    written: Written<'_>,
    inputs: &Inputs,
    files: &dyn Files,
) -> Result<Plan, DefinitionError> {
    let parsed = Parsed::new(written, inputs, files)?;
    let Builds { names, mut plans } = parsed.builds(written.shown, &|_| true)?;
    match plans.pop() {
        Some(plan) if plans.is_empty() => Ok(plan),
        _ => {
            let span = parsed.table().get("matrix").map(Spanned::span).unwrap_or_default();
            let message = format!("this definition has {} builds, and one is meant here", names.len());
            Err(DefinitionError::new(written.shown, vec![parsed.file.problem(span, message)]))
        }
    }
}

/// All plans whose names are `wanted`.
pub(super) fn all(
    written: Written<'_>,
    inputs: &Inputs,
    files: &dyn Files,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Builds, DefinitionError> {
    Parsed::new(written, inputs, files)?.builds(written.shown, wanted)
}

impl<'a> Parsed<'a> {
    fn new(written: Written<'a>, inputs: &'a Inputs, files: &'a dyn Files) -> Result<Self, DefinitionError> {
        let Written { text, shown, path } = written;
        let file = SourceFile::new(shown, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problems =
                errors.iter().take(MOST_SYNTAX_PROBLEMS).map(|error| syntax_problem(&file, error)).collect();
            return Err(DefinitionError::new(shown, problems));
        }
        let root = Spanned::new(document.span(), DeValue::Table(document.into_inner()));
        Ok(Self { file, root, path, inputs, files })
    }

    fn table(&self) -> &DeTable<'a> {
        static EMPTY: std::sync::LazyLock<DeTable<'static>> = std::sync::LazyLock::new(DeTable::new);
        self.root.get_ref().as_table().unwrap_or(&EMPTY)
    }

    /// A reader at the beginning, for this combination.
    fn reader(&self, matrix: InMatrix) -> Reader<'_> {
        let folder = self.path.parent().map(Path::to_owned).unwrap_or_default();
        let mut reader = Reader::new(self.file.clone(), self.inputs, self.files, folder);
        reader.scope.matrix = matrix;
        reader.scope.set_arch(self.inputs.host_arch);
        if !self.table().contains_key("name") {
            reader.scope.set_name(None);
        }
        if let Some(secrets) = self.table().get("secret").and_then(|secrets| secrets.get_ref().as_table()) {
            reader.scope.secrets = secrets.keys().map(|name| name.get_ref().to_string()).collect();
        }
        reader
    }

    fn enter<T: Raw>(&self, key: &str, reader: &mut Reader<'_>) -> Option<T> {
        let value = self.table().get(key)?;
        reader.enter::<T>(key, value).required().map(|at| at.value)
    }

    /// The combinations, if they are right. What is wrong is said by the walk.
    fn matrix(&self) -> Option<Matrix> {
        let mut reader = self.reader(InMatrix::NotYet);
        let _of_no_interest = self.enter::<Variables>("var", &mut reader);
        self.enter("matrix", &mut reader)
    }

    /// The build's name, if it can be known.
    fn name(&self, matrix: InMatrix) -> Option<String> {
        let mut reader = self.reader(matrix);
        let _for_the_name = self.enter::<Variables>("var", &mut reader);
        let _for_the_name = self.enter::<ImageArch>("arch", &mut reader);
        let _is_in_scope = self.enter::<ImageName>("name", &mut reader);
        match reader.scope.name {
            Known::Value(name) => Some(name),
            Known::NotYet | Known::Failed => None,
        }
    }

    fn builds(&self, shown: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Builds, DefinitionError> {
        let matrix = self.table().contains_key("matrix").then(|| self.matrix());
        let (cells, axes) = match matrix {
            None => (vec![InMatrix::None], Vec::new()),
            Some(None) => (vec![InMatrix::Failed], Vec::new()),
            Some(Some(Matrix { cells, axes })) => (in_scope(cells), axes),
        };
        let named: Vec<(Option<String>, InMatrix)> =
            cells.into_iter().map(|cell| (self.name(cell.clone()), cell)).collect();
        let names: Vec<String> = named.iter().filter_map(|(name, _)| name.clone()).collect();
        let mut found = Found::default();
        found.problems.extend(self.twice(&named));
        let (mut plans, mut used) = (Vec::new(), BTreeSet::new());
        // A build whose name is not known is looked at, to say why.
        let is_meant = |(name, cell): &(Option<String>, InMatrix)| {
            matches!(cell, InMatrix::Failed) || name.as_deref().is_none_or(wanted)
        };
        let meant = named.into_iter().filter(is_meant);
        for (name, cell) in meant {
            let mut reader = self.reader(cell);
            let plan = raw::Definition::decode(&self.root, &mut reader)
                .and_then(|definition| resolve::plan(definition, self.path, &mut reader));
            found.walks += 1;
            if plan.is_none() && reader.problems.is_empty() {
                // A plan is only missing after a problem; should that ever fail, it must not look like success.
                let message = format!("cannot resolve the definition `{shown}`");
                reader.push(Problem::without_place(message));
            }
            used.append(&mut reader.scope.used_axes);
            found.add(name.as_deref(), reader.problems);
            plans.extend(plan);
        }
        if found.is_empty() && found.walks > 0 {
            let unused = axes.iter().filter(|(axis, _)| !used.contains(axis));
            found.problems.extend(unused.map(|(axis, place)| {
                let mut problem =
                    self.file.problem(place.clone(), format!("the axis `{axis}` of `[matrix]` is not used"));
                problem.help(format!("write `${{matrix.{axis}}}` where its value is meant"));
                if axis == "arch" {
                    problem.help("at the top level: `arch = \"${matrix.arch}\"`");
                }
                problem
            }));
        }
        let problems = found.all();
        if problems.is_empty() {
            Ok(Builds { names, plans })
        } else {
            Err(DefinitionError::new(shown, problems))
        }
    }

    /// That two builds have one name.
    fn twice(&self, named: &[(Option<String>, InMatrix)]) -> Option<Problem> {
        let mut seen: BTreeMap<&str, &InMatrix> = BTreeMap::new();
        let place = self.table().get("name")?.span();
        named.iter().find_map(|(name, cell)| {
            let name = name.as_deref()?;
            let other = seen.insert(name, cell)?;
            let message = format!("two builds of `[matrix]` are called `{name}`");
            let mut problem = self.file.problem(place.clone(), message);
            if let (InMatrix::Cell(one, _), InMatrix::Cell(two, _)) = (other, cell) {
                problem.help(format!(
                    "they are the one with {}, and the one with {}",
                    one.shown(),
                    two.shown()
                ));
            }
            problem.help(
                "a name with all axes in it, such as `${matrix.region}`, or with none of them, is unique",
            );
            Some(problem)
        })
    }
}

/// The combinations as texts may refer to them.
fn in_scope(cells: Vec<Rc<Cell>>) -> Vec<InMatrix> {
    let known: BTreeSet<String> = cells.iter().flat_map(|cell| cell.values.keys().cloned()).collect();
    let known = Rc::new(known);
    cells.into_iter().map(|cell| InMatrix::Cell(cell, Rc::clone(&known))).collect()
}

/// Problems of several walks over one text: what is wrong in every build is said once.
#[derive(Default)]
struct Found {
    walks: usize,
    problems: Vec<Problem>,
    /// By place: the first build with a problem there, its problems, and in how many builds there is one.
    places: BTreeMap<Place, (Option<String>, Vec<Problem>, usize)>,
}

/// File, line and column.
type Place = (Option<String>, Option<usize>, Option<usize>, String);

impl Found {
    fn add(&mut self, build: Option<&str>, problems: Vec<Problem>) {
        let mut here: BTreeMap<Place, Vec<Problem>> = BTreeMap::new();
        for problem in problems {
            // Problems without a place are told apart by what they say.
            let text = if problem.line().is_none() { problem.message().to_owned() } else { String::new() };
            let place = (problem.file().map(ToOwned::to_owned), problem.line(), problem.column(), text);
            here.entry(place).or_default().push(problem);
        }
        for (place, problems) in here {
            self.places
                .entry(place)
                .and_modify(|(_, _, builds)| *builds += 1)
                .or_insert_with(|| (build.map(ToOwned::to_owned), problems, 1));
        }
    }

    fn is_empty(&self) -> bool {
        self.problems.is_empty() && self.places.is_empty()
    }

    fn all(self) -> Vec<Problem> {
        let mut all = self.problems;
        for (build, mut problems, builds) in self.places.into_values() {
            if builds < self.walks
                && let Some(build) = build
            {
                let others = if builds > 1 { format!(" and {} others", builds - 1) } else { String::new() };
                for problem in &mut problems {
                    problem.help(format!("this is so in the build `{build}`{others}"));
                }
            }
            all.append(&mut problems);
        }
        all
    }
}

/// What the TOML parser found, in the words of people who meet TOML for the first time.
pub(super) fn syntax_problem(file: &SourceFile, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or_default();
    let line =
        file.text().get(..span.start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    let mut problem = file.problem(span, format!("this is not TOML: {}", error.message()));
    if error.message().contains("leading zero") && line.contains("mode") {
        problem.help("permission bits are a string: `mode = \"0644\"`");
    }
    problem
}
