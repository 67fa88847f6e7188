//! What a process can run: given by whoever assembles it, so that nothing here knows Python, or arrays.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use selion_core::{CancelToken, Enclosure, Value};
use selion_scheduler::message::Failure;

/// A value as it travels: a description, and data as it lies in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// What the runtime that decodes it needs to know.
    pub header: Bytes,
    /// Its data.
    pub buffers: Vec<Bytes>,
}

/// A kind of functions and values.
pub trait Runtime: Send + Sync + 'static {
    /// Makes a function, or a plan, of what travelled.
    ///
    /// # Errors
    /// What is told to whoever wants the value of a task that is a call of it.
    fn load(&self, blob: &Bytes) -> Result<Arc<dyn Code>, Failure>;

    /// A value as it travels.
    ///
    /// # Errors
    /// What is told to whoever wants it.
    fn encode(&self, value: &Value) -> Result<Parts, Failure>;

    /// The value that has travelled.
    ///
    /// # Errors
    /// What is told to whoever wants it.
    fn decode(&self, parts: Parts) -> Result<Value, Failure>;
}

/// A function, or a plan of many tasks.
pub trait Code: Send + Sync {
    /// Runs one task; gives its value, and the value as it travels if it is small and that is cheap to make.
    ///
    /// # Errors
    /// Why there is none. The failure's origin is filled in by the caller.
    fn call(
        &self,
        index: u32,
        args: &Bytes,
        inputs: &[Value],
        running: &Running,
    ) -> Result<(Value, Option<Bytes>), Failure>;

    /// In which surroundings it is best run.
    fn enclosure(&self) -> Option<&'static dyn Enclosure> {
        None
    }
}

type Hook = Box<dyn Fn() + Send>;

/// A task that runs, as seen by its code and by who may stop it.
#[derive(Default)]
pub struct Running {
    /// Set when the value is no longer wanted.
    pub cancel: CancelToken,
    hook: Mutex<Option<Hook>>,
}

impl Running {
    /// What is done to stop the code where looking at the token is not enough; none from when it cannot be stopped.
    pub fn on_interrupt(&self, hook: Option<Hook>) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    /// Stops the code, if it can be stopped. May block for a while.
    pub fn interrupt(&self) {
        self.cancel.cancel();
        // Not under the lock: it may have to wait for what the code holds.
        let hook = self.hook.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(hook) = hook {
            hook();
        }
    }
}
