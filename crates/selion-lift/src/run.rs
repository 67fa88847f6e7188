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

/// The value of a term.
#[derive(Clone)]
pub(crate) enum Lifted {
    Array(Array),
    /// A block that is there.
    Block(Chunk),
    /// A Python number.
    Number(Operand),
    /// A state of several arrays or blocks.
    Parts(Vec<Lifted>),
    List(Vec<Lifted>),
}

impl Lifted {
    pub(crate) fn array(self) -> Result<Array, Refused> {
        match self {
            Lifted::Array(array) => Ok(array),
            Lifted::Block(chunk) => match chunk.scalar() {
                Some(scalar) if chunk.ndim() == 0 => Ok(Array::scalar(scalar)),
                _ => {
                    let whole = Chunks::whole(chunk.shape());
                    Ok(Array::from_chunk(chunk, Some(whole))?)
                }
            },
            _ => refuse("no block"),
        }
    }

    pub(crate) fn operand(self) -> Result<Operand, Refused> {
        match self {
            Lifted::Number(number) => Ok(number),
            other => other.array().map(Operand::Array),
        }
    }

    fn block(&self) -> Option<&Chunk> {
        if let Lifted::Block(chunk) = self { Some(chunk) } else { None }
    }

    /// The states of a nest of lists, one after the other; `None` if anything else is in it, or is not there yet.
    pub(crate) fn states(&self) -> Option<Vec<Vec<&Chunk>>> {
        match self {
            Lifted::List(parts) => {
                let states = parts.iter().map(Lifted::states).collect::<Option<Vec<_>>>()?;
                Some(states.into_iter().flatten().collect())
            }
            Lifted::Parts(parts) => Some(vec![parts.iter().map(Lifted::block).collect::<Option<_>>()?]),
            _ => None,
        }
    }

    /// Appends the arrays that are to be computed.
    fn collect(&self, arrays: &mut Vec<Array>) -> Result<(), Refused> {
        match self {
            Lifted::Array(array) => arrays.push(array.whole()),
            Lifted::Block(_) => {}
            Lifted::Parts(parts) => parts.iter().try_for_each(|part| part.collect(arrays))?,
            Lifted::Number(_) | Lifted::List(_) => return refuse("a step that gives no block"),
        }
        Ok(())
    }

    /// The value, now that its arrays are computed.
    fn with(&self, chunks: &mut dyn Iterator<Item = Chunk>) -> Result<Value, Refused> {
        match self {
            Lifted::Block(chunk) => Ok(Value::Chunk(chunk.clone())),
            Lifted::Parts(parts) => {
                Ok(Value::Tuple(parts.iter().map(|part| part.with(chunks)).collect::<Result<_, _>>()?))
            }
            _ => chunks.next().map_or_else(|| refuse("a block that was not computed"), |chunk| Ok(Value::Chunk(chunk))),
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
                Some(part) => Ok(part.clone()),
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
        values[*step as usize].collect(&mut arrays)?;
    }
    let mut chunks = computed(&arrays)?.into_iter();
    wanted.iter().map(|step| values[*step as usize].with(&mut chunks)).collect()
}

/// A block from outside.
fn given(value: &Value) -> Result<Lifted, Refused> {
    match value {
        Value::Chunk(chunk) => Ok(Lifted::Block(chunk.clone())),
        Value::Tuple(parts) => Ok(Lifted::Parts(parts.iter().map(given).collect::<Result<_, _>>()?)),
        _ => refuse("no plain array"),
    }
}

fn value(term: &Term, input: &mut dyn FnMut(u32) -> Lifted) -> Result<Lifted, Refused> {
    match term {
        Term::Input(number) => Ok(input(*number)),
        Term::Constant(Operand::Array(array)) => Ok(Lifted::Array(array.clone())),
        Term::Constant(number) => Ok(Lifted::Number(number.clone())),
        Term::List(terms) => Ok(Lifted::List(terms.iter().map(|term| value(term, input)).collect::<Result<_, _>>()?)),
        Term::Call(call) => {
            let (function, args) = &**call;
            let args = args.iter().map(|term| value(term, input)).collect::<Result<Vec<_>, _>>()?;
            function.apply(args)
        }
    }
}

/// The blocks of arrays of one block each.
fn computed(arrays: &[Array]) -> Result<Vec<Chunk>, Refused> {
    if arrays.is_empty() {
        return Ok(Vec::new());
    }
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
    let context = TaskContext { cancel: &cancel, host: None };
    for task in graph.tasks() {
        let (body, index) = graph.body(task);
        let mut inputs: Vec<Value> = graph.inputs(task).iter().map(|id| take(&mut values, *id)).collect();
        for (id, value) in graph.outputs(task).zip(body.run_owned(index, &mut inputs, &context)?) {
            values[id.index()] = Some(value);
        }
    }
    Ok(graph.wanted().iter().map(|id| take(&mut values, *id)).collect())
}
