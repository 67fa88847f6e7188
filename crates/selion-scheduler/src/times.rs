//! What the threads of a worker spend their time on.

use serde::{Deserialize, Serialize};

use crate::Micros;

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Doing {
    /// It runs a task.
    Compute,
    /// It moves values between workers.
    Transfer,
    /// It writes values to disk, or reads them.
    Disk,
    /// It has something to run, and there is no memory for it.
    AwaitMemory,
    /// It has something to run, and inputs are on their way.
    AwaitInput,
    /// It has nothing to run.
    NoWork,
}

/// Microseconds of all threads together, by what they did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// [`Doing::Compute`].
    pub compute: u64,
    /// [`Doing::Transfer`].
    pub transfer: u64,
    /// [`Doing::Disk`].
    pub disk: u64,
    /// [`Doing::AwaitMemory`].
    pub await_memory: u64,
    /// [`Doing::AwaitInput`].
    pub await_input: u64,
    /// [`Doing::NoWork`].
    pub no_work: u64,
}

impl Times {
    /// Some more of one kind.
    pub fn add(&mut self, doing: Doing, micros: Micros) {
        let time = match doing {
            Doing::Compute => &mut self.compute,
            Doing::Transfer => &mut self.transfer,
            Doing::Disk => &mut self.disk,
            Doing::AwaitMemory => &mut self.await_memory,
            Doing::AwaitInput => &mut self.await_input,
            Doing::NoWork => &mut self.no_work,
        };
        *time = time.saturating_add(micros);
    }

    /// All of it: threads times the time that has passed.
    pub fn total(&self) -> u64 {
        [self.compute, self.transfer, self.disk, self.await_memory, self.await_input, self.no_work]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// Keeps the time of a fixed number of threads, so that none is lost or counted twice.
///
/// ```
/// use selion_scheduler::times::{Doing, TimeSheet};
///
/// let mut sheet = TimeSheet::new(2, 0);
/// sheet.turn(0, Doing::Compute, 10);
/// sheet.turn(0, Doing::Disk, 110);
/// let times = sheet.times(150);
/// assert_eq!((times.compute, times.disk, times.no_work, times.total()), (100, 40, 160, 300));
/// ```
#[derive(Clone, Debug)]
pub struct TimeSheet {
    times: Times,
    threads: Vec<(Doing, Micros)>,
}

impl TimeSheet {
    /// Of threads that have nothing to do.
    pub fn new(threads: usize, now: Micros) -> Self {
        TimeSheet { times: Times::default(), threads: vec![(Doing::NoWork, now); threads] }
    }

    /// From now on a thread does something else.
    pub fn turn(&mut self, thread: usize, doing: Doing, now: Micros) {
        if let Some((before, since)) = self.threads.get_mut(thread) {
            self.times.add(*before, now.saturating_sub(*since));
            (*before, *since) = (doing, now.max(*since));
        }
    }

    /// From now on all threads that run nothing wait for this.
    pub fn turn_idle(&mut self, doing: Doing, now: Micros) {
        for thread in 0..self.threads.len() {
            let idle = matches!(self.threads[thread].0, Doing::AwaitMemory | Doing::AwaitInput | Doing::NoWork);
            if idle && self.threads[thread].0 != doing {
                self.turn(thread, doing, now);
            }
        }
    }

    /// All until now.
    pub fn times(&self, now: Micros) -> Times {
        let mut times = self.times;
        for (doing, since) in &self.threads {
            times.add(*doing, now.saturating_sub(*since));
        }
        times
    }
}
