//! The threads of this process, as the settings want them.

use std::sync::{Arc, RwLock};

use selion_runtime::{Config, Threads};

use crate::error::Error;
use crate::settings::settings;

/// The threads on which everything runs that names no other executor, as the settings say: made when first needed, and
/// anew when a setting that concerns it has changed.
///
/// # Errors
/// [`Error::Setting`] if a setting from the environment or the file is not one.
pub fn executor() -> Result<Arc<Threads>, Error> {
    static CURRENT: RwLock<Option<(Wish, Arc<Threads>)>> = RwLock::new(None);
    let wish = Wish::now()?;
    if let Ok(current) = CURRENT.read()
        && let Some((made_for, threads)) = current.as_ref()
        && *made_for == wish
    {
        return Ok(Arc::clone(threads));
    }
    let mut config = Config { memory_limit: wish.memory_limit, ..Config::default() };
    if let Some(threads) = wish.threads {
        config.threads = threads;
    }
    config.spill_dir = wish.spill_dir.clone().map(Into::into);
    let threads = Arc::new(Threads::new(config));
    if let Ok(mut current) = CURRENT.write() {
        *current = Some((wish, Arc::clone(&threads)));
    }
    Ok(threads)
}

/// What the settings want of an executor.
#[derive(PartialEq)]
struct Wish {
    threads: Option<usize>,
    memory_limit: Option<u64>,
    spill_dir: Option<String>,
}

impl Wish {
    fn now() -> Result<Wish, Error> {
        let settings = settings()?;
        Ok(Wish {
            threads: settings.integer("num_workers").map(|n| n as usize),
            memory_limit: settings.integer("memory_limit"),
            spill_dir: settings.text("temporary_directory"),
        })
    }
}
