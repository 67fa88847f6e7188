//! Terms on blocks: expressions, fused and run on the spot.

use selion_array::{Array, Chunks, LowerOptions, Operand, Root, lower, optimize};
use selion_core::{CancelToken, Chunk, Graph, Outputs, TaskContext, Value, ValueId};

use crate::function::{Refused, Term, refuse};

/// A term of a group.
pub struct Step {
    /// What is computed. Inputs are numbered as `inputs` says.
    pub term: Term,
    /// Where each of the term's inputs comes from.
    pub inputs: Vec<From>,
}

/// Where an input of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The group's input of this number.
    Outside(u32),
    /// The group's step of this number.
    Step(u32),
}

/// The value of a term, as an expression.
#[derive(Clone)]
pub(crate) enum Lifted {
    Array(Array),
    /// A Python number.
    Number(Operand),
    /// A state of several arrays.
    Parts(Vec<Array>),
    List(Vec<Lifted>),
}

impl Lifted {
    pub(crate) fn array(self) -> Result<Array, Refused> {
        match self {
            Lifted::Array(array) => Ok(array),
            _ => refuse("no block"),
        }
    }

    pub(crate) fn operand(self) -> Result<Operand, Refused> {
        match self {
            Lifted::Array(array) => Ok(Operand::Array(array)),
            Lifted::Number(number) => Ok(number),
            _ => refuse("no block and no number"),
        }
    }

    /// How deep lists are nested.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Lifted::List(parts) => 1 + parts.first().map_or(0, Lifted::depth),
            _ => 0,
        }
    }

    /// The same nest with part number `k` of each state.
    pub(crate) fn part(&self, k: usize) -> Result<Lifted, Refused> {
        match self {
            Lifted::List(states) => {
                Ok(Lifted::List(states.iter().map(|state| state.part(k)).collect::<Result<_, _>>()?))
            }
            Lifted::Parts(parts) => match parts.get(k) {
                Some(part) => Ok(Lifted::Array(part.clone())),
                None => refuse("a state with fewer parts"),
            },
            _ => refuse("no state"),
        }
    }
}

/// Runs the steps of a group; the values of those that are `wanted`, in order.
///
/// # Errors
/// [`Refused`], if anything turns out not to be native; nothing was done then that could be seen.
pub fn run(steps: &[Step], inputs: &[Value], wanted: &[u32]) -> Result<Outputs, Refused> {
    let given = inputs.iter().map(given).collect::<Result<Vec<_>, _>>()?;
    let mut values: Vec<Lifted> = Vec::with_capacity(steps.len());
    for step in steps {
        let value = value(&step.term, &mut |number| match step.inputs[number as usize] {
            From::Outside(input) => given[input as usize].clone(),
            From::Step(step) => values[step as usize].clone(),
        })?;
        values.push(value);
    }
    let mut arrays = Vec::new();
    for step in wanted {
        match &values[*step as usize] {
            Lifted::Array(array) => arrays.push(array.whole()),
            Lifted::Parts(parts) => arrays.extend(parts.iter().map(Array::whole)),
            _ => return refuse("a step that gives no block"),
        }
    }
    let mut chunks = computed(&arrays)?.into_iter();
    let mut outputs = Outputs::new();
    for step in wanted {
        let count = if let Lifted::Parts(parts) = &values[*step as usize] { Some(parts.len()) } else { None };
        outputs.push(match count {
            None => chunks.next().map_or(Value::Unit, Value::Chunk),
            Some(count) => Value::Tuple(chunks.by_ref().take(count).map(Value::Chunk).collect()),
        });
    }
    Ok(outputs)
}

/// A block from outside.
fn given(value: &Value) -> Result<Lifted, Refused> {
    let array = |chunk: &Chunk| -> Result<Array, Refused> {
        match chunk.scalar() {
            Some(scalar) if chunk.ndim() == 0 => Ok(Array::scalar(scalar)),
            _ => Ok(Array::from_chunk(chunk.clone(), Some(Chunks::whole(chunk.shape())))?),
        }
    };
    match value {
        Value::Chunk(chunk) => Ok(Lifted::Array(array(chunk)?)),
        Value::Tuple(parts) => {
            let part = |part: &Value| part.as_chunk().map_or_else(|| refuse("a state of something else"), array);
            Ok(Lifted::Parts(parts.iter().map(part).collect::<Result<_, _>>()?))
        }
        _ => refuse("no plain array"),
    }
}

fn value(term: &Term, input: &mut dyn FnMut(u32) -> Lifted) -> Result<Lifted, Refused> {
    match term {
        Term::Input(number) => Ok(input(*number)),
        Term::Constant(Operand::Array(array)) => Ok(Lifted::Array(array.clone())),
        Term::Constant(number) => Ok(Lifted::Number(number.clone())),
        Term::List(terms) => {
            Ok(Lifted::List(terms.iter().map(|term| value(term, input)).collect::<Result<_, _>>()?))
        }
        Term::Call(call) => {
            let (function, args) = &**call;
            let args = args.iter().map(|term| value(term, input)).collect::<Result<Vec<_>, _>>()?;
            function.apply(args)
        }
    }
}

/// The blocks of arrays of one block each.
fn computed(arrays: &[Array]) -> Result<Vec<Chunk>, Refused> {
    let arrays = optimize(arrays, false);
    let roots: Vec<Root> = arrays.into_iter().map(|array| Root { array, sink: None }).collect();
    let graph = lower(&roots, LowerOptions::default())?;
    let values = run_here(&graph).map_err(|error| Refused(error.to_string()))?;
    values.into_iter().map(|value| value.as_chunk().cloned().ok_or_else(|| Refused("no block".to_owned()))).collect()
}

/// Runs a small graph on this thread, task by task. What nobody reads any more is dropped.
fn run_here(graph: &Graph) -> Result<Vec<Value>, selion_core::TaskError> {
    let mut readers = vec![0_u32; graph.value_count()];
    let reads = graph.tasks().flat_map(|task| graph.inputs(task).iter().copied());
    reads.chain(graph.wanted().iter().copied()).for_each(|value| readers[value.index()] += 1);
    let mut values: Vec<Option<Value>> = vec![None; graph.value_count()];
    let mut take = |values: &mut Vec<Option<Value>>, id: ValueId| {
        readers[id.index()] -= 1;
        let value = if readers[id.index()] == 0 { values[id.index()].take() } else { values[id.index()].clone() };
        value.unwrap_or(Value::Unit)
    };
    let cancel = CancelToken::default();
    let context = TaskContext { cancel: &cancel };
    for task in graph.tasks() {
        let (body, index) = graph.body(task);
        let mut inputs: Vec<Value> = graph.inputs(task).iter().map(|id| take(&mut values, *id)).collect();
        for (id, value) in graph.outputs(task).zip(body.run_owned(index, &mut inputs, &context)?) {
            values[id.index()] = Some(value);
        }
    }
    Ok(graph.wanted().iter().map(|id| take(&mut values, *id)).collect())
}
