//! Values that somebody else is computing.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::{ExecError, Value};

/// Values to come from a graph that may still be running.
///
/// ```
/// use std::{sync::Arc, thread, time::Duration};
/// use selion_core::{Promise, Value};
///
/// let promise = Arc::new(Promise::default());
/// let giver = Arc::clone(&promise);
/// thread::spawn(move || giver.keep(Ok([Value::Unit].into())));
/// while !promise.wait(Duration::from_millis(20)) {}
/// assert_eq!(promise.get().unwrap().as_ref().unwrap().len(), 1);
/// ```
#[derive(Default)]
pub struct Promise {
    result: OnceLock<Result<Arc<[Value]>, Arc<ExecError>>>,
    gate: Mutex<()>,
    kept: Condvar,
}

impl Promise {
    /// A promise that is kept already.
    pub fn of(values: Arc<[Value]>) -> Self {
        Promise { result: Ok(values).into(), ..Promise::default() }
    }

    /// Keeps the promise. Only the first time counts.
    pub fn keep(&self, result: Result<Arc<[Value]>, Arc<ExecError>>) {
        let _ = self.result.set(result);
        drop(self.gate.lock());
        self.kept.notify_all();
    }

    /// The values, or why there are none; `None` as long as nobody knows.
    pub fn get(&self) -> Option<&Result<Arc<[Value]>, Arc<ExecError>>> {
        self.result.get()
    }

    /// Waits for a while at most; whether the promise is kept.
    pub fn wait(&self, timeout: Duration) -> bool {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = |_: &mut ()| self.result.get().is_none();
        drop(self.kept.wait_timeout_while(gate, timeout, pending));
        self.result.get().is_some()
    }
}
