//! Dask's tasks as terms of functions that selion has too.
//!
//! A task is lifted if its function is known and its arguments are: whole calls or none. What is not a plain array of a
//! dtype that selion has shows only when it runs.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};
use selion::array::{Array, Chunks, Index, Operand};
use selion::lift::{Count, Function, Reduce, Role, Term};

use super::call::{Call, Part};
use super::functions::{Functions, Known};
use crate::array::PyArray;
use crate::chunk::{as_chunk, numpy};
use crate::{convert, index};

/// An argument of a call.
enum Arg<'a, 'py> {
    Part(&'a Part),
    Object(Bound<'py, PyAny>),
    Term(Term),
}

/// The keywords of a call, from which they are taken one by one.
type Keywords<'a, 'py> = Vec<(String, Arg<'a, 'py>)>;

/// What makes terms of tasks. Sources that were found are kept for all tasks that read them.
pub(super) struct Lifting<'f, 'py> {
    pub(super) functions: &'f Functions,
    sources: Bound<'py, PyDict>,
}

/// The term of a task, and how it stands to the blocks around it; `None` if it stays a call.
pub(super) type Lifted = Option<(Term, Role)>;

impl<'f, 'py> Lifting<'f, 'py> {
    pub(super) fn new(py: Python<'py>, functions: &'f Functions) -> Self {
        Lifting { functions, sources: PyDict::new(py) }
    }

    /// Lifts the work of a task. What goes wrong here goes wrong again, and better, when the task is called.
    pub(super) fn lift(&self, py: Python<'py>, work: &Part) -> Lifted {
        let Part::Call(call) = work else { return None };
        let term = self.call(py, call).ok().flatten()?;
        if let Term::List(_) = term {
            return None;
        }
        let role = role(&term);
        Some((term, role))
    }

    fn call(&self, py: Python<'py>, call: &Call) -> PyResult<Option<Term>> {
        let args = call.args.iter().map(Arg::Part).collect();
        let mut keywords = Vec::new();
        for (name, value) in &call.keywords {
            keywords.push((name.bind(py).to_str()?.to_owned(), Arg::Part(value)));
        }
        self.apply(call.function.bind(py), args, keywords)
    }

    fn apply(
        &self,
        function: &Bound<'py, PyAny>,
        mut args: Vec<Arg<'_, 'py>>,
        mut keywords: Keywords<'_, 'py>,
    ) -> PyResult<Option<Term>> {
        let py = function.py();
        let Some(known) = self.functions.get(function) else { return Ok(None) };
        match known {
            Known::Partial => {
                let before = function.getattr(intern!(py, "args"))?.cast_into::<PyTuple>()?;
                args.splice(0..0, before.iter().map(Arg::Object));
                for (name, value) in function.getattr(intern!(py, "keywords"))?.cast_into::<PyDict>()? {
                    let name = name.cast_into::<PyString>()?.to_str()?.to_owned();
                    if keywords.iter().all(|(other, _)| *other != name) {
                        keywords.push((name, Arg::Object(value)));
                    }
                }
                return self.apply(&function.getattr(intern!(py, "func"))?, args, keywords);
            }
            Known::Compose => {
                let mut term = self.apply(&function.getattr(intern!(py, "first"))?, args, keywords)?;
                for next in function.getattr(intern!(py, "funcs"))?.try_iter()? {
                    let Some(inner) = term else { return Ok(None) };
                    term = self.apply(&next?, vec![Arg::Term(inner)], vec![])?;
                }
                return Ok(term);
            }
            Known::Getter => return self.read(py, args, keywords),
            Known::Filled => return self.filled(py, args, keywords),
            _ => {}
        }
        let call = |function: Function, args: Vec<Term>| Ok(Some(Term::Call(Box::new((function, args)))));
        let mut given = args.into_iter();
        match known {
            Known::Ufunc(op) => {
                let Some(terms) = self.terms(py, given)? else { return Ok(None) };
                if keywords.is_empty() && !terms.is_empty() { call(Function::Ufunc(op), terms) } else { Ok(None) }
            }
            Known::Where => {
                let Some(terms) = self.terms(py, given)? else { return Ok(None) };
                if keywords.is_empty() && terms.len() == 3 { call(Function::Where, terms) } else { Ok(None) }
            }
            Known::Container => {
                let kind = object(py, take(&mut keywords, "typ"))?;
                let list = kind.is_some_and(|kind| kind.is(py.get_type::<PyList>()));
                if !list || !keywords.is_empty() {
                    return Ok(None);
                }
                Ok(self.terms(py, given)?.map(Term::List))
            }
            Known::Numel(_) | Known::Zeros | Known::Ones | Known::Full => Ok(None),
            Known::Finalize => {
                let Some(terms) = self.terms(py, given)? else { return Ok(None) };
                // A single block is copied, which lifting does not do.
                let several = matches!(&*terms, [nest] if blocks(nest) > 1);
                if several && keywords.is_empty() { call(Function::ConcatenateAll, terms) } else { Ok(None) }
            }
            _ => {
                let Some(first) = given.next() else { return Ok(None) };
                let Some(first) = self.term(py, first)? else { return Ok(None) };
                let rest: Vec<Arg<'_, 'py>> = given.collect();
                match self.of_one(py, known, rest, keywords)? {
                    Some(function) => call(function, vec![first]),
                    None => Ok(None),
                }
            }
        }
    }

    /// A function of one block, of which the other arguments are known.
    fn of_one(
        &self,
        py: Python<'py>,
        known: Known,
        rest: Vec<Arg<'_, 'py>>,
        mut keywords: Keywords<'_, 'py>,
    ) -> PyResult<Option<Function>> {
        let mut others = Vec::new();
        for arg in rest {
            let Some(value) = object(py, Some(arg))? else { return Ok(None) };
            others.push(value);
        }
        let function = match (known, &*others) {
            (Known::Getitem, [at]) => Function::Getitem(plainer(index::parts(at)?)),
            (Known::GetitemShuffled, [at]) => Function::Getitem(plainer(index::parts(&at.get_item(1)?)?)),
            (Known::Astype, []) => match object(py, take(&mut keywords, "astype_dtype"))? {
                Some(dtype) => Function::Astype(convert::dtype(&dtype)?),
                None => return Ok(None),
            },
            (Known::Transpose, rest) => {
                let named = object(py, take(&mut keywords, "axes"))?;
                let axes = named.as_ref().or(rest.first()).filter(|axes| !axes.is_none());
                Function::Transpose(axes.map(|axes| axes.extract()).transpose()?)
            }
            (Known::BroadcastTo, rest) => {
                let named = object(py, take(&mut keywords, "shape"))?;
                match named.as_ref().or(rest.first()) {
                    Some(shape) => Function::BroadcastTo(shape.extract()?),
                    None => return Ok(None),
                }
            }
            (Known::Concatenate, []) => match object(py, take(&mut keywords, "axes"))? {
                Some(axes) => Function::Concatenate(axes.extract()?),
                None => return Ok(None),
            },
            (Known::ConcatenateAll, []) => Function::ConcatenateAll,
            (Known::ConcatenateSorted, [sorter, axis]) => {
                // The elements of the joined blocks in the order of the sorter.
                let order: Vec<i64> = py
                    .import("numpy")?
                    .call_method1("argsort", (sorter.get_item(1)?,))?
                    .call_method0("tolist")?
                    .extract()?;
                Function::TakeOfConcatenated(order, axis.extract()?)
            }
            (Known::Reduce(kind, skip_nan), _) => {
                let count = self.count(py, &mut keywords, others.first())?;
                let Count { axes, keepdims, dtype, .. } = count;
                Function::Reduce(Reduce { kind, axes, keepdims, dtype, skip_nan })
            }
            (Known::MeanChunk | Known::MeanCombine | Known::MeanAggregate, []) => {
                let Some(count) = self.state(py, &mut keywords)? else { return Ok(None) };
                match known {
                    Known::MeanChunk => Function::MeanChunk(count),
                    Known::MeanCombine => Function::MeanCombine(count),
                    _ => Function::MeanAggregate(count),
                }
            }
            (Known::MomentChunk | Known::MomentCombine | Known::MomentAggregate, []) => {
                let order = object(py, take(&mut keywords, "order"))?;
                let complex = object(py, take(&mut keywords, "implicit_complex_dtype"))?;
                let ddof = object(py, take(&mut keywords, "ddof"))?;
                let second = order.is_none_or(|order| order.extract::<i64>().is_ok_and(|order| order == 2));
                if !second || complex.is_some_and(|complex| complex.is_truthy().unwrap_or(true)) {
                    return Ok(None);
                }
                let Some(count) = self.state(py, &mut keywords)? else { return Ok(None) };
                match known {
                    Known::MomentChunk => Function::MomentChunk(count),
                    Known::MomentCombine => Function::MomentCombine(count),
                    _ => {
                        let ddof = ddof.map(|ddof| ddof.extract::<f64>()).transpose()?.unwrap_or(0.0);
                        Function::MomentAggregate(count, ddof)
                    }
                }
            }
            _ => return Ok(None),
        };
        Ok(keywords.is_empty().then_some(function))
    }

    /// Axis, keepdims and dtype.
    fn count(
        &self,
        py: Python<'py>,
        keywords: &mut Keywords<'_, 'py>,
        axis: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Count> {
        let named = object(py, take(keywords, "axis"))?;
        let axes = convert::axes(named.as_ref().or(axis))?;
        let keepdims = object(py, take(keywords, "keepdims"))?;
        let keepdims = keepdims.is_some_and(|keepdims| keepdims.is_truthy().unwrap_or(false));
        let dtype = object(py, take(keywords, "dtype"))?.filter(|dtype| !dtype.is_none());
        let dtype = dtype.map(|dtype| convert::dtype(&dtype)).transpose()?;
        Ok(Count { axes, keepdims, dtype, skip_nan: false })
    }

    /// As [`count`](Self::count), with the functions that sum and count elements.
    fn state(&self, py: Python<'py>, keywords: &mut Keywords<'_, 'py>) -> PyResult<Option<Count>> {
        let sum = object(py, take(keywords, "sum"))?;
        let numel = object(py, take(keywords, "numel"))?;
        let sum = match sum.map(|sum| self.functions.get(&sum)) {
            None => None,
            Some(Some(Known::Reduce(selion::array::ReduceKind::Sum, skip_nan))) => Some(skip_nan),
            Some(_) => return Ok(None),
        };
        match (sum.unwrap_or(false), numel.map(|numel| self.functions.get(&numel))) {
            (_, None) => {}
            (skip_nan, Some(Some(Known::Numel(only)))) if only == skip_nan => {}
            _ => return Ok(None),
        }
        Ok(Some(Count { skip_nan: sum.unwrap_or(false), ..self.count(py, keywords, None)? }))
    }

    /// A block of an array in storage, or in memory.
    fn read(
        &self,
        py: Python<'py>,
        args: Vec<Arg<'_, 'py>>,
        mut keywords: Keywords<'_, 'py>,
    ) -> PyResult<Option<Term>> {
        let mut objects = Vec::new();
        for arg in args {
            let Some(value) = object(py, Some(arg))? else { return Ok(None) };
            objects.push(value);
        }
        let lock = object(py, take(&mut keywords, "lock"))?;
        take(&mut keywords, "asarray");
        let lock = lock.as_ref().or(objects.get(3));
        let locked = lock.is_some_and(|lock| lock.is_truthy().unwrap_or(true));
        let [array, at, ..] = &*objects else { return Ok(None) };
        if !keywords.is_empty() {
            return Ok(None);
        }
        let source = match self.sources.get_item(array.as_ptr() as usize)? {
            Some(source) => source,
            None => {
                let source = self.functions.source.bind(py).call1((array, locked))?;
                self.sources.set_item(array.as_ptr() as usize, &source)?;
                source
            }
        };
        let Ok(source) = source.cast::<PyArray>() else { return Ok(None) };
        let part = source.get().0.getitem(&index::parts(at)?);
        Ok(part.ok().map(|part| Term::Constant(Operand::Array(part))))
    }

    /// A block with the same value everywhere.
    fn filled(
        &self,
        py: Python<'py>,
        args: Vec<Arg<'_, 'py>>,
        mut keywords: Keywords<'_, 'py>,
    ) -> PyResult<Option<Term>> {
        let mut objects = Vec::new();
        for arg in args {
            let Some(value) = object(py, Some(arg))? else { return Ok(None) };
            objects.push(value);
        }
        let shape = object(py, take(&mut keywords, "shape"))?;
        let (function, shape) = match (&*objects, shape) {
            ([function], Some(shape)) => (function, shape),
            ([function, shape], None) => (function, shape.clone()),
            _ => return Ok(None),
        };
        let fill = object(py, take(&mut keywords, "fill_value"))?;
        let dtype = object(py, take(&mut keywords, "dtype"))?;
        let like = object(py, take(&mut keywords, "meta"))?;
        let ndarray = &numpy(py)?.ndarray;
        let plain = like.is_none_or(|like| like.get_type().is(ndarray));
        let (Some(dtype), true, true) = (dtype, plain, keywords.is_empty()) else { return Ok(None) };
        let fill = match (self.functions.get(function), fill) {
            (Some(Known::Zeros), None) => 0_i64.into_pyobject(py)?.into_any(),
            (Some(Known::Ones), None) => 1_i64.into_pyobject(py)?.into_any(),
            (Some(Known::Full), Some(fill)) => fill,
            _ => return Ok(None),
        };
        let shape: Vec<usize> = shape.extract()?;
        let value = convert::scalar_of(&fill, convert::dtype(&dtype)?)?;
        let array = Array::full(&shape, value, Some(Chunks::whole(&shape))).map_err(crate::errors::to_python)?;
        Ok((!shape.is_empty()).then_some(Term::Constant(Operand::Array(array))))
    }

    fn terms<'a>(&self, py: Python<'py>, args: impl Iterator<Item = Arg<'a, 'py>>) -> PyResult<Option<Vec<Term>>> {
        args.map(|arg| self.term(py, arg)).collect()
    }

    fn term(&self, py: Python<'py>, arg: Arg<'_, 'py>) -> PyResult<Option<Term>> {
        match arg {
            Arg::Term(term) => Ok(Some(term)),
            Arg::Object(value) => constant(&value),
            Arg::Part(part) => match part {
                Part::Input(number) => Ok(Some(Term::Input(*number))),
                Part::Constant(value) => constant(value.bind(py)),
                Part::List(parts) | Part::Tuple(parts) => {
                    Ok(self.terms(py, parts.iter().map(Arg::Part))?.map(Term::List))
                }
                Part::Call(call) => self.call(py, call),
                _ => Ok(None),
            },
        }
    }
}

/// The only list of an index as a slice, if its numbers ascend evenly: a view costs nothing.
fn plainer(mut parts: Vec<Index>) -> Vec<Index> {
    let lists = parts.iter().filter(|part| !matches!(part, Index::Slice { .. } | Index::NewAxis | Index::Ellipsis));
    if lists.count() != 1 {
        return parts;
    }
    for part in &mut parts {
        if let Index::Ints { shape, values } = part
            && let ([_], Some(first), Some(last)) = (&**shape, values.first(), values.last())
            && *first >= 0
            && let step = values.get(1).map_or(1, |second| second - first)
            && step > 0
            && values.windows(2).all(|pair| pair[1] - pair[0] == step)
        {
            *part = Index::Slice { start: Some(*first), stop: Some(last + 1), step: Some(step) };
        }
    }
    parts
}

/// How a term stands to the blocks around it.
fn role(term: &Term) -> Role {
    let Term::Call(call) = term else { return Role::Map };
    let (function, args) = &**call;
    let below = args.iter().flat_map(inner_roles).collect::<Vec<_>>();
    let own = function.role();
    let has = |role: Role| own == role || below.contains(&role);
    match (has(Role::Combine), has(Role::Gather), has(Role::Partial)) {
        (true, ..) | (_, true, true) => Role::Combine,
        (_, true, _) => Role::Gather,
        (_, _, true) => Role::Partial,
        _ if has(Role::Map) => Role::Map,
        _ => Role::Move,
    }
}

/// How many blocks are in a nest of lists.
fn blocks(nest: &Term) -> usize {
    match nest {
        Term::List(parts) => parts.iter().map(blocks).sum(),
        _ => 1,
    }
}

fn inner_roles(term: &Term) -> Vec<Role> {
    match term {
        Term::Call(_) => vec![role(term)],
        Term::List(terms) => terms.iter().flat_map(inner_roles).collect(),
        _ => vec![],
    }
}

fn take<'a, 'py>(keywords: &mut Keywords<'a, 'py>, name: &str) -> Option<Arg<'a, 'py>> {
    let at = keywords.iter().position(|(other, _)| other == name)?;
    Some(keywords.swap_remove(at).1)
}

/// An argument that is known before anything runs; an error if it is not.
fn object<'py>(py: Python<'py>, arg: Option<Arg<'_, 'py>>) -> PyResult<Option<Bound<'py, PyAny>>> {
    match arg {
        None => Ok(None),
        Some(Arg::Object(value)) => Ok(Some(value)),
        Some(Arg::Part(part)) if part.is_constant() => part.value(py, &[]).map(Some),
        Some(_) => Err(pyo3::exceptions::PyTypeError::new_err("known only when it runs")),
    }
}

/// A number or a plain array.
fn constant(value: &Bound<'_, PyAny>) -> PyResult<Option<Term>> {
    let py = value.py();
    if let Some(chunk) = as_chunk(value)? {
        let whole = Chunks::whole(chunk.shape());
        let array = Array::from_chunk(chunk, Some(whole)).map_err(crate::errors::to_python)?;
        return Ok(Some(Term::Constant(Operand::Array(array))));
    }
    let scalar = value.is_instance(numpy(py)?.generic.bind(py))?;
    let number = value.is_exact_instance_of::<pyo3::types::PyInt>()
        || value.is_exact_instance_of::<pyo3::types::PyFloat>()
        || value.is_exact_instance_of::<pyo3::types::PyBool>()
        || value.is_exact_instance_of::<pyo3::types::PyComplex>();
    if !scalar && !number || value.is_instance_of::<PyType>() {
        return Ok(None);
    }
    Ok(convert::operand(value).ok().map(Term::Constant))
}
