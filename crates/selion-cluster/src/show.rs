//! What the status page shows of a scheduler.

use std::rc::Rc;

use selion_dashboard::{GroupView, Overview, Ran, Source, Tasks, WorkerView};

use crate::server::Hub;

pub(crate) struct Show(pub(crate) Rc<Hub>);

impl Source for Show {
    fn overview(&self) -> Overview {
        let mut state = self.0.state.borrow_mut();
        state.tick();
        let summary = state.scheduler.summary();
        let groups = state.scheduler.groups();
        let workers = state.scheduler.workers();
        Overview {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: self.0.address.clone(),
            up: state.now() as f64 * 1e-6,
            clients: state.clients.len(),
            tasks: summary.tasks,
            done: summary.done,
            waiting: groups.iter().map(|group| group.waiting as usize).sum(),
            queued: summary.queued,
            processing: summary.processing,
            in_memory: summary.in_memory,
            failed: summary.failed,
            expected_seconds: summary.expected_seconds,
            workers: workers.len(),
            threads: workers.iter().map(|worker| u64::from(worker.info.nthreads)).sum(),
            groups: groups
                .into_iter()
                .map(|group| GroupView {
                    name: group.name.to_string(),
                    done: group.done,
                    seconds: group.spent as f64 * 1e-6,
                    waiting: group.waiting as usize,
                    queued: group.queued as usize,
                    processing: group.processing as usize,
                    in_memory: group.in_memory as usize,
                    failed: group.failed as usize,
                })
                .collect(),
        }
    }

    fn workers(&self) -> Vec<WorkerView> {
        let mut state = self.0.state.borrow_mut();
        state.tick();
        let workers = state.scheduler.workers().into_iter().map(|worker| WorkerView {
            id: worker.id.0,
            status: match (worker.retiring, worker.status.paused) {
                (true, _) => "retiring",
                (false, true) => "paused",
                (false, false) => "running",
            },
            name: worker.info.name,
            address: worker.info.address,
            nthreads: worker.info.nthreads,
            cpu: f64::from(worker.status.cpu) * 1e-2,
            memory: worker.status.memory,
            memory_limit: worker.info.memory_limit,
            held: worker.held_bytes,
            spilled: worker.status.spilled,
            processing: worker.processing,
            holds: worker.holds,
            silent: worker.silent as f64 * 1e-6,
        });
        workers.collect()
    }

    fn tasks(&self, after: u64) -> Tasks {
        let state = self.0.state.borrow();
        let (next, ran) = state.scheduler.ran_since(after);
        let mut tasks = Tasks { next, now: state.now() as f64 * 1e-6, ..Tasks::default() };
        let mut numbers = std::collections::HashMap::new();
        for ran in ran {
            let group = *numbers.entry(ran.group).or_insert_with(|| {
                tasks.groups.push(state.scheduler.group_name(ran.group).to_owned());
                tasks.groups.len() - 1
            });
            tasks.tasks.push(Ran {
                worker: ran.worker.0,
                group,
                start: ran.end.saturating_sub(ran.micros) as f64 * 1e-6,
                seconds: ran.micros as f64 * 1e-6,
                failed: ran.failed,
            });
        }
        tasks
    }
}
