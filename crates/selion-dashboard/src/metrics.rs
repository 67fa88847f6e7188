//! The text format of Prometheus.

use std::fmt::Write;

use crate::{GroupView, Source, WorkerView};

/// All numbers, in the text format of Prometheus.
pub fn metrics(source: &dyn Source) -> String {
    let all = source.overview();
    let mut out = Text::default();
    out.head("selion_info", "gauge", "The version of selion.");
    out.line("selion_info", &[("version", &all.version)], 1.0);
    out.number("selion_uptime_seconds", "gauge", "Since the scheduler started.", all.up);
    out.number("selion_clients", "gauge", "Clients that are connected.", all.clients as f64);
    out.number("selion_workers", "gauge", "Workers.", all.workers as f64);
    out.number("selion_threads", "gauge", "Tasks that workers can run at once.", all.threads as f64);
    out.number("selion_tasks_run_total", "counter", "Tasks that have run.", all.done as f64);
    out.number(
        "selion_expected_work_seconds",
        "gauge",
        "How long all known work is expected to run.",
        all.expected_seconds,
    );
    out.head("selion_tasks", "gauge", "Tasks that the scheduler remembers.");
    let states = [
        ("waiting", all.waiting),
        ("queued", all.queued),
        ("processing", all.processing),
        ("memory", all.in_memory),
        ("failed", all.failed),
    ];
    for (state, count) in states {
        out.line("selion_tasks", &[("state", state)], count as f64);
    }

    type OfGroup = fn(&GroupView) -> f64;
    let of_groups: [(&str, &str, OfGroup); 2] = [
        ("selion_group_run_total", "Tasks of a kind that have run.", |group| group.done as f64),
        ("selion_group_seconds_total", "How long they ran.", |group| group.seconds),
    ];
    for (name, about, value) in of_groups {
        out.head(name, "counter", about);
        for group in &all.groups {
            out.line(name, &[("group", &group.name)], value(group));
        }
    }

    type OfWorker = fn(&WorkerView) -> f64;
    let of_workers: [(&str, &str, OfWorker); 9] = [
        ("selion_worker_cpu_cores", "Cores that its process uses.", |worker| worker.cpu),
        ("selion_worker_threads", "Tasks that it runs at once.", |worker| f64::from(worker.nthreads)),
        ("selion_worker_memory_bytes", "Memory of its process.", |worker| worker.memory as f64),
        ("selion_worker_memory_limit_bytes", "Memory that it may use.", |worker| worker.memory_limit as f64),
        ("selion_worker_held_bytes", "Values that it holds.", |worker| worker.held as f64),
        ("selion_worker_spilled_bytes", "Values that it has on disk.", |worker| worker.spilled as f64),
        ("selion_worker_tasks", "Tasks that it has.", |worker| worker.processing as f64),
        ("selion_worker_paused", "Whether it starts no tasks.", |worker| f64::from(worker.status == "paused")),
        ("selion_worker_silent_seconds", "Since it was heard of.", |worker| worker.silent),
    ];
    let workers = source.workers();
    for (name, about, value) in of_workers {
        out.head(name, "gauge", about);
        for worker in &workers {
            out.line(name, &[("worker", &worker.address), ("name", &worker.name)], value(worker));
        }
    }
    out.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, about: &str) {
        let _ = writeln!(self.0, "# HELP {name} {about}\n# TYPE {name} {kind}"); // a String takes all
    }

    fn number(&mut self, name: &str, kind: &str, about: &str, value: f64) {
        self.head(name, kind, about);
        self.line(name, &[], value);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}
