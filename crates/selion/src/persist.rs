//! Computing in the background.

use std::sync::Arc;

use selion_array::Array;
use selion_core::{CancelToken, ExecError, Executor, Graph, Observer, Promise, Value};
use selion_delayed::{Delayed, Needs, Root};

use crate::compute::{Collection, Run, graph, run_roots};
use crate::error::Error;

/// Starts to compute collections, and returns at once: like the given ones, of values that will be in memory.
///
/// An error is raised when the values are needed.
///
/// # Errors
/// As [`compute_with`], for collections that cannot be computed.
pub fn persist_with(
    collections: &[Collection],
    executor: Arc<dyn Executor>,
    cancel: &CancelToken,
    observer: Arc<dyn Observer>,
) -> Result<Vec<Collection>, Error> {
    let roots: Vec<Root> = collections.iter().map(Collection::root).collect();
    let needs = Needs::of(&roots);
    let ready = needs.promises().iter().all(|promise| promise.get().is_some());
    let graph = if ready { Some(graph(needs)?) } else { None };
    let mut given: Vec<(Arc<Promise>, usize)> = Vec::with_capacity(collections.len());
    let mut kept = Vec::with_capacity(collections.len());
    for collection in collections {
        let promise = Arc::new(Promise::default());
        given.push((
            Arc::clone(&promise),
            match collection {
                Collection::Array(array) => array.chunks().count(),
                Collection::Delayed(_) => 1,
            },
        ));
        kept.push(match collection {
            Collection::Array(array) => {
                Collection::Array(Array::from_promise(promise, array.dtype(), array.chunks().clone()))
            }
            Collection::Delayed(_) => Collection::Delayed(Delayed::kept(promise)),
        });
    }
    let cancel = cancel.clone();
    let work = move || {
        let mut run = InBackground { executor, cancel, observer };
        let result = match graph {
            Some(graph) => run.run(graph).map_err(Error::from),
            None => run_roots(&roots, &mut run),
        };
        keep(&given, result);
    };
    let spawned = std::thread::Builder::new().name("selion-persist".to_owned()).spawn(work);
    spawned.map_err(|cause| ExecError::Unavailable(format!("cannot start a thread: {cause}")))?;
    Ok(kept)
}

struct InBackground {
    executor: Arc<dyn Executor>,
    cancel: CancelToken,
    observer: Arc<dyn Observer>,
}

impl Run for InBackground {
    fn run(&mut self, graph: Graph) -> Result<Vec<Value>, ExecError> {
        self.executor.execute(graph, &self.cancel, Arc::clone(&self.observer))
    }

    fn go_on(&mut self) -> bool {
        !self.cancel.is_cancelled()
    }
}

/// Gives each promise its part of the values, or all the same error.
fn keep(promises: &[(Arc<Promise>, usize)], result: Result<Vec<Value>, Error>) {
    match result {
        Ok(values) => {
            let mut values = values.into_iter();
            for (promise, count) in promises {
                promise.keep(Ok(values.by_ref().take(*count).collect()));
            }
        }
        Err(error) => {
            let error = Arc::new(match error {
                Error::Exec(error) => error,
                other => ExecError::Task { task: String::new(), cause: Box::new(other) },
            });
            promises.iter().for_each(|(promise, _)| promise.keep(Err(Arc::clone(&error))));
        }
    }
}
